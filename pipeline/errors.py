"""Every error Slipway raises on purpose: whose fault it is, a stable code, and what to do."""

from collections.abc import Sequence


class SlipwayError(Exception):
    """Something went wrong in Slipway."""

    code = "error"

    def __init__(self, sentence: str = "", *, code: str = "", fix: str = "") -> None:
        self.sentence = sentence or (self.__doc__ or "").strip()
        self.code = code or type(self).code
        self.fix = fix
        super().__init__(self.sentence)


class Rejected(SlipwayError):
    """The request cannot be accepted as it is."""

    code = "rejected"
    status = 400


class Unauthorized(Rejected):
    """The signature is missing or does not match."""

    code = "bad_signature"
    status = 401


class NotFound(Rejected):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class Conflict(Rejected):
    """That cannot be done in the state things are in."""

    code = "conflict"
    status = 409


class TooSlow(Rejected):
    """The request took longer to arrive than Slipway waits."""

    code = "too_slow"
    status = 408


class TooLarge(Rejected):
    """The request is larger than Slipway accepts."""

    code = "too_large"
    status = 413


class WrongType(Rejected):
    """The content type is not one Slipway reads."""

    code = "unsupported_type"
    status = 415


class BadRange(Rejected):
    """There is nothing in that range."""

    code = "bad_range"
    status = 416


class StageFailed(SlipwayError):
    """The project's own code or configuration made a stage fail; trying again would not help."""

    code = "failed"

    def __init__(self, sentence: str = "", *, code: str = "", fix: str = "", tail: Sequence[str] = ()) -> None:
        super().__init__(sentence, code=code, fix=fix)
        self.tail = tuple(tail)


class Unavailable(SlipwayError):
    """A part Slipway relies on is not answering; it will be tried again."""

    code = "unavailable"


class Busy(Unavailable):
    """Somebody else is at work on the same thing; this waits its turn."""

    code = "busy"


class Overtaken(SlipwayError):
    """Something newer has made this needless; it ends without having failed."""

    code = "superseded"


class Held(Overtaken):
    """What serves is not part of what was to replace it."""

    code = "not_descendant"


class StaleFence(SlipwayError):
    """Another worker has taken over this job; this one must write nothing more."""

    code = "stale_fence"


class Cancelled(SlipwayError):
    """A person asked for this to stop."""

    code = "cancelled"
