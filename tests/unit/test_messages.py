"""Live messages: what they say in each state, and that nobody's words break or mislead them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from notify.blocks import CODE, MOST_BLOCKS, SECTION, TEXT, WHOLE, bounded, fitting, last, listing, paragraphs, section
from notify.messages import draw, reply_message
from notify.wording import code, cut, escape, link, quote
from pipeline.deployment import Cause, DeploymentState
from pipeline.outcome import State
from pipeline.ports import ChatMessage
from pipeline.stage import Kind
from pipeline.stories import Address, DeploymentStory, Mended, Part, RunStory, StageStory, Story
from pipeline.telling import newer_run, person, span

REVISION = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"
OLD = "77aa0012c3d4e5f60718293a4b5c6d7e8f901234"
BUILD = StageStory(name="build", kind=Kind.BUILD, state=State.PASSED, seconds=12.2)
UNIT = StageStory(name="unit", kind=Kind.TEST, state=State.RUNNING)
CI = StageStory(name="ci", kind=Kind.DEPLOY, state=State.QUEUED)
FAILED = replace(UNIT, state=State.FAILED, sentence="exit code 1", tail=("FAILED test_refund", "2 failed"), seconds=3)
STORY = RunStory(
    id=87,
    project="shop",
    revision=REVISION,
    ref="refs/heads/main",
    subject="Let the basket survive a restart\n\nIt did not.",
    author="Ana Lima <ana@example.com>",
    state=State.RUNNING,
    stages=(BUILD, UNIT, CI),
)
MOVE = DeploymentStory(
    id=12,
    project="shop",
    environment="staging",
    cause=Cause.CHAT,
    actor="bo@example.com",
    state=DeploymentState.DEPLOYED,
    parts=(Part(service="web", revision=REVISION), Part(service="api", revision=OLD, changed=False)),
    was=(Part(service="web", revision=OLD), Part(service="api", revision=OLD)),
    addresses=(Address(service="web", environment="staging", url="http://web.staging.shop.slipway.localhost:8080"),),
    seconds=4.2,
)


def drawn(story: Story) -> ChatMessage:
    message = draw(story, web_url="http://127.0.0.1:8070", channel="#deploys")
    valid(message)
    return message


def valid(message: ChatMessage) -> None:
    """Check a message against slack_sdk's own rules and the limits it does not know."""
    assert 0 < len(message.text) <= TEXT
    assert len(message.blocks) <= MOST_BLOCKS
    assert sum(len(str(text)) for block in message.blocks for text in texts(block)) <= WHOLE + 100
    for block in message.blocks:
        parsed = Block.parse(dict(block))
        assert parsed is not None
        parsed.validate_json()


def texts(block: Any) -> list[str]:
    if block["type"] == "context":
        return [element["text"] for element in block["elements"]]
    return [block["text"]["text"]]


def shown(message: ChatMessage) -> str:
    return "\n".join(text for block in message.blocks for text in texts(block))


def first(story: Story) -> str:
    message = drawn(story)
    assert message.text.splitlines()[0] in shown(message)
    return message.text.splitlines()[0]


def test_a_run_says_what_where_and_state() -> None:
    assert first(STORY) == "🧪 *shop r87* — `1a2b3c4` on `main` — testing"


def test_a_run_says_whose_words_started_it() -> None:
    assert drawn(STORY).text.splitlines()[1] == "“Let the basket survive a restart” — Ana Lima"


def test_each_stage_is_a_line_with_its_sign_and_time() -> None:
    assert drawn(STORY).text.splitlines()[2:5] == ["✅ build · 12 s", "🧪 unit · testing", "◌ ci · queued"]


@pytest.mark.parametrize(
    ("kind", "word"), [(Kind.SOURCE, "fetching"), (Kind.BUILD, "building"), (Kind.DEPLOY, "deploying")]
)
def test_the_state_is_what_the_furthest_stage_does(kind: Kind, word: str) -> None:
    assert first(replace(STORY, stages=(replace(UNIT, kind=kind),))).endswith(word)


def test_a_run_that_waits_is_queued() -> None:
    assert first(replace(STORY, state=State.QUEUED, stages=())).endswith("— queued")


def test_a_passed_run_says_how_long_it_took_and_where_it_answers() -> None:
    message = drawn(replace(STORY, state=State.PASSED, seconds=62, stages=(BUILD,), addresses=MOVE.addresses))
    assert message.text.splitlines()[0] == "✅ *shop r87* — `1a2b3c4` on `main` — passed in 1 m 2 s"
    assert "🚢 web on staging: http://web.staging.shop.slipway.localhost:8080" in message.text
    assert "<http://web.staging.shop.slipway.localhost:8080|" in shown(message)


def test_a_failed_run_names_the_stage_its_sentence_and_the_last_lines() -> None:
    message = drawn(replace(STORY, state=State.FAILED, reason="exit code 1", stages=(BUILD, FAILED, CI)))
    assert message.text.splitlines()[0] == "❌ *shop r87* failed in *unit*: exit code 1."
    assert "```FAILED test_refund\n2 failed```" in shown(message)
    assert "2 failed\nhttp://127.0.0.1:8070/runs/r87" in message.text
    assert "<http://127.0.0.1:8070/runs/r87|Open r87> for the whole output of unit." in shown(message)


def test_a_stage_with_a_title_is_called_by_it_with_its_name() -> None:
    failed = replace(FAILED, title="Fast <tests>\nand more")
    message = drawn(replace(STORY, stages=(BUILD, failed, CI), state=State.FAILED))
    assert "failed in *Fast &lt;tests&gt; (unit)*: exit code 1." in message.text
    assert "❌ Fast &lt;tests&gt; (unit) · failed" in message.text


def test_an_error_is_not_the_code_s_fault() -> None:
    stage = replace(UNIT, state=State.ERROR, sentence="the engine went away")
    line = first(replace(STORY, state=State.ERROR, stages=(BUILD, stage)))
    assert line == "⚠️ *shop r87* could not run *unit*: the engine went away. This is not your code."


def test_a_stage_that_waits_to_be_tried_again_says_why() -> None:
    stage = replace(CI, sentence="the engine went away. Trying again in 2 s.", attempt=2)
    line = "⚠️ ci · queued · attempt 2 · the engine went away. Trying again in 2 s."
    assert line in drawn(replace(STORY, stages=(stage,))).text


def test_a_cancelled_run_says_by_whom() -> None:
    assert first(replace(STORY, state=State.CANCELLED, reason="by @bo")) == "🚫 *shop r87* was cancelled: by @bo."


def test_a_superseded_run_was_not_started_or_was_stopped() -> None:
    reason = newer_run("9f8e7d6c5b4a", 88)
    source = StageStory(name="source", kind=Kind.SOURCE, state=State.SUPERSEDED, attempt=1)
    waiting = replace(CI, state=State.SKIPPED)
    line = first(replace(STORY, state=State.SUPERSEDED, reason=reason, stages=(source, waiting)))
    assert line == "◌ *shop r87* was not started: `9f8e7d6` is newer and is running as r88."
    unit = replace(UNIT, state=State.SUPERSEDED, attempt=1)
    line = first(replace(STORY, state=State.SUPERSEDED, reason=reason, stages=(BUILD, unit, waiting)))
    assert line == "◌ *shop r87* was stopped: `9f8e7d6` is newer and is running as r88."


def test_a_run_that_had_nothing_to_do_says_why() -> None:
    source = StageStory(name="source", kind=Kind.SOURCE, state=State.SKIPPED, attempt=1)
    reason = "nothing to do: only docs/** changed"
    line = first(replace(STORY, state=State.SKIPPED, reason=reason, stages=(source,)))
    assert line == "◌ *shop r87* — `1a2b3c4` on `main` — nothing to do: only docs/** changed"


def test_a_branch_that_is_green_again_says_so() -> None:
    message = drawn(replace(STORY, state=State.PASSED, mended=Mended(failures=3, seconds=4320)))
    line = "✅ *shop main* is green again after 3 failed runs (1 h 12 m). Fixed by Ana Lima in `1a2b3c4`."
    assert line in message.text
    assert line in shown(message)


def test_a_branch_is_not_green_before_the_run_has_passed() -> None:
    assert "green" not in drawn(replace(STORY, mended=Mended(failures=1, seconds=60))).text


def test_a_deployment_says_what_is_live_where_since_how_long_and_by_whom() -> None:
    assert first(MOVE) == "🚢 *web* `1a2b3c4` is live on *staging*. Took 4 s. Deployed by @bo."


def test_a_deployment_of_the_same_images_names_them_all() -> None:
    same = tuple(replace(part, changed=False) for part in MOVE.parts)
    assert first(replace(MOVE, parts=same)).startswith("🚢 *web* `1a2b3c4`, *api* `77aa001` are live")


def test_a_deployment_tells_how_to_go_back() -> None:
    assert "`rollback staging` goes back to *web* `77aa001`" in shown(drawn(MOVE))


def test_a_deployment_under_way_shows_its_steps() -> None:
    story = replace(MOVE, state=DeploymentState.RUNNING, steps=(("start", "i31 started"), ("health", "")), reason="why")
    assert first(story) == "🚢 *web* `1a2b3c4` to *staging* — deploying. Asked for by @bo: “why”."
    assert "· start — i31 started\n· health" in drawn(story).text


def test_a_failed_deployment_says_what_still_serves() -> None:
    line = first(replace(MOVE, state=DeploymentState.FAILED, reason="never got healthy"))
    assert line.startswith("❌ *web* `1a2b3c4` did not reach *staging* (d12): never got healthy.")
    assert line.endswith("Still serving: *web* `77aa001`, *api* `77aa001`.")


def test_a_rollback_says_who_what_how_long_why_and_that_deploys_are_off() -> None:
    story = replace(MOVE, cause=Cause.ROLLBACK, reason="5xx on checkout", pinned=True)
    assert first(story) == (
        "⏪ @bo rolled *staging* back to *web* `1a2b3c4` in 4 s: “5xx on checkout”. "
        "Automatic deploys are off until `resume staging`."
    )


@pytest.mark.parametrize("cause", Cause)
@pytest.mark.parametrize("state", DeploymentState)
def test_every_state_of_a_deployment_can_be_drawn(cause: Cause, state: DeploymentState) -> None:
    assert "staging" in first(replace(MOVE, cause=cause, state=state, reason="it had to")) or state == "superseded"


@pytest.mark.parametrize("state", State)
def test_every_state_of_a_run_can_be_drawn(state: State) -> None:
    assert "shop r87" in first(replace(STORY, state=state, stages=(replace(UNIT, state=state),)))


EVIL = "<!channel> <https://evil|ok> & `x` \u202e\x00\x1b[31m <@U1> ```"


def test_S6_nobody_s_words_can_call_people_or_make_links() -> None:
    story = replace(
        STORY,
        project=EVIL,
        ref=f"refs/heads/{EVIL}",
        subject=EVIL,
        author=EVIL,
        reason=EVIL,
        state=State.FAILED,
        stages=(replace(FAILED, name=EVIL, sentence=EVIL, tail=(EVIL, "```<!here>")),),
        addresses=(Address(service=EVIL, environment=EVIL, url="http://h/|x>"),),
    )
    for text in (drawn(story).text, shown(drawn(story))):
        assert not any(bad in text for bad in ("<!", "<@", "<https://evil", "\u202e", "\x00", "\x1b"))
    move = replace(MOVE, actor=EVIL, reason=EVIL, environment=EVIL, parts=(Part(service=EVIL, revision=REVISION),))
    for state in DeploymentState:
        assert "<!" not in shown(drawn(replace(move, state=state, steps=((EVIL, EVIL),))))
    assert "<!" not in reply_message(EVIL, channel="#c").text


def test_output_cannot_end_its_own_code_block() -> None:
    story = replace(STORY, state=State.FAILED, stages=(replace(FAILED, tail=("```", "*bold*")),))
    assert shown(drawn(story)).count("```") == 2


def test_a_run_of_a_hundred_stages_and_endless_words_stays_within_the_limits() -> None:
    long = "<&>" * 4000
    stages = tuple(replace(FAILED, name=f"unit-{n}", sentence=long, tail=(long,) * 30) for n in range(100))
    story = replace(STORY, subject=long, author=long, reason=long, state=State.FAILED, stages=stages)
    message = drawn(story)
    assert "more" in shown(message)
    assert message.text.splitlines()[0].startswith("❌ *shop r87* failed in *unit-0*")


def test_the_end_of_a_long_output_is_what_is_kept() -> None:
    tail = tuple(f"line {n} {'x' * 300}" for n in range(20))
    text = shown(drawn(replace(STORY, state=State.FAILED, stages=(replace(FAILED, tail=tail),))))
    assert "line 19" in text
    assert "line 1 " not in text


@given(st.text(max_size=300), st.lists(st.text(max_size=80), max_size=30), st.sampled_from(State))
def test_any_words_make_a_message_that_slack_takes(words: str, tail: list[str], state: State) -> None:
    stage = replace(FAILED, state=state, sentence=words, tail=tuple(tail))
    message = drawn(replace(STORY, state=state, subject=words, author=words, reason=words, stages=(stage,)))
    message.text.encode()
    shown(message).encode()


def test_sections_end_at_three_thousand() -> None:
    assert [len(section("x" * size)["text"]["text"]) for size in (2999, 3000, 3001)] == [2999, 3000, 3000]
    assert section("x" * 3001)["text"]["text"].endswith("…")


def test_a_list_that_does_not_fit_counts_the_rest() -> None:
    lines = [f"{n:02} {'x' * 97}" for n in range(40)]
    text = listing(lines)["text"]["text"]
    kept = text.count("\n")
    assert len(text) <= SECTION
    assert text.endswith(f"… and {40 - kept} more")
    assert fitting(lines[:29], SECTION) == "\n".join(lines[:29])


def test_a_first_line_that_is_too_long_is_cut() -> None:
    assert fitting(["x" * 50, "y"], 20) == "x" * 19 + "…"


def test_fifty_blocks_are_the_most() -> None:
    assert len(bounded(section("x") for _ in range(50))) == 50
    many = bounded(section("x") for _ in range(64))
    assert len(many) == 50
    assert texts(many[-1]) == ["… and 15 more"]


def test_twelve_thousand_characters_are_the_most() -> None:
    assert len(bounded([section("x" * 3000)] * 4)) == 4
    assert texts(bounded([section("x" * 3000)] * 5)[-1]) == ["… and 1 more"]


def test_the_last_lines_fit_and_of_one_huge_line_its_end() -> None:
    assert last(["a", "b", "c"], 3) == "b\nc"
    assert last(["x" * 5000 + "end"], CODE).endswith("end")
    assert len(last(["x" * 5000], CODE)) <= CODE
    assert last(["&amp;" * 1000], 14) == "…&amp;&amp;"
    assert last([], 10) == ""


def test_cutting_leaves_no_half_of_an_entity() -> None:
    assert cut(escape("a<b"), 4) == "a…"
    assert cut("abc", 3) == "abc"


def test_plain_paragraphs_hold_all_of_a_long_text() -> None:
    text = "\n".join(f"{n} {'x' * 200}" for n in range(40))
    assert "".join(text for block in paragraphs(text) for text in texts(block)).replace("\n", "") == text.replace(
        "\n", ""
    )


def test_a_reply_is_private_unless_something_changes() -> None:
    assert not reply_message("x", channel="#c").everyone
    assert reply_message("x", channel="#c", everyone=True).everyone
    valid(reply_message("x" * 20_000, channel="#c"))


def test_somebody_known_by_slack_alone_is_shown_by_slack() -> None:
    assert first(replace(MOVE, actor="slack:T1:U7")).endswith("Deployed by <@U7>.")
    assert person("slack:T1:U7") == "@U7"
    assert "<" not in first(replace(MOVE, actor="slack:T1:!channel"))
    assert "<" not in drawn(replace(STORY, author="slack:T1:U7")).text


def test_words_are_put_as_chat_puts_them() -> None:
    assert [person(who) for who in ("ana@example.com", "Ana Lima <a@b.c>", "r87", "<a@b.c>")] == [
        "@ana",
        "Ana Lima",
        "r87",
        "@a",
    ]
    assert quote("  \n subject \n body") == "“subject”"
    assert quote("") == ""
    assert code("a`b") == "`aʹb`"
    assert link("http://h/?a=1&b=<|>", "x|y") == "<http://h/?a=1&amp;b=&lt;%7C&gt;|x|y>"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (9, "9 s"),
        (59.7, "1 m"),
        (62, "1 m 2 s"),
        (4320, "1 h 12 m"),
        (3600, "1 h"),
        (183_600, "2 d 3 h"),
        (-1, "0.0 s"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert span(seconds) == said


def test_the_message_names_the_stage_that_was_cancelled_and_marks_what_is_neither_green_nor_red() -> None:
    lint = StageStory(name="lint", kind=Kind.TEST, state=State.FAILED, allow_failure=True, attempt=1)
    unit = StageStory(name="unit", kind=Kind.TEST, state=State.CANCELLED, allow_failure=True, attempt=1)
    luck = StageStory(name="web", kind=Kind.TEST, state=State.PASSED, flaky=True, attempt=2)
    told = drawn(replace(STORY, state=State.CANCELLED, stages=(luck, lint, unit), reason="by @bo", asked="only unit"))
    assert "was cancelled in *unit*" in told.text and "\nonly unit\n" in told.text
    assert "❕ lint · failed (allowed)" in told.text and "🎲 web · flaky" in told.text and "❌" not in told.text
