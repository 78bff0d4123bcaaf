"""What starts a run: `trigger` in slipway.yml, as values."""

from typing import Annotated, Any

from pydantic import Field

from pipeline.globs import matches_any
from pipeline.spec_part import Part, or_one
from pipeline.spec_types import Flag, PathPatterns, Supersede, Text, Texts
from pipeline.spec_values import Cron, OneOrMore


class PushTrigger(Part):
    """Which pushes of branches start a run: by the branch's name, and by what was changed."""

    branches: Texts | None = None
    paths: PathPatterns | None = None
    paths_ignore: PathPatterns | None = None


class TagTrigger(Part):
    """Which tags start a run."""

    patterns: Texts | None = None


class PullRequestTrigger(Part):
    """Which pull requests start a run: by the branch they want to go to."""

    branches: Texts | None = None


class Schedule(Part):
    """A run that comes again and again: a branch, five fields of cron in UTC, and only these stages if it names any."""

    cron: Cron
    branch: Text = ""
    stages: Texts | None = None


class Trigger(Part):
    """What starts a run; `supersede` says which runs of a ref a newer push of it makes needless.

    `skip`: whether `[skip ci]` and its relatives in a commit's message are heeded.
    """

    push: PushTrigger = PushTrigger()
    tag: TagTrigger = TagTrigger()
    pull_request: PullRequestTrigger | None = None
    schedule: Annotated[tuple[Schedule, ...], OneOrMore] = Field(default=(), json_schema_extra=or_one)
    skip: Flag = True
    supersede: Supersede = "queued"

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
