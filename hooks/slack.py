"""Slack's slash commands: verify, store, say that it was heard; the chat worker does the rest.

https://docs.slack.dev/interactivity/implementing-slash-commands
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlsplit

from flask import Blueprint, Response, jsonify, request

from hooks.blueprint import Patience, lower_headers, read_body
from hooks.payload import clean, malformed
from hooks.signatures import slack_signature_holds
from pipeline.errors import NotFound, Rejected, Unauthorized, WrongType
from store import commands
from store.commands import NewCommand
from store.races import settled
from store.session import Database

FORM = "application/x-www-form-urlencoded"
ANSWERS = "hooks.slack.com"
OWN_COMMAND = "slipway"
BODY_LIMIT = 64 * 1024
LONGEST_LINE = 2_000
BACKTICK = "\N{MODIFIER LETTER PRIME}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Takes in slash commands. Without a signing secret it takes in nothing.

    Answers go to hooks.slack.com; `allowed_hosts` are other `host[:port]` they may go to, for a stand-in of Slack.
    """

    database: Database
    signing_secret: str | None
    clock: Callable[[], datetime]
    allowed_hosts: Collection[str] = ()
    team_id: str | None = None

    def receive(self, headers: Mapping[str, str], body: bytes) -> str:
        """Store the command and its job in one commit and return what to say. Raises Rejected or Unavailable."""
        if not self.signing_secret:
            raise NotFound("Slack is not set up", code="slack_not_set_up", fix="Set SLIPWAY_SLACK__SIGNING_SECRET.")
        at = self.clock()
        if not slack_signature_holds(headers, body, self.signing_secret, at=at):
            raise Unauthorized("Slack's signature is missing, does not match, or is older than five minutes")
        fields = _fields(body)
        if self.team_id and fields.get("team_id") != self.team_id:
            raise Unauthorized("this command comes from another Slack workspace", code="wrong_workspace")
        line = line_of(fields)
        if len(line) > LONGEST_LINE:
            return f"That is longer than {LONGEST_LINE} characters, so I did not read it."
        new = self._command(headers, fields, line)
        settled(self.database, lambda session: commands.create(session, new, at=at))
        return f"{_code(line)} — on it."

    def _command(self, headers: Mapping[str, str], fields: Mapping[str, str], line: str) -> NewCommand:
        url = fields.get("response_url", "")
        if url and not is_answer_url(url, self.allowed_hosts):
            raise Rejected("response_url does not lead to Slack", code="bad_response_url")
        # The trigger is the same however often Slack sends the command; a copied request has the same signature.
        spoken = fields.get("trigger_id") or headers["x-slack-request-timestamp"] + headers["x-slack-signature"]
        return NewCommand(
            key=f"slack:{hashlib.sha256(spoken.encode()).hexdigest()}",
            source="slack",
            person=f"slack:{_identity(fields, 'team_id')}:{_identity(fields, 'user_id')}",
            channel=fields.get("channel_id", ""),
            line=line,
            response_url=url,
        )


def make(
    database: Database,
    *,
    signing_secret: str | None,
    clock: Callable[[], datetime],
    allowed_hosts: Collection[str] = (),
    team_id: str | None = None,
    patience: Patience = nullcontext,
) -> Blueprint:
    """Return the blueprint that answers POST /slack/commands, of one workspace only where `team_id` names it."""
    desk = Desk(
        database=database, signing_secret=signing_secret, clock=clock, allowed_hosts=allowed_hosts, team_id=team_id
    )
    blueprint = Blueprint("slack", __name__)

    def receive() -> Response:
        """Take in one slash command."""
        if request.mimetype != FORM:
            raise WrongType(f"Slack sends commands as {FORM}")
        with patience():
            body = read_body(BODY_LIMIT)
        said = desk.receive(lower_headers(), body)
        return jsonify({"response_type": "ephemeral", "text": said})

    blueprint.add_url_rule("/slack/commands", "commands", receive, methods=["POST"], provide_automatic_options=False)
    return blueprint


def line_of(fields: Mapping[str, str]) -> str:
    """Return the line of the chat grammar that a slash command is: `/deploy X` is `deploy X`, `/slipway X` is `X`."""
    command = fields.get("command", "").removeprefix("/").strip()
    text = fields.get("text", "").strip()
    if command != OWN_COMMAND:
        text = f"{command} {text}".strip()
    # Slack has escaped these three, and nothing else.
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&") or "help"


def is_answer_url(url: str, allowed_hosts: Collection[str] = ()) -> bool:
    """Tell whether answers may be sent to `url`: it leads to Slack, or to a stand-in that the operator named."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if clean(url) != url or "\\" in url or any(one.isspace() for one in url):
        return False
    if parts.scheme == "https" and parts.netloc == ANSWERS:
        return True
    return parts.scheme in {"http", "https"} and parts.netloc in allowed_hosts


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=100)
    except ValueError as fault:
        raise malformed("the body is not a form") from fault
    fields = {name: clean(value) for name, value in pairs}
    if len(fields) != len(pairs):
        raise malformed("a field of the form is there twice")
    return fields


def _identity(fields: Mapping[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not (value.isascii() and value.isalnum()):
        raise malformed(f"{name} is missing or not an id")
    return value


def _code(line: str) -> str:
    """Return a line as code that shows what was said and nothing more: no mention, no link, no end of the code."""
    shown = " ".join(line.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"`{shown.replace('`', BACKTICK)}`"
