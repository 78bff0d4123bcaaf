"""What starts a run: `trigger` in slipway.yml, as values."""

from typing import Annotated, Any

from pydantic import Field

from pipeline.globs import matches_any
from pipeline.spec_part import Part, or_one
from pipeline.spec_types import Flag, PathPatterns, Supersede, Text, Texts
from pipeline.spec_values import Cron, OneOrMore


class PushTrigger(Part):
    """Which pushes of branches start a run: by the branch's name, and by what was changed."""

    branches: Texts | None = Field(default=None, description="Only pushes of these branches, by name with `*`.")
    paths: PathPatterns | None = Field(default=None, description="Only pushes that change one of these paths.")
    paths_ignore: PathPatterns | None = Field(default=None, description="Not pushes that change these paths alone.")


class TagTrigger(Part):
    """Which tags start a run."""

    patterns: Texts | None = Field(default=None, description="Only tags with such a name.")


class PullRequestTrigger(Part):
    """Which pull requests start a run: by the branch they want to go to."""

    branches: Texts | None = Field(default=None, description="Only those that want to go to these branches.")


class Schedule(Part):
    """A run that comes again and again: a branch, five fields of cron in UTC, and only these stages if it names any."""

    cron: Cron = Field(description="When: minute, hour, day, month and day of the week, in UTC.")
    branch: Text = Field(
        default="", description="The branch whose newest commit is run; without it the default branch."
    )
    stages: Texts | None = Field(default=None, description="Only these stages, and the builds they need.")


class Trigger(Part):
    """What starts a run; `supersede` says which runs of a ref a newer push of it makes needless.

    `skip`: whether `[skip ci]` and its relatives in a commit's message are heeded.
    """

    push: PushTrigger = Field(default=PushTrigger(), description="Which pushes of branches.")
    tag: TagTrigger = Field(default=TagTrigger(), description="Which tags; without it all.")
    pull_request: PullRequestTrigger | None = Field(default=None, description="Which pull requests; without it none.")
    schedule: Annotated[tuple[Schedule, ...], OneOrMore] = Field(
        default=(), json_schema_extra=or_one, description="What comes again and again."
    )
    skip: Flag = Field(
        default=True, description="Whether `[skip ci]` and its relatives in a commit's message are heeded."
    )
    supersede: Supersede = Field(
        default="queued",
        description="Which older runs of a ref a newer push ends: those that wait, those at work too, or none.",
    )

    @property
    def rules(self) -> dict[str, Any]:
        """What the project keeps of it, as JSON can hold it, to decide about a push before anything is fetched."""
        return self.model_dump(mode="json", exclude_none=True)

    def refuses(self, *, branch: str | None, tag: str | None) -> str:
        """Return why a push of this branch or tag starts no run, or nothing if it does."""
        kind, name = ("tags", tag) if tag is not None else ("branches", branch or "")
        patterns = self.tag.patterns if tag is not None else self.push.branches
        if patterns is None or matches_any(patterns, name):
            return ""
        which = f"only for {kind} {' or '.join(patterns)}" if patterns else f"for no {kind}"
        return f"nothing to do: runs start {which}"
