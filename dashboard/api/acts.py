"""What programs do through the API: say a line of the chat grammar, or ask for one thing by its address."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Blueprint, Response, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from control.asking import Reply
from control.speak import do, say
from dashboard.api.bodies import Asked, Deploy, Line, Retry, Rollback, StartRun, read
from dashboard.reading import BIGGEST_ID
from pipeline.errors import NotFound, Rejected
from pipeline.intents import Intent, Target, Verb
from pipeline.names import deployment_name, run_name
from store.replies import Once
from store.session import Database

KEY = re.compile(r"[!-~]{1,200}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Acting:
    """What acts need: where things are kept, where they are told, what time it is."""

    database: Database
    channel: str
    now: Callable[[], datetime]

    def do(self, intent: Intent, actor: str) -> Response:
        """Do what is asked and answer with what was started. Raises Rejected if it cannot be done."""
        return _started(do(self.database, intent, actor=actor, channel=self.channel, at=self.now(), once=_once()))


def make_acts(
    database: Database, *, channel: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Blueprint:
    """Return the blueprint of everything under /api/v1 that starts or stops something."""
    acts = Blueprint("acts", __name__, url_prefix="/api/v1")
    acting = Acting(database=database, channel=channel, now=now)
    _chat(acts, acting)
    _runs(acts, acting)
    _environments(acts, acting)
    return acts


def _chat(acts: Blueprint, acting: Acting) -> None:
    @acts.post("/chat")
    def chat() -> ResponseReturnValue:
        """Do what a line of the chat grammar says; answer what was understood, and the reply."""
        said = read(Line)
        at = acting.now()
        return jsonify(say(acting.database, said.text, actor=said.who, channel=acting.channel, at=at).as_json())


def _runs(acts: Blueprint, acting: Acting) -> None:
    @acts.post("/projects/<project>/runs")
    def start(project: str) -> ResponseReturnValue:
        """Run what was last pushed as a ref again, whole or in part."""
        said = read(StartRun)
        target = Target(name=project, ref=said.ref)
        intent = Intent(verb=Verb.BUILD, targets=(target,), words=tuple(said.stages), reason=said.reason)
        return acting.do(intent, said.who)

    @acts.post("/runs/<run>/cancel")
    def cancel(run: str) -> ResponseReturnValue:
        """Ask a run to stop."""
        said = read(Asked)
        return acting.do(Intent(verb=Verb.CANCEL, id=_run(run), reason=said.reason), said.who)

    @acts.post("/runs/<run>/approve")
    def approve(run: str) -> ResponseReturnValue:
        """Let a stranger's pull request, which waits, be run."""
        said = read(Asked)
        return acting.do(Intent(verb=Verb.APPROVE, id=_run(run), reason=said.reason), said.who)

    @acts.post("/runs/<run>/retry")
    def retry(run: str) -> ResponseReturnValue:
        """Do what failed in a run again, or one stage; of a run that did not fail, make another."""
        said = read(Retry)
        return acting.do(Intent(verb=Verb.RETRY, id=_run(run), subject=said.stage or "", reason=said.reason), said.who)


def _environments(acts: Blueprint, acting: Acting) -> None:
    @acts.post("/environments/<project>/<environment>/deploy")
    def deploy(project: str, environment: str) -> ResponseReturnValue:
        """Deploy services, or the whole project where none is named."""
        said = read(Deploy)
        targets = _targets(said.targets, project)
        intent = Intent(verb=Verb.DEPLOY, targets=targets, environment=environment, reason=said.reason)
        return acting.do(intent, said.who)

    @acts.post("/environments/<project>/<environment>/rollback")
    def rollback(project: str, environment: str) -> ResponseReturnValue:
        """Go back to what ran before, all of the project or the services named."""
        said = read(Rollback)
        targets = _targets(said.services, project)
        intent = Intent(verb=Verb.ROLLBACK, targets=targets, environment=environment, reason=said.reason)
        return acting.do(intent, said.who)


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
        answer.headers["Location"] = url_for("reads.deployment", deployment=body["deployments"][0])
    elif reply.runs:
        answer.headers["Location"] = url_for("reads.run", run=body["runs"][0])
    if reply.replayed:
        answer.headers["Idempotent-Replayed"] = "true"
    answer.status_code = 202 if answer.location else 200
    return answer


def _once() -> Once | None:
    """Return the key that makes the same request sent twice one, if it carries one. Raises Rejected."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not KEY.fullmatch(key):
        raise Rejected("an Idempotency-Key is 1 to 200 printable characters without spaces", code="bad_key")
    asked = b"\0".join((request.path.encode(), request.get_data()))
    return Once(key=key, digest=hashlib.sha256(asked).hexdigest())


def _targets(named: Sequence[str], project: str) -> tuple[Target, ...]:
    split = [one.partition("@") for one in named]
    return tuple(Target(name=f"{project}/{service}", ref=ref) for service, _, ref in split) or (Target(name=project),)


def _run(run: str) -> str:
    digits = run.removeprefix("r")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise Rejected(f"{run[:40]!r} is not the id of a run, such as r87", code="bad_id")
    if int(digits) > BIGGEST_ID:
        raise NotFound(f"there is no run {run}", code="unknown_run")
    return f"r{digits}"
