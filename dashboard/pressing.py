"""Buttons about runs: each does what the same line of chat does, and leads to the run it is about."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, flash, redirect, request
from flask.typing import ResponseReturnValue

from control.speak import do
from dashboard import forms
from dashboard.reading import number
from pipeline.errors import Rejected
from pipeline.intents import Intent, Target, Verb
from pipeline.names import run_name
from store.session import Database

BY = "page@localhost"
BUTTONS = {"cancel": Verb.CANCEL, "retry": Verb.RETRY, "approve": Verb.APPROVE}
LONGEST = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Pressing:
    """What buttons need: where things are kept, where they are told, what time it is."""

    database: Database
    channel: str
    now: Callable[[], datetime]

    def do(self, intent: Intent, back: str) -> ResponseReturnValue:
        """Do what is asked, and lead to what was started, or back with why nothing was."""
        try:
            reply = do(self.database, intent, actor=BY, channel=self.channel, at=self.now())
        except Rejected as refusal:
            flash(f"{refusal.sentence} {refusal.fix}".strip(), "failed")
            return redirect(back, 303)
        flash(reply.text, "passed" if reply.code == "ok" else "skipped")
        return redirect(f"/runs/{run_name(reply.runs[0])}" if reply.runs else back, 303)


def make_pressing(
    database: Database, *, channel: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Blueprint:
    """Return the blueprint of the buttons of runs and of the form that starts one."""
    pages = Blueprint("pressing", __name__)
    pressing = Pressing(database=database, channel=channel, now=now)

    def press(name: str, verb: Verb) -> ResponseReturnValue:
        forms.check()
        run = run_name(number(name, "r"))
        subject = _said("stage") if verb is Verb.RETRY else ""
        return pressing.do(Intent(verb=verb, id=run, subject=subject, reason=_said("reason")), f"/runs/{run}")

    for word, verb in BUTTONS.items():
        pages.add_url_rule(f"/runs/<name>/{word}", word, lambda name, verb=verb: press(name, verb), methods=["POST"])

    @pages.post("/start")
    def start() -> ResponseReturnValue:
        """Start the run of the form: any ref that was pushed, all of its stages or some."""
        forms.check()
        target = Target(name=_said("project"), ref=_said("ref"))
        stages = tuple(_said("stages").replace(",", " ").split())
        return pressing.do(Intent(verb=Verb.BUILD, targets=(target,), words=stages, reason=_said("reason")), "/")

    return pages


def _said(field: str) -> str:
    """Return a field of the form; no database keeps a NUL."""
    return request.form.get(field, "").replace("\0", "").strip()[:LONGEST]
