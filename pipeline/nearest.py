"""Names that people half remember: abbreviations, and what may have been meant."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

from pipeline.errors import NotFound

SHORTEST = 3
LONGEST = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The name that was meant; `echo` tells how an abbreviation was read and is empty where none was used."""

    name: str
    echo: str = ""


def choose(word: str, names: Iterable[str], what: str) -> Choice:
    """Return the name that is meant: itself, or the only one that begins so with three letters or more.

    A name with only its last letter missing is a typing mistake and not an abbreviation: it is asked about.
    """
    known = list(dict.fromkeys(names))
    if word in known:
        return Choice(name=word)
    begins = [name for name in known if len(word) >= SHORTEST and name.startswith(word)]
    if len(begins) == 1 and len(word) < len(begins[0]) - 1:
        return Choice(name=begins[0], echo=f"`{word}` as {begins[0]}")
    if len(begins) > 1:
        raise NotFound(f"`{word}` may be {either(begins)}: write it out.", code=f"ambiguous_{what.replace(' ', '_')}")
    raise NotFound(missing(word, known, what), code=f"unknown_{what.replace(' ', '_')}")


def missing(word: str, names: Iterable[str], what: str) -> str:
    """Return the sentence for a name that is not there: what is near it, and which there are."""
    known = list(dict.fromkeys(names))
    close = near(word, known)
    meant = f" Did you mean {either(close)}?" if close else ""
    there = f" There are: {shortened(known)}." if known else f" There is no {what} yet."
    return f"No {what} `{word[:LONGEST]}`.{meant}{there}"


def near(word: str, names: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """Return the names that look like this word, the likeliest first."""
    return tuple(get_close_matches(word[:LONGEST].lower(), list(names), n=most, cutoff=0.6))


def either(names: Iterable[str]) -> str:
    """Return names as a choice: `a`, `b` or `c`."""
    marked = [f"`{name}`" for name in names]
    return marked[0] if len(marked) == 1 else f"{', '.join(marked[:-1])} or {marked[-1]}"


def shortened(names: Iterable[str], most: int = 20) -> str:
    """Return a list of names that ends somewhere."""
    known = list(names)
    rest = f" … and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + rest
