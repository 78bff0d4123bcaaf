"""`slipway chat`: the chat grammar from a shell, and what the recorder kept."""

import getpass
import json
import sys
import time
from datetime import UTC, datetime

import click

from config.settings import Settings
from control.speak import say
from runtime.wake import Wake
from store.recorded import RecordedMessage, since
from store.session import Database

# What a reply's code means to a shell: these are done or need no doing, a line that is no sentence is bad usage.
FINE = frozenset({"ok", "already_started", "already_ended", "not_pinned"})
EXIT_USAGE, EXIT_REFUSED = 2, 3
POLL = 0.5


@click.command()
@click.argument("line", nargs=-1, required=True)
@click.option("--as", "actor", metavar="EMAIL", help="Speak for somebody; recorded as them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was understood, and the reply, as JSON.")
@click.option("-f", "--follow", is_flag=True, help="With `tail`: go on printing what is posted.")
def chat(line: tuple[str, ...], actor: str | None, as_json: bool, follow: bool) -> int:
    """Say LINE to Slipway as in Slack (`slipway chat help`), or `tail` what it has posted."""
    settings = Settings()
    if line == ("tail",):
        return _tail(Database(settings.database_url), follow=follow, as_json=as_json)
    database = Database(settings.database_url, on_commit=Wake(settings.run / "clock.sock").send)
    spoken = say(
        database,
        " ".join(line),
        actor=actor or f"{getpass.getuser()}@localhost",
        channel=settings.slack.channel,
        at=datetime.now(UTC),
    )
    click.echo(json.dumps(spoken.as_json(), ensure_ascii=False) if as_json else spoken.reply.text)
    if spoken.reply.code in FINE:
        return 0
    return EXIT_USAGE if spoken.intent is None else EXIT_REFUSED


def _tail(database: Database, *, follow: bool, as_json: bool) -> int:
    seen: datetime | None = None
    while True:
        with database.read() as session:
            news = since(session, seen)
        for one in news:
            click.echo(_json(one) if as_json else _text(one))
            seen = max(one.updated_at, seen or one.updated_at)
        if not follow:
            return 0
        sys.stdout.flush()
        time.sleep(POLL)


def _text(one: RecordedMessage) -> str:
    again = f" · redrawn {one.edits} times" if one.edits > 1 else " · redrawn" if one.edits else ""
    when = one.updated_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"{when} {one.channel}{again}\n{one.text}\n"


def _json(one: RecordedMessage) -> str:
    known = {"channel": one.channel, "ts": one.ts, "text": one.text, "edits": one.edits}
    return json.dumps(known | {"updated_at": one.updated_at.isoformat()}, ensure_ascii=False)
