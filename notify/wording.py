"""Wording: how words of other people, times and names are put into Slack's mark-up."""

import re
import unicodedata

from pipeline import telling
from pipeline.names import short

ELLIPSIS = "…"
_INVISIBLE = {"Cc", "Cf", "Cs"}
_BROKEN_ENTITY = re.compile(r"&[a-z]{0,3}$")


def escape(text: str) -> str:
    """Return other people's words as Slack shows them and nothing more: no mention, no link, no hidden sign."""
    seen = "".join(one if one == "\n" or unicodedata.category(one) not in _INVISIBLE else " " for one in text)
    return seen.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Return a name as code; a back-tick of its own cannot end it."""
    return f"`{escape(text).replace('`', chr(0x2B9))}`"


def revision(sha: str) -> str:
    """Return a revision as people say it."""
    return code(short(sha))


def quote(text: str, limit: int = 200) -> str:
    """Return the first line of other people's words in quotation marks, or nothing."""
    first = telling.subject(text)
    return f"“{cut(escape(first), limit)}”" if first else ""


def who(actor: str) -> str:
    """Return who acted as chat says it; somebody known by Slack alone is shown by their own name there."""
    if telling.slack_id(actor):
        return f"<@{telling.slack_id(actor)}>"
    return author(actor)


def author(name: str) -> str:
    """Return who git says wrote something: never a mention, for anybody can write anything there."""
    return escape(cut(telling.person(name), 60))


def link(url: str, label: str) -> str:
    """Return a link."""
    return f"<{escape(url).replace('|', '%7C')}|{escape(label)}>"


def sentence(text: str) -> str:
    """Return words that end as a sentence does."""
    clean = escape(text).strip()
    return clean if clean.endswith((".", "!", "?", ELLIPSIS)) or not clean else f"{clean}."


def cut(text: str, limit: int) -> str:
    """Return at most `limit` characters, with … where something went, and no half of an `&amp;`."""
    if len(text) <= limit:
        return text
    return _BROKEN_ENTITY.sub("", text[: limit - 1].rstrip()) + ELLIPSIS
