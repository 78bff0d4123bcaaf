"""The pages under /settings: projects and their hooks, every delivery, and the recorder."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from dashboard import forms
from dashboard.asking import delivery_filter, page_asked
from dashboard.bodies import readable
from dashboard.drawing import threads
from dashboard.reading import Reading, number
from dashboard.redelivery import Redelivery
from dashboard.vault import Vault
from pipeline.errors import Rejected
from store import views_deliveries, views_lists
from store.secrets import Scope
from store.views import Page
from store.views_deliveries import SOURCES, VERDICTS

MESSAGES = 100
BY = "page@localhost"


def make_settings(reading: Reading, redelivery: Redelivery, vault: Vault) -> Blueprint:
    """Return the blueprint of the settings."""
    pages = Blueprint("settings", __name__, url_prefix="/settings")
    _look(pages, reading, vault)
    _secrets(pages, vault)
    _deliveries(pages, reading)
    _again(pages, redelivery)
    return pages


def _look(pages: Blueprint, reading: Reading, vault: Vault) -> None:
    @pages.get("")
    def projects() -> ResponseReturnValue:
        """List projects: where their forges post to, and when each was last heard of."""
        with reading.session() as session:
            found = views_lists.projects(session, reading.links)
        return render_template("projects.html", projects=found["items"], secrets=vault.listed(), moving=False)

    @pages.get("/chat")
    def chat() -> ResponseReturnValue:
        """Draw what the recorder kept as Slack would."""
        with reading.session() as session:
            found = views_lists.messages(session, page=Page(limit=MESSAGES))
        return render_template("chat.html", channels=threads(found["items"]), moving=False)


def _secrets(pages: Blueprint, vault: Vault) -> None:
    @pages.post("/secrets")
    def put_secret() -> ResponseReturnValue:
        """Set the secret of the form."""
        forms.check()
        asked = {name: request.form.get(name, "").strip() for name in ("name", "project", "environment")}
        scope = Scope(project=asked["project"], environment=asked["environment"]).word
        # Browsers send the lines of a text with both line ends.
        value = request.form.get("value", "").replace("\r\n", "\n")
        return _tell(lambda: vault.put(scope, asked["name"], value, by=BY), f"{asked['name']} is set for {scope}")

    @pages.post("/secrets/remove")
    def drop_secret() -> ResponseReturnValue:
        """Remove the secret of the form."""
        forms.check()
        scope, name = request.form.get("scope", ""), request.form.get("name", "")
        return _tell(lambda: vault.drop(scope, name), f"{name} is gone for {scope}")


def _tell(do: Callable[[], object], done: str) -> ResponseReturnValue:
    try:
        do()
        flash(done, "passed")
    except Rejected as fault:
        flash(f"{fault.sentence}. {fault.fix}".strip(), "failed")
    return redirect(url_for("settings.projects", _anchor="secrets"), 303)


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
