"""The engine that `bin/setup` started for a home where none was: known by its pid file, stopped if nobody needs it."""

import signal
from dataclasses import dataclass
from pathlib import Path

from runtime.stack_pid import PROC, send, wait_gone

STOP_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnEngine:
    """A running dockerd whose data is in this home."""

    pid: int
    socket: str


def exec_root(home_id: str) -> Path:
    """Return where a home's own engine keeps its sockets; short, as a socket's path must be."""
    return Path("/run") / f"slipway-engine-{home_id}"


def own_engine(home: Path) -> OwnEngine | None:
    """Return the home's own engine if the process its pid file names really is that; else None."""
    folder = home / "engine"
    try:
        pid = int((folder / "dockerd.pid").read_text())
        argv = (PROC / str(pid) / "cmdline").read_bytes().decode().split("\0")
    except (OSError, ValueError):
        return None
    options = dict(word.removeprefix("--").partition("=")[::2] for word in argv if word.startswith("--"))
    ours = Path(argv[0]).name == "dockerd" and options.get("data-root") == str(folder / "data")
    return OwnEngine(pid=pid, socket=options.get("host", "")) if ours else None


def stop_engine(engine: OwnEngine) -> bool:
    """Stop an engine in order; False if it still runs after STOP_SECONDS (it is not killed: it holds mounts)."""
    send(engine.pid, signal.SIGTERM)
    return not wait_gone([engine.pid], seconds=STOP_SECONDS)
