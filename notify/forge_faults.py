"""What a git host may answer instead of doing it, in our words."""

from pipeline.errors import Rejected, Unavailable


class Wait(Unavailable):
    """The git host asks to be left alone for a while."""

    code = "forge_rate_limited"

    def __init__(self, sentence: str, *, seconds: float) -> None:
        super().__init__(sentence)
        self.seconds = seconds


class Silent(Unavailable):
    """The git host does not answer at all, whatever it is asked."""

    code = "forge_unreachable"


class Refused(Rejected):
    """The git host will never take this; sending it again would not help."""

    code = "forge_refused"


class AccountRefused(Rejected):
    """The git host takes nothing from this account until it is set anew."""

    code = "forge_unauthorized"
