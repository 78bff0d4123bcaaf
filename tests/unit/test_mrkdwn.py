"""Slack's markup is drawn as HTML; what people wrote in it is text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.mrkdwn import mrkdwn


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("*bold* _it_ ~old~ `code`", "<strong>bold</strong> <em>it</em> <s>old</s> <code>code</code>"),
        ("*a `b` c*", "<strong>a `b` c</strong>".replace("`b`", "<code>b</code>")),
        ("snake_case_name 2*3*4", "snake_case_name 2*3*4"),
        ("```\na *b*\n```", "<pre>a *b*</pre>"),
        (
            "<https://a.example/?x=1&amp;y|open>",
            '<a href="https://a.example/?x=1&amp;y" rel="noopener noreferrer">open</a>',
        ),
        ("&lt;b&gt; &amp;amp;", "&lt;b&gt; &amp;amp;"),
        ("<@U1|ana> <!channel> <#C1|deploys>", None),
        ("<!date^1763690400^{date_short}|21 Nov>", '<span class="mention">21 Nov</span>'),
    ],
)
def test_what_slack_would_draw(text: str, html: str | None) -> None:
    shown = str(mrkdwn(text))
    if html is None:
        assert re.findall(r">([^<]+)</span>", shown) == ["@ana", "@channel", "#deploys"]
    else:
        assert shown == html


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "http:", "file:///x", "https://a\u0000b"])
def test_a_link_that_does_not_lead_to_the_web_is_text(url: str) -> None:
    assert "<a" not in str(mrkdwn(f"<{url}|click>"))


@given(st.text(alphabet="<>|&*_~`!@#\"' \nabc:/lt;gtamp"))
def test_only_our_own_tags_come_out(text: str) -> None:
    tag = r'</?(?:strong|em|s|code|pre)>|</span>|<span class="mention">|</a>|<a href="https?://[^"<>]*" rel="[a-z ]+">'
    assert "<" not in re.sub(tag, "", str(mrkdwn(text)))
