"""What the engine says of itself, as far as people should know."""

import re
from dataclasses import dataclass

from runtime.stack_api import engine_client
from runtime.wire import Wire

# The first runc without CVE-2025-31133, -52565 and -52881: a build's code could reach the host through those.
SAFE_RUNC = (1, 2, 8)


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineFacts:
    """An engine's versions, where it keeps its data, and which builder it has."""

    version: str
    api: str
    storage: str
    builder: str
    runc: str

    @property
    def sentence(self) -> str:
        """All of it in a line."""
        runc = f", runc {self.runc}" if self.runc else ""
        return f"engine {self.version}, API {self.api}, {self.storage}, builds with {self.builder}{runc}"

    @property
    def warning(self) -> str | None:
        """Return what to beware of, if anything."""
        number = tuple(int(part) for part in re.findall(r"\d+", self.runc)[:3])
        if not number or number >= SAFE_RUNC:
            return None
        return f"runc {self.runc} may let a build's code out of its container; build only code you trust on this engine"


def engine_facts(url: str) -> EngineFacts:
    """Ask an engine for its versions. Raises Unavailable."""
    with engine_client(url) as client:
        version, info = client.version(), client.info()
    wire = Wire(url)
    buildkit = wire.greeting.buildkit
    wire.api.close()
    parts = {part["Name"]: part["Version"] for part in version.get("Components", ())}
    return EngineFacts(
        version=version["Version"],
        api=version["ApiVersion"],
        storage=info["Driver"],
        builder="BuildKit" if buildkit else "the classic builder",
        runc=parts.get("runc", ""),
    )
