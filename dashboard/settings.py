"""The pages under /settings: projects and their hooks, every delivery, and the recorder."""

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard import forms
from dashboard.asking import delivery_filter, page_asked
from dashboard.bodies import readable
from dashboard.drawing import threads
from dashboard.reading import Reading, number
from dashboard.redelivery import Redelivery
from pipeline.errors import Rejected
from store import views_deliveries, views_lists
from store.views import Page
from store.views_deliveries import SOURCES, VERDICTS

MESSAGES = 100


def make_settings(reading: Reading, redelivery: Redelivery) -> Blueprint:
    """Return the blueprint of the settings."""
    pages = Blueprint("settings", __name__, url_prefix="/settings")
    _look(pages, reading)
    _deliveries(pages, reading)
    _again(pages, redelivery)
    return pages


def _look(pages: Blueprint, reading: Reading) -> None:
    @pages.get("")
    def projects() -> ResponseReturnValue:
        """List projects: where their forges post to, and when each was last heard of."""
        with reading.session() as session:
            found = views_lists.projects(session, reading.links)
        return render_template("projects.html", projects=found["items"], moving=False)

    @pages.get("/chat")
    def chat() -> ResponseReturnValue:
        """Draw what the recorder kept as Slack would."""
        with reading.session() as session:
            found = views_lists.messages(session, page=Page(limit=MESSAGES))
        return render_template("chat.html", channels=threads(found["items"]), moving=False)


def _deliveries(pages: Blueprint, reading: Reading) -> None:
    @pages.get("/deliveries")
    def deliveries() -> ResponseReturnValue:
        """List what was received and what became of it."""
        with reading.session() as session:
            found = views_deliveries.deliveries(session, delivery_filter(), page_asked())
        context = {"verdicts": VERDICTS, "sources": SOURCES, "moving": False}
        return render_template("deliveries.html", deliveries=found, **context)

    @pages.get("/deliveries/<delivery>")
    def delivery(delivery: str) -> ResponseReturnValue:
        """Show one delivery: what was decided and why, then what came."""
        found = reading.delivery(delivery)
        body = readable(found["body"], found["headers"])
        return render_template("delivery.html", delivery=found, body=body, moving=False)


def _again(pages: Blueprint, redelivery: Redelivery) -> None:
    @pages.post("/deliveries/<delivery>/redeliver")
    def redeliver(delivery: str) -> ResponseReturnValue:
        """Take a delivery in once more, and show what became of it."""
        forms.check()
        try:
            answer = redelivery.redeliver(number(delivery, ""))
        except Rejected as fault:
            flash(f"Not taken in: {fault.sentence}. {fault.fix}".strip(), "failed")
            return redirect(url_for("settings.delivery", delivery=delivery), 303)
        flash(f"Taken in once more: {answer.detail}", "passed")
        return redirect(url_for("settings.delivery", delivery=answer.delivery), 303)

    @pages.post("/deliveries/<delivery>/verify")
    def verify(delivery: str) -> ResponseReturnValue:
        """Check a delivery's signature with the secret of the form, or the project's."""
        forms.check()
        try:
            holds, detail = redelivery.verify(number(delivery, ""), request.form.get("secret") or None)
        except Rejected as fault:
            holds, detail = False, f"{fault.sentence}. {fault.fix}".strip()
        flash(detail, "passed" if holds else "failed")
        return redirect(url_for("settings.delivery", delivery=delivery), 303)
