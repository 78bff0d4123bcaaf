"""Blocks: Slack's boxes, never more or longer than Slack takes (https://docs.slack.dev/reference/block-kit)."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from notify.wording import cut

Block = dict[str, Any]

MOST_BLOCKS = 50
SECTION = 3000
CODE = 2900
CONTEXT = 2000
CONTEXT_ELEMENTS = 10
WHOLE = 12_000
TEXT = 3900
FENCE = "```"
_BROKEN_ENTITY = re.compile(r"^[a-z]{0,3};")


def section(text: str) -> Block:
    """Return a paragraph."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION)}}


def listing(lines: Sequence[str]) -> Block:
    """Return lines as one paragraph that ends in “… and 14 more” where they do not fit."""
    return section(fitting(lines, SECTION))


def context(texts: Iterable[str]) -> Block:
    """Return small print; what does not fit is left out."""
    elements = [{"type": "mrkdwn", "text": cut(text, CONTEXT)} for text in texts if text]
    return {"type": "context", "elements": elements[:CONTEXT_ELEMENTS]}


def output(lines: Sequence[str]) -> Block:
    """Return the last lines of some output, as they came; the first ones go where it is too much."""
    return section(f"{FENCE}{last(lines, CODE - 2 * len(FENCE))}{FENCE}")


def fitting(lines: Sequence[str], limit: int) -> str:
    """Return as many lines as fit, and say how many did not."""
    whole = "\n".join(lines)
    if len(whole) <= limit:
        return whole
    room = limit - len(f"\n… and {len(lines)} more")
    kept: list[str] = []
    for line in lines:
        if sum(map(len, kept)) + len(kept) + len(line) > room:
            break
        kept.append(line)
    return "\n".join([*kept, f"… and {len(lines) - len(kept)} more"]) if kept else cut(lines[0], limit)


def last(lines: Sequence[str], limit: int) -> str:
    """Return as many of the last lines as fit; of one huge line its end."""
    kept: list[str] = []
    for line in reversed(lines):
        safe = line.replace(FENCE, "'''")
        if sum(map(len, kept)) + len(kept) + len(safe) > limit:
            break
        kept.insert(0, safe)
    if not kept and lines:
        return "…" + _BROKEN_ENTITY.sub("", lines[-1].replace(FENCE, "'''")[-(limit - 1) :])
    return "\n".join(kept)


def bounded(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """Return at most 50 blocks and about 12,000 characters of them; what is cut is counted at the end."""
    wanted = list(blocks)
    kept: list[Block] = []
    size = 0
    for block in wanted:
        size += _size(block)
        if (len(kept) == MOST_BLOCKS - 1 and len(wanted) > MOST_BLOCKS) or size > WHOLE:
            return (*kept, context([f"… and {len(wanted) - len(kept)} more"]))
        kept.append(block)
    return tuple(kept)


def paragraphs(text: str) -> tuple[Block, ...]:
    """Return plain text as paragraphs: what every Slack understands."""
    pieces: list[str] = []
    for line in text.split("\n"):
        if pieces and len(pieces[-1]) + 1 + len(line) <= SECTION:
            pieces[-1] = f"{pieces[-1]}\n{line}"
        else:
            pieces.append(line)
    return bounded(section(piece) for piece in pieces if piece.strip())


def _size(block: Block) -> int:
    return sum(len(one["text"]) for one in block.get("elements", [block.get("text", {"text": ""})]))
