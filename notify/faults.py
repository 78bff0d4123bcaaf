"""What Slack may answer instead of doing it, in our words."""

from pipeline.errors import Rejected, Unavailable


class RateLimited(Unavailable):
    """Slack asks to wait before the next message."""

    code = "rate_limited"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Slack asks to wait {seconds:g} s before the next message")
        self.seconds = seconds


class Refused(Rejected):
    """Slack refuses this message for good; sending it again would not help."""

    code = "slack_refused"


FIXES = {
    "invalid_auth": "Slack does not know the bot token: set SLIPWAY_SLACK__BOT_TOKEN to the app's xoxb- token.",
    "not_authed": "Slack got no bot token: set SLIPWAY_SLACK__BOT_TOKEN to the app's xoxb- token.",
    "token_revoked": "Slack has revoked the bot token: install the app again and set SLIPWAY_SLACK__BOT_TOKEN.",
    "token_expired": "The Slack bot token has expired: install the app again and set SLIPWAY_SLACK__BOT_TOKEN.",
    "account_inactive": "The Slack app was removed from the workspace: install it again.",
    "missing_scope": "The Slack app lacks a scope: it needs chat:write and chat:write.public; install it again.",
    "channel_not_found": "Slack knows no such channel, or the app may not see it: invite it, or set another one.",
    "not_in_channel": "The Slack app is not in that channel: `/invite @slipway` there.",
    "is_archived": "That Slack channel is archived: set another one.",
}


def sentence(error: str, channel: str) -> str:
    """Return what is wrong and what to do about it."""
    return f"{FIXES.get(error, f'Slack refused the message: {error[:200]}.')} ({channel})"
