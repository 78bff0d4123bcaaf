"""Secrets in what people read: replaced as they are written down, also in the forms in which programs print them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pipeline.masking_forms import SHORTEST, forms
from pipeline.pieces import Piece

MASK = "[masked]"
# A line of so many bytes that is not known as a piece may all the same go on in the next one.
CUT_AT = 16 * 1024 - 4
ROUNDS = 4
COLOUR = re.compile(r"\x1b\[[0-9;:]{0,64}m")
# What a reader does not see although it stands between the characters of a text.
UNSEEN = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])?"
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]"
)

Span = tuple[int, int]


class Mask:
    """Replaces what must not be seen."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._by_start: dict[str, tuple[str, ...]] = {}
        self._start: re.Pattern[str] | None = None

    def hide(self, secrets: Iterable[str]) -> None:
        """Let none of these be seen from now on, nor what programs make of them; what is too short stays."""
        fresh = set(secrets) - self._secrets
        if not fresh:
            return
        self._secrets |= fresh
        known = {form for forms_ in self._by_start.values() for form in forms_}
        for secret in fresh:
            made = forms(secret)
            known |= made | {bare for form in made if len(bare := UNSEEN.sub("", form)) >= SHORTEST}
        starts: dict[str, list[str]] = {}
        for form in sorted(known, key=len, reverse=True):
            # What our own mask holds would be found in every mask.
            if form not in MASK:
                starts.setdefault(form[:SHORTEST], []).append(form)
        self._by_start = {start: tuple(found) for start, found in starts.items()}
        self._start = re.compile(f"(?={_any_of(starts)})") if starts else None

    def __call__(self, text: str) -> str:
        """Return a text without what is hidden."""
        # What stands around a mask may, with it, be something that is hidden.
        for _ in range(ROUNDS):
            found = self._spans(text)
            if not found:
                break
            text = _without(text, found)
        return text

    def between(self, before: str, text: str, after: str) -> str:
        """Return a text without what is hidden in it, or across its ends into what stood before and comes after."""
        start, end = len(before), len(before) + len(text)
        found = self._spans(before + text + after)
        inside = [(max(one, start) - start, min(other, end) - start) for one, other in found]
        return _without(text, [span for span in inside if span[0] < span[1]])

    def cut(self, text: str, most: int) -> str:
        """Return at most so many characters of a text, without what is hidden, be it across the cut."""
        return self(self.between("", text[:most], text[most:]))[:most]

    def _spans(self, text: str) -> list[Span]:
        """Return where something hidden stands, seen as it is, without its colours, and without all that is unseen."""
        if self._start is None:
            return []
        found = list(self._found(text))
        bare = text
        if "\x1b" in text:
            bare = COLOUR.sub("", text)
            found += self._between(text, bare, COLOUR)
        if UNSEEN.search(bare):
            found += self._between(text, UNSEEN.sub("", text), UNSEEN)
        return _joined(found)

    def _found(self, text: str) -> Iterator[Span]:
        if self._start is None:
            return
        for start in (found.start() for found in self._start.finditer(text)):
            for form in self._by_start[text[start : start + SHORTEST]]:
                if text.startswith(form, start):
                    yield start, start + len(form)
                    break

    def _between(self, text: str, bare: str, unseen: re.Pattern[str]) -> Iterator[Span]:
        """Yield where something hidden stands in what is left of a text without what matches `unseen`."""
        found = list(self._found(bare))
        if not found:
            return
        places: list[int] = []
        at = 0
        for gap in unseen.finditer(text):
            places += range(at, gap.start())
            at = gap.end()
        places += range(at, len(text))
        for start, end in found:
            yield places[start], places[end - 1] + 1


class MaskedLines:
    """Masks lines as they come, from however many speakers; what goes on in another line waits for that."""

    def __init__(self, mask: Mask | None = None) -> None:
        self.mask = mask or Mask()
        self._held: dict[object, _Held] = {}

    def feed(self, line: str) -> Iterator[str]:
        """Yield the lines that can be shown by now."""
        whose, lead, text = (line.line, line.lead, line.text) if isinstance(line, Piece) else (None, "", line)
        held = self._held.pop(whose, None)
        if held is not None:
            yield self._shown(held, text)
        # What a piece goes on from counts, masked or not: a value may begin in the end of another one.
        before = line.before if isinstance(line, Piece) else held.text if held is not None else ""
        fresh = _Held(lead=lead, before=before, text=text)
        if not line.last if isinstance(line, Piece) else len(line.encode("utf-8", "replace")) >= CUT_AT:
            self._held[whose] = fresh
        else:
            yield self._shown(fresh, "")

    def flush(self) -> Iterator[str]:
        """Yield the lines that waited for their ends, once nothing more will come."""
        held, self._held = self._held, {}
        yield from (self._shown(one, "") for one in held.values())

    def _shown(self, one: "_Held", after: str) -> str:
        return self.mask(one.lead + self.mask.between(one.before, one.text, after))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """A line as it was said, and what was said before it in the same line."""

    lead: str
    before: str
    text: str


def _joined(found: list[Span]) -> list[Span]:
    """Return spans in order, those that touch or overlap as one."""
    whole: list[Span] = []
    for start, end in sorted(found):
        if whole and start < whole[-1][1]:
            whole[-1] = whole[-1][0], max(end, whole[-1][1])
        else:
            whole.append((start, end))
    return whole


def _without(text: str, spans: list[Span]) -> str:
    parts, at = [], 0
    for start, end in spans:
        # Colours inside stay, or what follows would have another one.
        parts += [text[at:start], MASK, *COLOUR.findall(text[start:end])]
        at = end
    return "".join([*parts, text[at:]])


def _any_of(starts: Iterable[str]) -> str:
    """Return a pattern of these texts, all of one length, in which each character is looked at once."""
    tree: dict[str, list[str]] = {}
    for start in starts:
        tree.setdefault(start[:1], []).append(start[1:])
    if set(tree) == {""}:
        return ""
    ends: dict[str, list[str]] = {}
    for first, rest in sorted(tree.items()):
        ends.setdefault(_any_of(rest), []).append(first)
    branches = [f"{_one_of(firsts)}{rest}" for rest, firsts in ends.items()]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _one_of(characters: list[str]) -> str:
    escaped = [re.escape(one) for one in characters]
    return escaped[0] if len(escaped) == 1 else f"[{''.join(escaped)}]"
