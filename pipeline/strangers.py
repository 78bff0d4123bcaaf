"""What an image of a stranger's making may not ask for: caches that others build with, and other projects' images.

A Dockerfile is read as text, and taken for worse than it is where quotes and continued lines hide what it says.
"""

import re
from dataclasses import dataclass

from pipeline.registries import LOCAL

CONTINUED = re.compile(r"[\\`][ \t\r]*\n[ \t]*")
HIDING = str.maketrans("", "", "\\`'\"")
# The one form that leaves nothing to guess: no quotes, no escapes, no variables.
PLAIN_MOUNT = re.compile(r"--mount=([a-z0-9=,/._-]+)(?=\s|\Z)", re.IGNORECASE)
HARMLESS = frozenset({"bind", "tmpfs", "secret", "ssh"})
FROM = re.compile(r"^\s*(?:onbuild\s+)?from\s+(?:--\S+\s+)*(\S+)", re.IGNORECASE | re.MULTILINE)
COPIED = re.compile(r"\bfrom=([^\s,]+)", re.IGNORECASE)
# The builder itself fetches these, from where it is: the machine on which it is somebody local.
FETCHED = re.compile(r"^\s*(?:onbuild\s+)?add\s.*(?:://|git@|\$)", re.IGNORECASE | re.MULTILINE)
HUB = re.compile(r"^(?:index\.)?docker\.io/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """What a stranger's run may reach of all that this home has: the images of its own project."""

    registry: str
    home: str
    project: str

    def refusal(self, reference: str) -> str | None:
        """Return why an image may not be used, or None."""
        plain = HUB.sub("", reference.strip())
        known, variable, _ = plain.partition("$")
        if variable and not self._settled(known):
            return f"{reference} could come to name any image: name the image, or at least its repository"
        if self.is_own(plain):
            return None if "$" not in plain else f"{reference} must be written out"
        if self._is_registry(plain) or plain.startswith(self._toolchains("")):
            return f"{reference} is not of {self.project}, and what comes from a fork gets no other project's images"
        return None

    def is_own(self, reference: str) -> bool:
        """Tell whether an image is the project's own."""
        return reference.startswith((f"{self.registry}/{self.project}/", self._toolchains(self.project)))

    def check(self, dockerfile: str) -> str | None:
        """Return why a stranger's Dockerfile is not built, or None."""
        text = _joined(dockerfile)
        plain = [match[1] for match in PLAIN_MOUNT.finditer(text)]
        mounts = text.translate(HIDING).lower().count("--mount")
        if mounts != len(plain) or not all(map(_harmless, plain)):
            return (
                "what comes from a fork may not use `RUN --mount=type=cache`, which other builds share"
                " (other mounts must be written without quotes and variables)"
            )
        named = text.translate(HIDING)
        if FETCHED.search(named):
            return "what comes from a fork may not `ADD` an address or a variable: fetch it in a RUN step"
        found = (self.refusal(one[1]) for pattern in (FROM, COPIED) for one in pattern.finditer(named))
        return next((refusal for refusal in found if refusal), None)

    def _toolchains(self, project: str) -> str:
        return f"slipway-{self.home}/toolchain/{project}{'/' if project else ''}"

    def _settled(self, known: str) -> bool:
        """Tell whether a name that ends in a variable already says which registry it is of."""
        host, slash, _ = known.partition("/")
        name, colon, _ = host.partition(":")
        return bool(slash) or bool(colon and "." not in name and name != "localhost")

    def _is_registry(self, reference: str) -> bool:
        """Tell whether a reference leads to our registry; one on this machine has as many names as the machine."""
        host, slash, _ = reference.lower().partition("/")
        ours = self.registry.partition("/")[0].lower()
        name, _, port = ours.rpartition(":")
        return bool(slash) and (host == ours or (name in LOCAL and host.endswith(f":{port}")))


def _harmless(mount: str) -> bool:
    pairs = [one.partition("=") for one in mount.lower().split(",")]
    return all(value in HARMLESS for key, _, value in pairs if key == "type")


def _joined(text: str) -> str:
    """Return a Dockerfile's lines as a builder may join them, whichever its escape is; comments count for nothing."""
    lines = text.removeprefix("\ufeff").split("\n")
    return CONTINUED.sub("", "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#")))
