"""The kinds of value a slipway.yml holds, each with the sentence that says what it takes."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from pipeline.errors import Rejected
from pipeline.nearest import near as similar
from pipeline.project import check_name
from pipeline.spec_load import Scalar
from pipeline.spec_words import near, show

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
TIME = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,5})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,7})s)?(?:(\d{1,9})ms)?")
AGE = re.compile(r"(\d{1,4})d")
OLDEST = 3650
LONGEST = 7 * UNITS["d"]
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
TIME_SCHEMA = {"type": "string", "pattern": r"^(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?$"}
TEXTS_SCHEMA = {"type": "array", "items": {"type": "string"}}
SCALAR_SCHEMA = {"type": ["string", "number", "boolean"]}


def refuse(sentence: str) -> PydanticCustomError:
    """Return the error that says `sentence` after the key's name."""
    return PydanticCustomError("slipway", "{sentence}", {"sentence": sentence})


def is_null(value: object) -> bool:
    """Tell whether nothing was written after a key."""
    return value is None or (isinstance(value, Scalar) and value.kind == "null")


def text(value: object) -> str:
    """Return a scalar as it was written: `1.10` stays 1.10."""
    if is_null(value):
        raise refuse("is empty")
    if not isinstance(value, str):
        raise refuse(f"takes a text, not {show(value)}")
    return str(value)


def texts(value: object) -> tuple[str, ...]:
    """Return a list of texts."""
    if not isinstance(value, list | tuple):
        raise refuse(f"takes a list such as [main], not {show(value)}")
    return tuple(text(item) for item in value)


def seconds(value: object) -> float:
    """Return a time such as 5m, 30s or 1h30m in seconds."""
    parts = TIME.fullmatch(value) if isinstance(value, str) else None
    if not value or parts is None:
        raise refuse(f"takes a time like 5m, not {show(value)}")
    total = sum(int(part) * unit for part, unit in zip(parts.groups(), UNITS.values(), strict=True) if part)
    if total > LONGEST:
        raise refuse(f"can be 7d at most, not {show(value)}")
    return total


def age(value: object) -> float:
    """Return how long something is kept, such as 90d, in seconds: ten years at most."""
    days = AGE.fullmatch(value) if isinstance(value, str) else None
    if days is None or not 1 <= int(days[1]) <= OLDEST:
        raise refuse(f"takes a number of days such as 90d, not {show(value)}")
    return int(days[1]) * UNITS["d"]


def written(time: float) -> str:
    """Return seconds as a time such as 1h30m; `seconds` reads it back."""
    left, parts = round(time * 1000), ""
    for unit, size in UNITS.items():
        count, left = divmod(left, round(size * 1000))
        parts += f"{count}{unit}" if count else ""
    return parts or "0s"


def _positive(value: object) -> float:
    if (time := seconds(value)) <= 0:
        raise refuse(f"takes a time like 5m, not {show(value)}")
    return time


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, Scalar) and value.kind == "bool":
        return value.lower() == "true"
    raise refuse(f"is true or false, not {show(value)}")


def _whole(low: int, high: int, what: str) -> Callable[[object], int]:
    def check(value: object) -> int:
        number = int(value) if isinstance(value, Scalar) and value.kind == "int" else value
        if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
            raise refuse(f"takes {what}, not {show(value)}")
        return number

    return check


def one_of(*choices: str) -> Callable[[object], str]:
    """Return what takes one of these words, and suggests the one that was likely meant."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            meant = near(value, choices) if isinstance(value, str) and similar(value, choices) else ""
            raise refuse(f"is {' or '.join(choices)}, not {show(value)}{meant}")
        return str(value)

    return check


def _version(value: object) -> int:
    if value == 1 or (isinstance(value, str) and value == "1"):
        return 1
    raise refuse(f"is 1, not {show(value)}")


def _name(value: object) -> str:
    try:
        return check_name(text(value))
    except Rejected as error:
        raise refuse(f"cannot be used: {error.sentence}") from error


def path(value: object) -> str:
    """Return a path inside the repository, without steps that go nowhere."""
    said = text(value)
    if said.startswith(("/", "-", ":")) or "\\" in said or ".." in said.split("/") or "\n" in said or not said:
        raise refuse(f"takes a path inside the repository, not {show(said)}")
    return "/".join(step for step in said.split("/") if step not in {"", "."}) or "."


def _path_patterns(value: object) -> tuple[str, ...]:
    """Return patterns of paths, refusing those that no path of a repository can ever match."""
    patterns = texts(value)
    if not patterns:
        raise refuse("is an empty list; leave the key out if every path counts")
    for pattern in patterns:
        if pattern.endswith("/"):
            raise refuse(f"takes patterns that cover whole paths: {show(pattern)}** instead of {show(pattern)}")
        if pattern.startswith(("/", "./", "!")) or ".." in pattern.split("/"):
            raise refuse(f"takes patterns of paths inside the repository, such as web/**, not {show(pattern)}")
    return patterns


def _url_path(value: object) -> str:
    path = text(value)
    if not re.fullmatch(r"/[!-~]{0,500}", path):
        raise refuse(f"takes a path such as /healthz, not {show(path)}")
    return path


def _variables(value: object) -> dict[str, str]:
    if is_null(value):
        return {}
    if not isinstance(value, Mapping):
        raise refuse(f"takes keys and values, not {show(value)}")
    for name, item in value.items():
        if not VARIABLE.fullmatch(name):
            raise refuse(f"has a name that no variable can have: {show(name)}")
        if is_null(item) or not isinstance(item, str):
            raise refuse(f"gives {name} {show(item)}; it takes a text")
    return {name: str(item) for name, item in value.items()}


def _command(value: object) -> tuple[str, ...]:
    command = texts(value) if isinstance(value, list | tuple) else ("sh", "-c", text(value))
    if not command or not command[-1].strip() or not command[0]:
        raise refuse("is empty")
    return command


def _some(value: object) -> Literal["all"] | tuple[str, ...]:
    if isinstance(value, str) and value == "all":
        return "all"
    if not isinstance(value, list | tuple) or not value:
        raise refuse(f"takes `all` or a list of services, not {show(value)}")
    return tuple(dict.fromkeys(texts(value)))


Text = Annotated[str, PlainValidator(text), WithJsonSchema({"type": "string"})]
Texts = Annotated[tuple[str, ...], PlainValidator(texts), PlainSerializer(list), WithJsonSchema(TEXTS_SCHEMA)]
Name = Annotated[str, PlainValidator(_name), WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9-]*$"})]
Path = Annotated[str, PlainValidator(path), WithJsonSchema({"type": "string"})]
UrlPath = Annotated[str, PlainValidator(_url_path), WithJsonSchema({"type": "string", "pattern": "^/"})]
Time = Annotated[float, PlainValidator(_positive), PlainSerializer(written), WithJsonSchema(TIME_SCHEMA)]
Age = Annotated[
    float, PlainValidator(age), PlainSerializer(written), WithJsonSchema({"type": "string", "pattern": r"^\d+d$"})
]
Pause = Annotated[float, PlainValidator(seconds), PlainSerializer(written), WithJsonSchema(TIME_SCHEMA)]
Flag = Annotated[bool, PlainValidator(_flag), WithJsonSchema({"type": "boolean"})]
Version = Annotated[int, PlainValidator(_version), WithJsonSchema({"const": 1})]
Port = Annotated[
    int,
    PlainValidator(_whole(1, 65535, "a port from 1 to 65535")),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 65535}),
]
Count = Annotated[
    int,
    PlainValidator(_whole(1, 100, "a number from 1 to 100")),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 100}),
]
Retries = Annotated[
    int,
    PlainValidator(_whole(0, 5, "a number from 0 to 5")),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 5}),
]
Kept = Annotated[
    int,
    PlainValidator(_whole(1, 10_000, "a number from 1 to 10000")),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 10_000}),
]
Network = Annotated[
    str,
    PlainValidator(one_of("private", "localhost", "none")),
    WithJsonSchema({"enum": ["private", "localhost", "none"]}),
]
Strategy = Annotated[str, PlainValidator(one_of("rolling")), WithJsonSchema({"enum": ["rolling"]})]
Supersede = Annotated[
    str,
    PlainValidator(one_of("queued", "running", "never")),
    WithJsonSchema({"enum": ["queued", "running", "never"]}),
]
Order = Annotated[str, PlainValidator(one_of("ancestry", "any")), WithJsonSchema({"enum": ["ancestry", "any"]})]
PathPatterns = Annotated[
    tuple[str, ...],
    PlainValidator(_path_patterns),
    PlainSerializer(list),
    WithJsonSchema(TEXTS_SCHEMA | {"minItems": 1}),
]
Variables = Annotated[
    dict[str, str],
    PlainValidator(_variables),
    WithJsonSchema({"type": ["object", "null"], "additionalProperties": SCALAR_SCHEMA}),
]
Command = Annotated[
    tuple[str, ...],
    PlainValidator(_command),
    PlainSerializer(list),
    WithJsonSchema({"anyOf": [{"type": "string"}, TEXTS_SCHEMA]}),
]
Some = Annotated[Any, PlainValidator(_some), WithJsonSchema({"anyOf": [{"const": "all"}, TEXTS_SCHEMA]})]
