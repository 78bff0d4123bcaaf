"""What the API reads: each body as a model, and what is wrong with one in a sentence."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

from flask import request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pipeline.errors import Rejected, WrongType

ANYBODY = "api@localhost"
# No database keeps a NUL in a text.
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=10_000)]
Given = Annotated[Text, StringConstraints(min_length=1)]
Secret = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", min_length=1, max_length=64 * 1024)]
Text64 = Annotated[str, StringConstraints(max_length=64 * 1024)]
Word = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", max_length=500)]
Email = Annotated[str, StringConstraints(pattern=r"^[ -~]*$", max_length=254)]
MEANING = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_too_short": "is empty",
    "string_too_long": "is too long",
    "string_pattern_mismatch": "holds characters that it cannot hold, or none",
    "list_type": "must be a list of texts",
    "dict_type": "must be texts by their paths",
    "extra_forbidden": "is not read here",
}


class Body(BaseModel):
    """A JSON object. A field that is not read is refused: what it was meant to limit would be done all the same."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=False)


class Asked(Body):
    """Who asks, and why."""

    actor: Email = Field(default="", alias="as", description="the e-mail address of who asks")
    reason: Text = Field(default="", description="shown wherever the act is")

    @property
    def who(self) -> str:
        """Return who is recorded as having asked."""
        return self.actor.strip() or ANYBODY


class Line(Body):
    """A line of the chat grammar."""

    text: Text
    actor: Email = Field(default="", alias="as", description="the e-mail address of who speaks")

    @property
    def who(self) -> str:
        """Return who is recorded as having spoken."""
        return self.actor.strip() or ANYBODY


class StartRun(Asked):
    """A ref to run."""

    ref: Text = Field(default="", description="a branch, a tag, or a revision; the default branch without one")
    stages: list[Word] = Field(default=[], description="only these, and the builds whose images they need; else all")


class Retry(Asked):
    """What to do again."""

    stage: Word | None = Field(default=None, description="with what was skipped behind it; else all that failed")


class Deploy(Asked):
    """What to deploy."""

    targets: list[Word] = Field(default=[], description="SERVICE or SERVICE@REF each; the whole project without any")


class Publish(Asked):
    """Where to publish an image."""

    to: Word = Field(description="the name of a registry, as the settings have it")
    tag: Text = Field(default="", description="the image's revision without one")


class Rollback(Asked):
    """What to roll back."""

    services: list[Word] = Field(default=[], description="all that the project deployed there without any")


class Verify(Body):
    """A secret to try."""

    secret: Given | None = Field(default=None, description="the project's own if it is left out; never empty")


class SetSecret(Body):
    """A secret's value."""

    value: Secret = Field(description="at most 64 KiB, kept as it is given; it is never shown again")
    actor: Email = Field(default="", alias="as", description="the e-mail address of who sets it")

    @property
    def who(self) -> str:
        """Return who is recorded as having set it."""
        return self.actor.strip() or ANYBODY


class CheckConfig(Body):
    """Files of a commit by their paths, `slipway.yml` and `compose.yaml` among them: 64 KiB together at most."""

    files: dict[Word, Text64] = Field(description="what is not here is not in the commit", max_length=50)
    project: Word | None = Field(default=None, description="the name that the project has here")


class Nothing(Body):
    """An empty object."""


Model = TypeVar("Model", bound=Body)


def read(model: type[Model]) -> Model:
    """Return the request's body. Raises WrongType or Rejected."""
    # Only JSON: a form on another site can post a form's types without asking, and this it cannot.
    if request.mimetype != "application/json":
        raise WrongType(f"{request.path} reads application/json", fix="Send Content-Type: application/json.")
    try:
        found = model.model_validate_json(request.get_data())
    except ValidationError as fault:
        sentence = "; ".join(dict.fromkeys(_sentence(error) for error in fault.errors(include_url=False)))
        raise Rejected(sentence, code="bad_body", fix=_fix(model)) from fault
    # Of a name that comes twice somebody else on the way may have read the other one.
    json.loads(request.get_data(), object_pairs_hook=_once)
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> None:
    count = Counter(name for name, _ in pairs)
    if twice := next((name for name in count if count[name] > 1), ""):
        raise Rejected(f"`{twice}` is there twice", code="bad_body", fix="Say each thing once.")


def _sentence(error: Any) -> str:
    if error["type"] == "json_invalid":
        return "the body is not JSON"
    if not error["loc"]:
        return "the body must be a JSON object"
    name = str(error["loc"][0])[:40]
    return f"`{name}` {MEANING.get(error['type'], error['msg'].lower())}"


def _fix(model: type[Body]) -> str:
    names = [field.alias or name for name, field in model.model_fields.items()]
    return f"It may hold {', '.join(names)}." if names else "Send {}."
