"""The home directory: made private, and emptied of what Slipway made in it."""

import os
import shutil
import stat
import subprocess
from collections.abc import Collection
from pathlib import Path

from pipeline.errors import Unavailable

# Everything any room of Slipway puts into its home. What a person put there (slipway.env) is not in this list.
MADE = (
    "run",
    "log",
    "redis",
    "registry",
    "engine",
    "git",
    "mirrors",
    "transcripts",
    "artifacts",
    "proxy",
    "dns",
    "demo",
    "chat.jsonl",
    "web.key",
    "secrets.key",
    "slipway.db",
    "slipway.db-wal",
    "slipway.db-shm",
)


def private_folder(path: Path) -> Path:
    """Make a directory that only its owner can enter. Raises Unavailable if somebody else's is in its place."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise Unavailable(f"{path} belongs to somebody else", code="home_not_ours", fix="Set SLIPWAY_HOME elsewhere.")
    path.chmod(0o700)
    return path


def empty_home(home: Path, *others: Path, keep: Collection[str] = ()) -> tuple[str, ...]:
    """Delete what Slipway made in its home, and `others`, and the home if that empties it; return what is left."""
    for path in (*(home / name for name in MADE if name not in keep), *others):
        _unmount_below(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not home.is_dir():
        return ()
    left = tuple(sorted(path.name for path in home.iterdir()))
    if not left:
        home.rmdir()
    return left


def _unmount_below(path: Path) -> None:
    """Unmount what an engine that was killed has left mounted, so that nothing is deleted through a mount."""
    rows = Path("/proc/mounts").read_text().splitlines()
    points = [row.split()[1].encode().decode("unicode_escape") for row in rows]
    for point in sorted((point for point in points if Path(point).is_relative_to(path)), reverse=True):
        done = subprocess.run(["umount", point], capture_output=True, text=True, timeout=10, check=False)
        if done.returncode:
            raise Unavailable(f"{point} is still mounted: {done.stderr.strip()}", code="still_mounted")
