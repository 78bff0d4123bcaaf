"""The live message of a run, redrawn as it goes. Pure."""

from collections.abc import Iterator

from notify.blocks import TEXT, Block, bounded, context, last, listing, output, section
from notify.wording import author, code, cut, escape, link, quote, revision, sentence
from pipeline.names import run_name
from pipeline.outcome import State
from pipeline.ports import ChatMessage
from pipeline.progress import in_words
from pipeline.push import HEADS, TAGS
from pipeline.stage import Kind
from pipeline.stories import RunStory, StageStory
from pipeline.telling import span, standing

MARKS = {
    State.QUEUED: "◌",
    State.WAITING: "🚦",
    State.PASSED: "✅",
    State.FAILED: "❌",
    State.ERROR: "⚠️",
    State.CANCELLED: "🚫",
    State.SUPERSEDED: "◌",
    State.SKIPPED: "◌",
}
DOING = {
    Kind.SOURCE: ("🔨", "fetching"),
    Kind.BUILD: ("🔨", "building"),
    Kind.TEST: ("🧪", "testing"),
    Kind.DEPLOY: ("🚢", "deploying"),
    Kind.TASK: ("🔧", "working"),
}
TAIL_LINES = 20
FLAKY = "🎲"
ALLOWED = "❕"


def run_message(story: RunStory, *, web_url: str, channel: str) -> ChatMessage:
    """Draw a run as it stands."""
    page = f"{web_url}/runs/{run_name(story.id)}"
    return ChatMessage(channel=channel, text=_text(story, page), blocks=bounded(_blocks(story, page)))


def headline(story: RunStory) -> str:
    """Return the first line: what, where, state."""
    name = f"*{escape(story.project)} {run_name(story.id)}*"
    stopped = story.stopped
    if story.state in {State.FAILED, State.ERROR, State.CANCELLED, State.SUPERSEDED}:
        return _ended(story, name, stopped)
    mark, word = _progress(story)
    return f"{mark} {name} — {revision(story.revision)} on {code(_branch(story))} — {word}"


def mended(story: RunStory) -> str:
    """Return the line that tells that a branch is green again, or nothing."""
    if story.mended is None or story.state is not State.PASSED:
        return ""
    runs = "1 failed run" if story.mended.failures == 1 else f"{story.mended.failures} failed runs"
    branch = f"*{escape(story.project)} {escape(_branch(story))}*"
    fixed = f"Fixed by {author(story.author)} in {revision(story.revision)}."
    return f"✅ {branch} is green again after {runs} ({span(story.mended.seconds)}). {fixed}"


def _blocks(story: RunStory, page: str) -> Iterator[Block]:
    yield section("\n".join(line for line in (headline(story), mended(story), _subject(story), _asked(story)) if line))
    if story.stages:
        yield listing([_stage(stage) for stage in story.stages])
    tail = _tail(story)
    if tail:
        yield output(tail)
    if story.addresses:
        yield listing([f"🚢 {one}" for one in _addresses(story, marked=True)])
    yield context([_next(story, page)])


def _text(story: RunStory, page: str) -> str:
    """Return the whole message without blocks: what is searched, read aloud and shown where blocks are not."""
    head = [headline(story), mended(story), _subject(story), _asked(story), *(_stage(stage) for stage in story.stages)]
    foot = [*(f"🚢 {one}" for one in _addresses(story, marked=False)), page]
    short = "\n".join(cut(line, 300) for line in head if line), "\n".join(cut(line, 300) for line in foot)
    tail = last(_tail(story), max(TEXT - sum(map(len, short)) - 10, 1)) if _tail(story) else ""
    return cut("\n".join(part for part in (short[0], tail, short[1]) if part), TEXT)


def _ended(story: RunStory, name: str, stopped: StageStory | None) -> str:
    where = f"*{escape(stopped.called)}*" if stopped else "*the run*"
    why = cut(sentence((stopped.sentence if stopped else "") or story.reason), 600)
    colon = f": {why}" if why else "."
    if story.state is State.FAILED:
        return f"❌ {name} failed in {where}{colon}"
    if story.state is State.ERROR:
        return f"⚠️ {name} could not run {where}{colon} This is not your code."
    reason = cut(sentence(story.reason), 600)
    colon = f": {reason}" if reason else "."
    if story.state is State.CANCELLED:
        inside = f" in {where}" if stopped and stopped.state is State.CANCELLED and stopped.attempt else ""
        return f"🚫 {name} was cancelled{inside}{colon}"
    return f"◌ {name} was {'stopped' if _began(story) else 'not started'}{colon}"


def _began(story: RunStory) -> bool:
    """Tell whether a run did more than look at what was pushed."""
    still = {State.QUEUED, State.SKIPPED, State.SUPERSEDED}
    return any(stage.kind is not Kind.SOURCE and (stage.attempt or stage.state not in still) for stage in story.stages)


def _progress(story: RunStory) -> tuple[str, str]:
    if story.state is State.SKIPPED:
        return MARKS[State.SKIPPED], cut(escape(story.reason), 600) or "skipped"
    if story.state is State.PASSED:
        word = "passed on retry (flaky)" if story.flaky else "passed"
        return FLAKY if story.flaky else "✅", f"{word} in {span(story.seconds)}" if story.seconds is not None else word
    if story.state is State.WAITING:
        return MARKS[State.WAITING], f"waits for approval: {cut(escape(story.reason), 300)}"
    if story.running:
        mark, word = DOING[story.running.kind]
        return mark, f"{word} · {in_words(story.left)}" if story.left else str(word)
    return MARKS.get(story.state, "◌"), "queued" if story.state is State.RUNNING else story.state.value


def _subject(story: RunStory) -> str:
    words = " — ".join(part for part in (quote(story.subject), author(story.author)) if part)
    if story.state in {State.FAILED, State.ERROR, State.CANCELLED, State.SUPERSEDED}:
        return f"{revision(story.revision)} on {code(_branch(story))} · {words}".rstrip(" ·")
    return words


def _asked(story: RunStory) -> str:
    return cut(escape(story.asked), 300)


def _stage(stage: StageStory) -> str:
    mark, word = (DOING[stage.kind]) if stage.state is State.RUNNING else (MARKS.get(stage.state, "◌"), stage.state)
    if stage.state is State.QUEUED and stage.sentence and stage.attempt:
        mark = "⚠️"
    if stage.was_allowed:
        mark = ALLOWED
    elif stage.flaky:
        mark = FLAKY
    took = span(stage.seconds) if stage.seconds is not None and stage.state is not State.RUNNING else ""
    again = f"attempt {stage.attempt}" if stage.attempt > 1 else ""
    said = cut(escape(stage.sentence), 200) if stage.sentence else ""
    doing = standing(str(word), flaky=stage.flaky, allowed=stage.was_allowed)
    doing = "" if doing == State.PASSED else doing
    return " · ".join(part for part in (f"{mark} {escape(stage.called)}", doing, took, again, said) if part)


def _tail(story: RunStory) -> list[str]:
    stopped = story.stopped
    return [escape(line) for line in stopped.tail[-TAIL_LINES:]] if stopped else []


def _addresses(story: RunStory, *, marked: bool) -> list[str]:
    return [
        f"{escape(one.service)} on {escape(one.environment)}: {link(one.url, one.url) if marked else one.url}"
        for one in story.addresses
    ]


def _next(story: RunStory, page: str) -> str:
    name = run_name(story.id)
    stopped = story.stopped
    if stopped and story.state in {State.FAILED, State.ERROR}:
        return f"{link(page, f'Open {name}')} for the whole output of {escape(stopped.called)}."
    return link(page, f"Open {name}")


def _branch(story: RunStory) -> str:
    return story.ref.removeprefix(HEADS).removeprefix(TAGS)
