"""Data put into backing services before a test: a file of the commit, read by a command in the service."""

import tarfile
from collections import deque
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pipeline.containers import Limits
from pipeline.errors import StageFailed
from pipeline.pieces import led
from pipeline.ports import Execution
from workers.copies import Copy

LAST_LINES = 20
FOLDER = "/slipway"
MOST = 256 * 1024**2


def restore(copy: Copy) -> None:
    """Fill the backing services as the stage says, in that order. Raises StageFailed with a command's last lines."""
    for one in copy.spec.get("restore") or ():
        _restore(copy, one)


def _restore(copy: Copy, one: Mapping[str, Any]) -> None:
    service, file = one["into"], one.get("file")
    container = copy.backing(service)
    content = _given(copy, file) if file else b""
    if file:
        copy.scene.ctx.engine.put(container, f"{FOLDER}/{file}", content)
    copy.write(f"{service}: restoring{f' {file}' if file else ''}")
    tail: deque[str] = deque(maxlen=LAST_LINES)

    def line(text: str) -> None:
        tail.append(text)
        copy.write(led(f"{service} | ", text))

    code = copy.scene.ctx.engine.execute(
        container, one["run"], line, _limits(copy), Execution(stop=copy.stop, stdin=content)
    )
    if code != 0:
        what = f"{service}: restoring{f' {file}' if file else ''} exited with {code}"
        raise StageFailed(what, code="restore_failed", tail=tuple(tail))


def _given(copy: Copy, file: str) -> bytes:
    """Return a file of the commit, which may be a good deal larger than a file of configuration."""
    path = PurePosixPath(file)
    scene = copy.scene
    with (
        scene.ctx.source.archive(scene.project.name, scene.work.revision, str(path.parent)) as stream,
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        for member in tar:
            if member.name == path.name and member.isreg():
                return _content(tar, member, file)
    raise StageFailed(f"there is no {file} in this commit to restore from", code="no_file")


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo, file: str) -> bytes:
    if member.size > MOST:
        what = f"{file} is larger than the {MOST / 1024**2:.0f} MiB that a restore may read from a commit"
        raise StageFailed(f"{what}; put it into the service's image", code="too_large")
    opened = tar.extractfile(member)
    return opened.read() if opened else b""


def _limits(copy: Copy) -> Limits:
    """A restore may be silent for as long as it may take: a database says nothing while it reads."""
    return Limits(seconds=copy.limits.seconds, silence=copy.limits.seconds)
