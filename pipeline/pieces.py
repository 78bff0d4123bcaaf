"""Pieces of a line that is too long to be one: they know each other, whatever is put before or between them. Pure."""


class Piece(str):
    """A piece of a line; all that is said of it beside its text keeps it known as one."""

    line: object
    """The same for all pieces of a line."""
    before: str
    """The text of the piece before it; empty for the first."""
    last: bool
    lead: str
    """What was put before it for people."""

    @property
    def text(self) -> str:
        """The piece without what was put before it."""
        return self[len(self.lead) :]


def piece(text: str, after: Piece | None, *, last: bool) -> Piece:
    """Return a piece of the line that `after` is of, or the first of another."""
    made = Piece(text)
    made.line = after.line if after is not None else object()
    made.before = after.text if after is not None else ""
    made.last, made.lead = last, ""
    return made


def led(lead: str, line: str) -> str:
    """Return a line with something put before it."""
    if not isinstance(line, Piece):
        return f"{lead}{line}"
    made = Piece(f"{lead}{line}")
    made.line, made.before, made.last, made.lead = line.line, line.before, line.last, f"{lead}{line.lead}"
    return made
