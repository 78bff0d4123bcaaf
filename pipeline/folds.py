"""Sections of what a stage writes: the marks by which programs begin and end them. Pure."""

import re
from dataclasses import dataclass

COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
# GitHub and Azure; GitLab; Buildkite; our own. Their words in a diff or in Go's tests begin no section.
BEGIN = re.compile(
    r"(?:::group::|##\[group\])(?P<group>.*)"
    r"|section_start:[0-9]+:(?P<gitlab>[\w.-]+)(?:\[[^\]]*\])?(?:\\x0d|\\x1b\[0K)*(?P<title>.*)"
    r"|=== (?!(?:RUN|PAUSE|CONT|NAME|SKIP|FAIL|PASS)\b)(?P<ours>\S.*)"
    r"|(?:---|\+\+\+|~~~) (?!(?:PASS|FAIL|SKIP|BENCH)\b|[ab]/|/|\S+\t)(?P<buildkite>\S.*)"
    r"|(?P<attempt>— attempt [0-9]+ —)"
)
END = re.compile(r"::endgroup::|##\[endgroup\]|section_end:[0-9]+:[\w.-]+.*")
LONGEST_TITLE = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What a line says of sections: one begins with this title, or, with an empty one, the last one ends."""

    title: str


def mark_of(line: str) -> Mark | None:
    """Return what a line says of sections, if it says anything."""
    # Looked at first, because it is what nearly every line fails.
    if not line or line[0] not in ":#s=-+~—\x1b":
        return None
    bare = COLOUR.sub("", line).strip()
    begin = BEGIN.fullmatch(bare)
    if begin is not None:
        return Mark(title=_title(begin))
    return Mark(title="") if END.fullmatch(bare) else None


def _title(begin: re.Match[str]) -> str:
    words = (word.strip(" =-—") for word in begin.groupdict().values() if word)
    titles = [word for word in words if word]
    # GitLab gives a name and, most of the time, a title.
    return (titles[-1] if titles else "section")[:LONGEST_TITLE]
