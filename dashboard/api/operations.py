"""Every address that programs use: what each reads and answers. One literal table; the words are the handlers' own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from dashboard.api import bodies, shapes
from pipeline.junit import Verdict
from pipeline.outcome import State
from store.views_deliveries import SOURCES, VERDICTS

PROBLEM = "application/problem+json"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
TEXT = "text/plain"
BYTES = "application/octet-stream"
STREAM = "text/event-stream"
V1 = "/api/v1"
# Of whoever sends requests: a name that is not ours, another site, no token; and of us: a part that does not answer.
ALWAYS = (400, 401, 503)
WHOLE = {"type": "string", "pattern": "^[0-9]{1,18}$"}
PLAIN = {"type": "string", "pattern": "^[^\\x00]*$"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """What one method of one address reads and answers. `answers` maps a status to a model, or to a media type.

    `raw` are the types of a body that somebody else describes.
    """

    answers: Mapping[int, type[BaseModel] | str]
    listed: bool = False
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: type[BaseModel] | None = None
    raw: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()


# What stands in addresses.
PATHS: Mapping[str, Mapping[str, Any]] = {
    "run": {"type": "string", "pattern": "^r?[0-9]{1,18}$", "description": "`r87` or `87`"},
    "stage": {"type": "string"},
    "deployment": {"type": "string", "pattern": "^d?[0-9]{1,18}$", "description": "`d142` or `142`"},
    "delivery": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "project": {"type": "string"},
    "digest": {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"},
    "environment": {"type": "string"},
    "scope": {"type": "string", "description": "`all`, a project, or `PROJECT:ENVIRONMENT`"},
    "name": {"type": "string"},
    "path": {"type": "string"},
    "test": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "forge": {"type": "string", "description": "a door: `github`, `gitlab`, `git` …"},
}
PAGE = {
    "limit": WHOLE | {"description": "how many, 50 without it, at most 200"},
    "cursor": WHOLE | {"description": "the `next` of the page before"},
}
OFFSET = {"type": "string", "pattern": "^[0-9]{0,18}$", "description": "the byte to begin at"}
KEY = {"type": "string", "pattern": "^[!-~]{1,200}$", "description": "sent again, it is done once in 24 hours"}
STARTED = {200: shapes.Started, 202: shapes.Started}
REFUSALS = (404, 409, 413, 415)


def _list(of: type[BaseModel], **query: Any) -> Operation:
    return Operation(answers={200: of}, listed=True, query={**query, **PAGE})


def _act(body: type[BaseModel]) -> Operation:
    return Operation(answers=STARTED, body=body, headers={"Idempotency-Key": KEY}, errors=REFUSALS)


def _one_of(words: Any) -> dict[str, Any]:
    return {"type": "string", "enum": ["", *words]}


HOOK = Operation(answers={200: shapes.Taken, 202: shapes.Taken}, raw=(JSON, FORM), errors=(404, 408, 413, 415))
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("GET", f"{V1}/runs"): _list(
        shapes.Run,
        project=PLAIN,
        branch=PLAIN,
        revision=PLAIN | {"description": "or the beginning of one"},
        state=_one_of(State),
    ),
    ("GET", f"{V1}/runs/<run>"): Operation(answers={200: shapes.Run}, errors=(404,)),
    ("GET", f"{V1}/runs/<run>/stages/<stage>/log"): Operation(
        answers={200: TEXT, 206: TEXT},
        query={
            "from": OFFSET,
            "lines": WHOLE | {"description": "the last so many, or with `from` the first"},
            "ansi": _one_of(("keep", "strip")) | {"description": "colours, kept without it"},
        },
        headers={"Range": {"type": "string", "description": "`bytes=…`, one range; not with a query"}},
        errors=(404, 416),
    ),
    ("GET", f"{V1}/runs/<run>/stages/<stage>/log/stream"): Operation(
        answers={200: STREAM},
        query={"from": OFFSET, "as": {"type": "string", "description": "`html` for lines as HTML"}},
        headers={"Last-Event-ID": OFFSET},
        errors=(404,),
    ),
    ("GET", f"{V1}/runs/<run>/tests"): Operation(
        answers={200: shapes.TestResult},
        listed=True,
        query={"state": _one_of(Verdict) | {"description": "`failed` is failed or error"}, **PAGE},
        errors=(404,),
    ),
    ("GET", f"{V1}/runs/<run>/artifacts"): Operation(answers={200: shapes.Artifact}, listed=True, errors=(404,)),
    ("GET", f"{V1}/runs/<run>/stages/<stage>/artifacts/<path:path>"): Operation(answers={200: BYTES}, errors=(404,)),
    ("GET", f"{V1}/tests"): _list(
        shapes.Test,
        project=PLAIN,
        name=PLAIN,
        flaky=PLAIN | {"description": "`1`: only those that were, in any of those runs"},
        failing=PLAIN | {"description": "`1`: only those that failed the last time"},
    ),
    ("GET", f"{V1}/tests/<test>"): Operation(answers={200: shapes.TestHistory}, errors=(404,)),
    ("GET", f"{V1}/images"): _list(
        shapes.KnownImage,
        project=PLAIN,
        service=PLAIN,
        revision=PLAIN | {"description": "or the beginning of one"},
    ),
    ("GET", f"{V1}/images/<digest>"): Operation(answers={200: shapes.WholeImage}, errors=(404,)),
    ("POST", f"{V1}/images/<digest>/publish"): Operation(
        answers={202: shapes.Publication}, body=bodies.Publish, errors=REFUSALS
    ),
    ("GET", f"{V1}/projects"): Operation(answers={200: shapes.Project}, listed=True),
    ("GET", f"{V1}/matrix"): Operation(answers={200: shapes.Matrix}),
    ("GET", f"{V1}/environments"): Operation(answers={200: shapes.Environment}, listed=True),
    ("GET", f"{V1}/deployments"): _list(shapes.Deployment, environment=PLAIN),
    ("GET", f"{V1}/deployments/<deployment>"): Operation(answers={200: shapes.WholeDeployment}, errors=(404,)),
    ("GET", f"{V1}/deliveries"): _list(
        shapes.Delivery,
        project=PLAIN,
        forge=PLAIN,
        code=PLAIN,
        verdict=_one_of(VERDICTS),
        source=_one_of(SOURCES),
    ),
    ("GET", f"{V1}/deliveries/<delivery>"): Operation(answers={200: shapes.WholeDelivery}, errors=(404,)),
    ("GET", f"{V1}/chat/messages"): _list(shapes.Message, channel=PLAIN),
    ("POST", f"{V1}/chat"): Operation(answers={200: shapes.Spoken}, body=bodies.Line, errors=(413, 415)),
    ("POST", f"{V1}/projects/<project>/runs"): _act(bodies.StartRun),
    ("POST", f"{V1}/runs/<run>/cancel"): _act(bodies.Asked),
    ("POST", f"{V1}/runs/<run>/approve"): _act(bodies.Asked),
    ("POST", f"{V1}/runs/<run>/retry"): _act(bodies.Retry),
    ("POST", f"{V1}/environments/<project>/<environment>/deploy"): _act(bodies.Deploy),
    ("POST", f"{V1}/environments/<project>/<environment>/rollback"): _act(bodies.Rollback),
    ("POST", f"{V1}/deliveries/<delivery>/redeliver"): Operation(
        answers={200: shapes.Taken, 202: shapes.Taken}, body=bodies.Nothing, errors=REFUSALS
    ),
    ("POST", f"{V1}/deliveries/<delivery>/verify"): Operation(
        answers={200: shapes.Verified}, body=bodies.Verify, errors=REFUSALS
    ),
    ("GET", f"{V1}/secrets"): Operation(answers={200: shapes.Secret}, listed=True),
    ("PUT", f"{V1}/secrets/<scope>/<name>"): Operation(
        answers={200: shapes.Secret}, body=bodies.SetSecret, errors=REFUSALS
    ),
    ("DELETE", f"{V1}/secrets/<scope>/<name>"): Operation(
        answers={200: shapes.Gone}, body=bodies.Nothing, errors=REFUSALS
    ),
    ("POST", f"{V1}/config/check"): Operation(
        answers={200: shapes.Checked}, body=bodies.CheckConfig, errors=(413, 415)
    ),
    ("GET", "/schema/slipway.json"): Operation(answers={200: JSON}),
    ("POST", "/hooks/<forge>"): HOOK,
    ("POST", "/hooks/<forge>/<project>"): HOOK,
    ("GET", "/healthz"): Operation(answers={200: shapes.Up}),
    ("GET", "/readyz"): Operation(answers={200: shapes.Ready, 503: shapes.Ready}),
    ("GET", "/metrics"): Operation(answers={200: TEXT}),
    ("GET", "/openapi.json"): Operation(answers={200: JSON}),
}
