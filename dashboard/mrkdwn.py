"""Slack's mrkdwn as HTML, so that the recorder's messages look as they would in Slack. Pure."""

import re
from urllib.parse import urlsplit

from markupsafe import Markup, escape

# Code first: nothing inside it is markup.
_TOKEN = re.compile(
    r"```\n?(?P<block>.+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<angle>[^<>]+)>"
    r"|(?<![\w*])\*(?P<strong>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<!\w)_(?P<em>[^\s_](?:[^_\n]*[^\s_])?)_(?!\w)"
    r"|(?<![\w~])~(?P<s>[^\s~](?:[^~\n]*[^\s~])?)~(?!\w)",
    re.DOTALL,
)
_TAGS = {
    "strong": Markup("<strong>{}</strong>"),
    "em": Markup("<em>{}</em>"),
    "s": Markup("<s>{}</s>"),
}
_PLAIN = {"!": "@", "#": "#", "@": "@"}


def mrkdwn(text: str) -> Markup:
    """Return a text in Slack's markup as safe HTML."""
    done, parts = 0, []
    for found in _TOKEN.finditer(text):
        parts.append(_text(text[done : found.start()]))
        parts.append(_token(found.lastgroup or "", found[found.lastgroup or 0]))
        done = found.end()
    return Markup().join([*parts, _text(text[done:])])


def _token(kind: str, inner: str) -> Markup:
    match kind:
        case "block":
            return Markup("<pre>{}</pre>").format(_text(inner.rstrip("\n")))
        case "code":
            return Markup("<code>{}</code>").format(_text(inner))
        case "angle":
            return _angle(inner)
        case _:
            return _TAGS[kind].format(mrkdwn(inner))


def _angle(inner: str) -> Markup:
    """Return a link, a mention, a channel or a date."""
    target, _, words = inner.partition("|")
    if target[:1] in _PLAIN:
        name = words or target[1:].partition("^")[0]
        mark = "" if target.startswith("!date") else _PLAIN[target[0]]
        return Markup('<span class="mention">{}{}</span>').format(mark, _text(name.lstrip("@#")))
    address = _unescape(target)
    if not _safe(address):
        return _text(words or target)
    return Markup('<a href="{}" rel="noopener noreferrer">{}</a>').format(address, _text(words or target))


def _safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.netloc) and url.isprintable()


def _text(text: str) -> Markup:
    return escape(_unescape(text))


def _unescape(text: str) -> str:
    """Return a text without the three escapes that Slack asks for."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
