"""The Slack adapter against a stand-in that answers as Slack does."""

from collections.abc import Iterator

import pytest

from notify.answers import Answers
from notify.blocks import section
from notify.faults import RateLimited, Refused
from notify.messages import reply_message
from notify.slack import Slack
from pipeline.errors import Unavailable
from pipeline.ports import Chat, ChatMessage
from tests.slack_standin import TOKEN, SlackStandin, standin

MESSAGE = ChatMessage(channel="#deploys", text="shop r87 — building", blocks=(section("*shop r87*"),))
AGAIN = ChatMessage(channel="#deploys", text="shop r87 — passed", blocks=(section("*shop r87* passed"),))


@pytest.fixture
def server() -> Iterator[SlackStandin]:
    with standin() as slack:
        yield slack


@pytest.fixture
def slack(server: SlackStandin) -> Chat:
    return Slack(TOKEN, server.url, timeout=1)


def test_a_message_is_posted_once_and_redrawn_in_its_place(slack: Chat, server: SlackStandin) -> None:
    ts = slack.post(MESSAGE)
    assert slack.update(ts, AGAIN) == ts
    assert (server.one()["text"], server.one()["edits"]) == ("shop r87 — passed", 1)
    assert server.one()["blocks"] == [section("*shop r87* passed")]


def test_links_are_not_unfurled(slack: Chat, server: SlackStandin) -> None:
    slack.post(MESSAGE)
    assert server.one()["unfurl_links"] is False


def test_a_reply_in_a_thread_names_the_message_above_it(slack: Chat, server: SlackStandin) -> None:
    ts = slack.post(MESSAGE)
    slack.post(ChatMessage(channel="#deploys", text="why", thread_ts=ts))
    assert [one.get("thread_ts") for one in server.messages.values()] == [None, ts.partition(":")[2]]


def test_F53_a_deleted_message_is_posted_anew(slack: Chat, server: SlackStandin) -> None:
    ts = slack.post(MESSAGE)
    server.forget()
    new = slack.update(ts, AGAIN)
    assert new != ts
    assert server.one()["text"] == "shop r87 — passed"


@pytest.mark.parametrize("error", ["cant_update_message", "edit_window_closed"])
def test_a_message_that_cannot_be_redrawn_is_posted_anew(slack: Chat, server: SlackStandin, error: str) -> None:
    ts = slack.post(MESSAGE)
    server.fail(error=error)
    assert slack.update(ts, AGAIN) != ts


def test_blocks_that_slack_cannot_read_go_again_as_paragraphs(slack: Chat, server: SlackStandin) -> None:
    slack.post(ChatMessage(channel="#deploys", text="all of it", blocks=({"type": "nonsense"},)))
    assert server.one()["blocks"] == [section("all of it")]


def test_blocks_that_cannot_be_redrawn_are_redrawn_as_paragraphs(slack: Chat, server: SlackStandin) -> None:
    ts = slack.post(MESSAGE)
    assert slack.update(ts, ChatMessage(channel="#deploys", text="all of it", blocks=({"type": "nonsense"},))) == ts
    assert server.one()["blocks"] == [section("all of it")]


def test_paragraphs_that_slack_cannot_read_either_are_refused(slack: Chat, server: SlackStandin) -> None:
    server.fail(error="invalid_blocks")
    server.fail(error="invalid_blocks")
    with pytest.raises(Refused, match="invalid_blocks"):
        slack.post(MESSAGE)


def test_F52_rate_limits_carry_slack_s_own_wait(slack: Chat, server: SlackStandin) -> None:
    server.fail(status=429, error="ratelimited", headers={"Retry-After": "7"})
    with pytest.raises(RateLimited) as wait:
        slack.post(MESSAGE)
    assert wait.value.seconds == 7
    assert server.messages == {}


@pytest.mark.parametrize("said", ["soon", "", "-1", "²"])
def test_a_wait_that_is_no_number_is_half_a_minute(slack: Chat, server: SlackStandin, said: str) -> None:
    server.fail(status=429, error="ratelimited", headers={"Retry-After": said.encode().decode("latin-1")})
    with pytest.raises(RateLimited) as wait:
        slack.post(MESSAGE)
    assert wait.value.seconds == 30


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"error": "internal_error"}, {"status": 404}])
def test_a_fault_of_slack_s_own_may_pass(slack: Chat, server: SlackStandin, fault: dict[str, object]) -> None:
    server.fail(**fault)
    with pytest.raises(Unavailable):
        slack.post(MESSAGE)


def test_silence_ends_at_the_deadline(slack: Chat, server: SlackStandin) -> None:
    server.fail(silent=3)
    with pytest.raises(Unavailable, match="does not answer"):
        slack.post(MESSAGE)


def test_nobody_listening_may_pass() -> None:
    with pytest.raises(Unavailable):
        Slack(TOKEN, "http://127.0.0.1:1/api/", timeout=1).post(MESSAGE)


def test_a_wrong_token_says_what_to_set(server: SlackStandin) -> None:
    with pytest.raises(Refused, match="SLIPWAY_SLACK__BOT_TOKEN"):
        Slack("xoxb-wrong", server.url, timeout=1).post(MESSAGE)


def test_an_unknown_channel_says_so(slack: Chat) -> None:
    with pytest.raises(Refused, match=r"no such channel.*#nowhere"):
        slack.post(ChatMessage(channel="#nowhere", text="x"))


def test_a_refused_redrawing_says_why(slack: Chat, server: SlackStandin) -> None:
    ts = slack.post(MESSAGE)
    server.fail(error="is_archived")
    with pytest.raises(Refused, match="archived"):
        slack.update(ts, AGAIN)


def test_an_answer_goes_where_the_command_came_from(slack: Chat, server: SlackStandin) -> None:
    slack.reply(server.response_url, reply_message("staging: web", channel="#deploys"))
    slack.reply(server.response_url, reply_message("rolled back", channel="#deploys", everyone=True))
    assert [one["response_type"] for one in server.answers] == ["ephemeral", "in_channel"]
    assert server.answers[0]["blocks"] == [section("staging: web")]


def test_without_an_address_nothing_is_answered(slack: Chat, server: SlackStandin) -> None:
    slack.reply("", MESSAGE)
    assert server.calls == []


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/x",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/x",
        "https://hooks.slack.com:8443/x",
        "https://169.254.169.254/x",
        "file:///etc/passwd",
        "//hooks.slack.com/x",
    ],
)
def test_S7_answers_go_to_slack_only(slack: Chat, server: SlackStandin, url: str) -> None:
    with pytest.raises(Refused, match="not Slack's"):
        slack.reply(url, MESSAGE)
    assert server.calls == []


def test_S7_without_a_stand_in_only_slack_s_own_host_is_known() -> None:
    answers = Answers()
    assert answers.known("https://hooks.slack.com/commands/T1/1")
    assert not answers.known("http://127.0.0.1:80/commands/T1/1")


def test_a_sixth_answer_is_refused(slack: Chat, server: SlackStandin) -> None:
    for _ in range(5):
        slack.reply(server.response_url, MESSAGE)
    with pytest.raises(Refused, match="no more answers"):
        slack.reply(server.response_url, MESSAGE)


@pytest.mark.parametrize(("status", "family"), [(429, RateLimited), (500, Unavailable)])
def test_an_answer_that_slack_cannot_take_now_may_pass(
    slack: Chat, server: SlackStandin, status: int, family: type[Exception]
) -> None:
    server.fail(status=status)
    with pytest.raises(family):
        slack.reply(server.response_url, MESSAGE)


def test_an_answer_to_nobody_may_pass() -> None:
    answers = Answers("http://127.0.0.1:1/api/", timeout=1)
    with pytest.raises(Unavailable):
        answers.send("http://127.0.0.1:1/commands/T1/1", MESSAGE)
