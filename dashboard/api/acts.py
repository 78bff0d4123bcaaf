"""What programs do through the API: say a line of the chat grammar, or ask for one thing by its address."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from control.asking import Reply
from control.speak import do, say
from pipeline.errors import Rejected, WrongType
from pipeline.intents import Intent, Target, Verb
from pipeline.names import deployment_name, run_name
from store.session import Database

ANYBODY = "api@localhost"
LONGEST = 254


@dataclass(frozen=True, kw_only=True, slots=True)
class Acting:
    """What acts need: where things are kept, where they are told, what time it is."""

    database: Database
    channel: str
    now: Callable[[], datetime]

    def do(self, intent: Intent, actor: str) -> Response:
        """Do what is asked and answer with what was started. Raises Rejected if it cannot be done."""
        return _started(do(self.database, intent, actor=actor, channel=self.channel, at=self.now()))


def make_acts(
    database: Database, *, channel: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Blueprint:
    """Return the blueprint of everything under /api/v1 that changes something."""
    acts = Blueprint("acts", __name__, url_prefix="/api/v1")
    acting = Acting(database=database, channel=channel, now=now)
    _chat(acts, acting)
    _runs(acts, acting)
    _environments(acts, acting)
    return acts


def _chat(acts: Blueprint, acting: Acting) -> None:
    @acts.post("/chat")
    def chat() -> ResponseReturnValue:
        """Do what `text` says for the person `as`; answer what was understood, and the reply."""
        said = _body('{"text": "status", "as": "EMAIL"}')
        line = _text(said, "text", needed=True)
        at = acting.now()
        return jsonify(say(acting.database, line, actor=_actor(said), channel=acting.channel, at=at).as_json())


def _runs(acts: Blueprint, acting: Acting) -> None:
    @acts.post("/projects/<project>/runs")
    def start(project: str) -> ResponseReturnValue:
        """Run what was last pushed as `ref` again."""
        said = _body('{"ref": "main", "reason": "…"}')
        target = Target(name=project, ref=_text(said, "ref"))
        return acting.do(Intent(verb=Verb.BUILD, targets=(target,), reason=_text(said, "reason")), _actor(said))

    @acts.post("/runs/<run_id>/cancel")
    def cancel(run_id: str) -> ResponseReturnValue:
        """Ask a run to stop."""
        said = _body('{"reason": "…"}')
        return acting.do(Intent(verb=Verb.CANCEL, id=_run(run_id), reason=_text(said, "reason")), _actor(said))

    @acts.post("/runs/<run_id>/retry")
    def retry(run_id: str) -> ResponseReturnValue:
        """Make another run of what a run was of."""
        said = _body('{"reason": "…"}')
        return acting.do(Intent(verb=Verb.RETRY, id=_run(run_id), reason=_text(said, "reason")), _actor(said))


def _environments(acts: Blueprint, acting: Acting) -> None:
    @acts.post("/environments/<project>/<environment>/deploy")
    def deploy(project: str, environment: str) -> ResponseReturnValue:
        """Deploy services, `SERVICE@REF` each, or the whole project where none is named."""
        said = _body('{"targets": ["web@main"], "reason": "…"}')
        targets = _targets(said, project) or (Target(name=project),)
        intent = Intent(verb=Verb.DEPLOY, targets=targets, environment=environment, reason=_text(said, "reason"))
        return acting.do(intent, _actor(said))

    @acts.post("/environments/<project>/<environment>/rollback")
    def rollback(project: str, environment: str) -> ResponseReturnValue:
        """Go back to what ran before, all of the project or the `services` named."""
        said = _body('{"services": ["web"], "reason": "…"}')
        targets = _targets(said | {"targets": said.get("services")}, project) or (Target(name=project),)
        intent = Intent(verb=Verb.ROLLBACK, targets=targets, environment=environment, reason=_text(said, "reason"))
        return acting.do(intent, _actor(said))


def _started(reply: Reply) -> Response:
    """Answer 202 and where to look if something was started, else 200."""
    body = {
        "detail": reply.text,
        "code": reply.code,
        "runs": [run_name(one) for one in reply.runs],
        "deployments": [deployment_name(one) for one in reply.deployments],
    }
    answer = jsonify(body)
    if reply.deployments:
        answer.headers["Location"] = url_for("reads.deployment", name=body["deployments"][0])
    elif reply.runs:
        answer.headers["Location"] = url_for("reads.run", name=body["runs"][0])
    answer.status_code = 202 if answer.location else 200
    return answer


def _body(shape: str) -> dict[str, Any]:
    # Only JSON: a form on another site can post a form's types without asking, and this it cannot.
    if request.mimetype != "application/json":
        raise WrongType(f"{request.path} reads application/json", fix=f"Send {shape}.")
    said: Any = request.get_json(silent=True)
    if not isinstance(said, dict):
        raise Rejected(f"the body must be {shape}", code="bad_body")
    return said


def _text(said: dict[str, Any], name: str, *, needed: bool = False) -> str:
    value = said.get(name, None if needed else "")
    if not isinstance(value, str):
        raise Rejected(f"`{name}` must be text", code="bad_body")
    return value


def _actor(said: dict[str, Any]) -> str:
    actor = _text(said, "as").strip()
    if len(actor) > LONGEST or not actor.isprintable():
        raise Rejected("`as` must be an e-mail address", code="bad_body")
    return actor or ANYBODY


def _targets(said: dict[str, Any], project: str) -> tuple[Target, ...]:
    named = said.get("targets") or []
    if not isinstance(named, list) or not all(isinstance(one, str) and one for one in named):
        raise Rejected('services are named as ["web", "api@main"]', code="bad_body")
    split = [one.partition("@") for one in named]
    return tuple(Target(name=f"{project}/{service}", ref=ref) for service, _, ref in split)


def _run(run_id: str) -> str:
    number = run_id.removeprefix("r")
    if not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise Rejected(f"{run_id[:40]!r} is not the id of a run, such as r87", code="bad_id")
    return f"r{number}"
