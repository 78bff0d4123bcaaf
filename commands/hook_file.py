"""What an installed hook knows: beside it in the repository, for its owner's eyes only.

It is the one project's secret and an address, and not the database, so that whoever may push can learn no more.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

UNSPECIFIED = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound


@dataclass(frozen=True, kw_only=True, slots=True)
class HookFile:
    """Where Slipway listens, what it calls the project, and what deliveries are signed with."""

    project: str
    secret: str
    host: str
    port: int
    home: str

    @classmethod
    def read(cls, path: Path) -> "HookFile":
        """Return what is written at `path`, with the port that the running system has chosen."""
        known = cls(**json.loads(path.read_text()))
        return cls(**{**asdict(known), **known._chosen()})

    def to_json(self) -> bytes:
        """Return what is to be written."""
        return json.dumps(asdict(self), indent=2).encode() + b"\n"

    def _chosen(self) -> dict[str, int]:
        """Return the port that `slipway up` has chosen, if it can be read from here."""
        try:
            chosen = json.loads((Path(self.home) / "run" / "ports.json").read_text())
            return {"port": int(chosen["web"]["port"])}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
