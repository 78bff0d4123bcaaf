"""Kinds of value that name things outside of the file: addresses, secrets, files of a container, hours of the day."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from pipeline.spec_types import TEXTS_SCHEMA, VARIABLE, is_null, path, refuse, text, texts
from pipeline.spec_words import near, show

EVENTS = ("push", "tag", "pull_request", "manual", "schedule")
FIELDS = 5
URL = re.compile(r"https?://[^\s/?#@]+[^\s]*", re.IGNORECASE)
LANE = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
VOLUME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}")
SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def one_or_more(value: object) -> object:
    """Let one group of keys stand for a list of one."""
    if isinstance(value, Mapping):
        return [value]
    return () if is_null(value) else value


def _each(fits: Callable[[str], object], what: str) -> Callable[[object], tuple[str, ...]]:
    def check(value: object) -> tuple[str, ...]:
        found = texts(value)
        for item in found:
            if not fits(item):
                raise refuse(f"takes {what}, not {show(item)}")
        return found

    return check


def _events(value: object) -> tuple[str, ...]:
    found = texts(value)
    for item in found:
        if item not in EVENTS:
            raise refuse(f"knows no {show(item)}{near(item, EVENTS)}")
    return found


def _inside(path: str) -> bool:
    return path.startswith("/") and ".." not in path.split("/") and "\n" not in path and path != "/"


def _lane(value: object) -> str:
    lane = text(value)
    if lane and not LANE.fullmatch(lane):
        raise refuse(f"takes a name of a-z, 0-9 and -, 40 at most, not {show(lane)}")
    return lane


def _cron(value: object) -> str:
    expression = text(value)
    if len(expression.split()) != FIELDS:
        raise refuse(f"takes five fields such as `0 3 * * *`, not {show(expression)}")
    try:
        next(CronSim(expression, SOME_DAY))
    except (CronSimError, StopIteration) as error:
        raise refuse(f"takes five fields such as `0 3 * * *` that come true one day, not {show(expression)}") from error
    return expression


def file_names(value: object) -> tuple[str, ...]:
    """Return one path or several, all inside the repository."""
    return tuple(path(item) for item in ([value] if isinstance(value, str) else texts(value)))


def _mapping(value: object, fits: Callable[[str, str], str]) -> dict[str, str]:
    if is_null(value):
        return {}
    if not isinstance(value, Mapping):
        raise refuse(f"takes keys and values, not {show(value)}")
    for name, item in value.items():
        if is_null(item) or not isinstance(item, str):
            raise refuse(f"gives {show(name)} {show(item)}; it takes a text")
        if wrong := fits(str(name), item):
            raise refuse(wrong)
    return {str(name): str(item) for name, item in value.items()}


def _links(value: object) -> dict[str, str]:
    def fits(name: str, item: str) -> str:
        return "" if URL.fullmatch(item) else f"takes http and https addresses; {show(name)} has {show(item)}"

    return _mapping(value, fits)


def _volumes(value: object) -> dict[str, str]:
    def fits(name: str, item: str) -> str:
        if not VOLUME.fullmatch(name):
            return f"has a name that no volume can have: {show(name)}"
        return "" if _inside(item) else f"takes absolute paths in the container; {name} has {show(item)}"

    return _mapping(value, fits)


def _listed(check: Callable[[object], Any], items: Mapping[str, Any]) -> tuple[Any, ...]:
    schema = WithJsonSchema({"type": "array", "items": dict(items)})
    return PlainValidator(check), PlainSerializer(list), schema


def _texts_of(value: Mapping[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"type": ["object", "null"], "additionalProperties": dict(value)})


Events = Annotated[tuple[str, ...], *_listed(_events, {"enum": list(EVENTS)})]
Secrets = Annotated[
    tuple[str, ...],
    *_listed(
        _each(VARIABLE.fullmatch, "names such as API_TOKEN"), {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}
    ),
]
Files = Annotated[
    tuple[str, ...],
    *_listed(_each(_inside, "absolute paths such as /reports/*.xml"), {"type": "string", "pattern": "^/"}),
]
Lane = Annotated[str, PlainValidator(_lane), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9-]*$"})]
Cron = Annotated[str, PlainValidator(_cron), WithJsonSchema({"type": "string", "examples": ["0 3 * * *"]})]
Links = Annotated[dict[str, str], PlainValidator(_links), _texts_of({"type": "string", "pattern": "^[hH][tT][tT][pP]"})]
Volumes = Annotated[dict[str, str], PlainValidator(_volumes), _texts_of({"type": "string", "pattern": "^/"})]
OneOrMore = BeforeValidator(one_or_more)
FileNames = Annotated[
    tuple[str, ...],
    PlainValidator(file_names),
    PlainSerializer(list),
    WithJsonSchema({"anyOf": [{"type": "string"}, TEXTS_SCHEMA]}),
]
