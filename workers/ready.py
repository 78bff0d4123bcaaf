"""When a backing service can be used: a port, an answer, a line it writes, a command, or its image's own word."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.containers import ContainerState, Limits
from pipeline.errors import StageFailed
from pipeline.health import pauses
from pipeline.ports import Execution
from pipeline.spec_service import Ready
from workers.copies import Copy

LAST_LINES = 20
# A service that writes more than this before it is ready has scrolled its own line away.
LINES_READ = 5_000
PROBE_SECONDS = 5.0
# Of the time there is, what one look may take at most; the next may be luckier.
PART = 4
LEAST_SECONDS = 1.0
# How a look ends that says nothing of the service but that it hangs, or is just being stopped.
TOO_LONG, NOT_RUNNING = frozenset({"timeout", "silent"}), "not_running"
DEFAULT_PORT = 80


@dataclass(frozen=True, kw_only=True, slots=True)
class Waited:
    """A service that is waited for, the port its image exposes, and when it was started."""

    name: str
    service: Mapping[str, Any]
    exposed: int | None
    began: float


def wait_ready(copy: Copy, waited: Waited, *, joined: str) -> None:
    """Return once a backing service can be used. Raises StageFailed with its last lines if it never can."""
    ready = Ready.model_validate(waited.service.get("ready") or {})
    for pause in pauses():
        why = _missing(copy, waited, ready, joined)
        took = time.monotonic() - waited.began
        if why is None:
            copy.write(f"{waited.name}: ready after {took:.1f} s")
            return
        if took > ready.within:
            what = f"{waited.name} was not ready within {ready.within:g} s: {why}"
            raise StageFailed(what, code="not_ready", tail=_tail(copy, waited))
        copy.check_stop()
        time.sleep(pause)


def _missing(copy: Copy, waited: Waited, ready: Ready, joined: str) -> str | None:
    """Return what is still missing, or None."""
    state = copy.scene.ctx.engine.look(copy.backing(waited.name))
    if state is None or not state.running:
        how = "was removed" if state is None else f"exited with {state.exit_code}"
        raise StageFailed(f"{waited.name} {how} before it was ready", code="backing_died", tail=_tail(copy, waited))
    if not (ready.port or ready.path or ready.log or ready.run):
        return None if state.health in {"", "healthy"} else f"its image's own health check says {state.health}"
    return (
        _unheard(copy, waited, ready)
        or _unreachable(copy, waited, ready, state, joined)
        or _unwilling(copy, waited, ready)
    )


def _unheard(copy: Copy, waited: Waited, ready: Ready) -> str | None:
    if not ready.log:
        return None
    lines = copy.scene.ctx.engine.tail(copy.backing(waited.name), LINES_READ)
    return None if any(ready.log in line for line in lines) else f"it has not written {ready.log!r}"


def _unreachable(copy: Copy, waited: Waited, ready: Ready, state: ContainerState, joined: str) -> str | None:
    if not (ready.port or ready.path):
        return None
    port = ready.port or waited.service.get("port") or waited.exposed or DEFAULT_PORT
    if joined:
        return _from_inside(copy, joined, port, ready.path)
    return copy.scene.ctx.probe(state.address, port, ready.path, PROBE_SECONDS)


def _from_inside(copy: Copy, holder: str, port: int, path: str | None) -> str | None:
    """Look at a port of the shared localhost from the holder, for a service may listen there alone."""
    asked = f"GET {path or '/'} HTTP/1.0\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode()
    wait = str(int(PROBE_SECONDS))
    command = ("nc", "-w", wait, "127.0.0.1", str(port)) if path else ("nc", "-z", "-w", wait, "127.0.0.1", str(port))
    # With room for an engine that is slow.
    code, lines, why = _try(copy, holder, command, 2 * PROBE_SECONDS, asked if path else b"")
    if why:
        return why
    if code != 0 and not lines:
        return f"nothing listens on port {port} of localhost"
    if path is None:
        return None
    status = lines[0].split(" ")[1:2] if lines else []
    return None if status and status[0][:1] in {"2", "3"} else f"{path} answered {status[0] if status else 'nothing'}"


def _unwilling(copy: Copy, waited: Waited, ready: Ready) -> str | None:
    if not ready.run:
        return None
    left = waited.began + ready.within - time.monotonic()
    seconds = max(LEAST_SECONDS, min(left, max(PROBE_SECONDS, ready.within / PART)))
    code, lines, why = _try(copy, copy.backing(waited.name), ready.run, seconds)
    if why or code == 0:
        return why
    return f"its check exited with {code}{f': {lines[-1]}' if lines else ''}"


def _try(
    copy: Copy, container: str, command: Sequence[str], seconds: float, stdin: bytes = b""
) -> tuple[int, list[str], str | None]:
    """Run a command that looks once; return its exit code and its lines, or why it came to no end."""
    lines: list[str] = []
    limits = Limits(seconds=seconds, silence=seconds)
    try:
        execution = Execution(stop=copy.stop, stdin=stdin)
        return copy.scene.ctx.engine.execute(container, command, lines.append, limits, execution), lines, None
    except StageFailed as fault:
        if fault.code in TOO_LONG:
            return 0, lines, f"its check took longer than {seconds:.3g} s"
        if fault.code == NOT_RUNNING:
            return 0, lines, fault.sentence
        raise


def _tail(copy: Copy, waited: Waited) -> tuple[str, ...]:
    return copy.scene.ctx.engine.tail(copy.backing(waited.name), LAST_LINES)
