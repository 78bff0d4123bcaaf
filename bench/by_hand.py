"""The floor: what a person would type for one commit, with git and docker and nothing else."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.pushes import COMMAND, DOCKERFILE, Pushes, Repository

SHELL = """set -e
git -C "$MIRROR" fetch -q origin "+refs/heads/*:refs/heads/*"
git -C "$MIRROR" archive "$REVISION" | "$DOCKER" build -q -t "$IMAGE" - > /dev/null
"$DOCKER" push -q "$IMAGE" > /dev/null
"""

BUILDKIT = {"DOCKER_BUILDKIT": "1"}
# From here on the client does not build with BuildKit without a plugin.
NEEDS_PLUGIN = 23


class Hand:
    """Somebody with a mirror and a shell, pushing to the system's own registry."""

    def __init__(self, pushes: Pushes, name: str) -> None:
        self._repository = Repository(pushes.folder / name)
        self._repository.write({"Dockerfile": DOCKERFILE, "page": "first\n"})
        self._mirror = pushes.folder / name / "mirror.git"
        self._image = f"{pushes.where['registry']}/{name}/web"
        self._last = ""
        self._docker = docker()
        argv = ["git", "clone", "-q", "--mirror", str(self._repository.bare), str(self._mirror)]
        subprocess.run(argv, check=True, stderr=subprocess.DEVNULL)

    def carry(self, text: str | None, branch: str = "main") -> float:
        """Fetch, build, publish and test a new commit; return the seconds it took."""
        return self.carry_on(self._repository.push(text, branch))

    def commit(self, text: str, branch: str) -> str:
        """Make a commit that waits to be carried on."""
        return self._repository.push(text, branch)

    def carry_on(self, revision: str) -> float:
        """Fetch, build, publish and test a commit; return the seconds it took."""
        began = time.monotonic()
        image = f"{self._image}:{revision}"
        words = {"MIRROR": str(self._mirror), "REVISION": revision, "IMAGE": image, "DOCKER": self._docker}
        subprocess.run(["sh", "-c", SHELL], env=os.environ | words | BUILDKIT, check=True)
        self._last = image
        self.test()
        return time.monotonic() - began

    def test(self) -> float:
        """Run one test in a container of the last image; return the seconds it took."""
        began = time.monotonic()
        argv = [self._docker, "run", "--rm", "--init", "--network", "none", self._last, "sh", "-c", COMMAND]
        subprocess.run(argv, check=True)
        return time.monotonic() - began


def docker() -> str:
    """Return the first docker client here that builds with BuildKit."""
    folders = [Path(folder) / "docker" for folder in os.environ["PATH"].split(os.pathsep)]
    for client in (str(path) for path in folders if os.access(path, os.X_OK)):
        version = subprocess.run([client, "--version"], stdout=subprocess.PIPE, check=True, text=True).stdout
        plugin = subprocess.run([client, "buildx", "version"], capture_output=True, check=False)
        if plugin.returncode == 0 or int(version.split()[2].partition(".")[0]) < NEEDS_PLUGIN:
            return client
    raise SystemExit("no docker client here builds with BuildKit")


def carry_all(hand: Hand, branches: list[str], hands: int) -> float:
    """Carry a commit of each branch on, so many at a time; return the seconds until all are done."""
    revisions = [hand.commit(f"{branch}\n", branch) for branch in branches]
    began = time.monotonic()
    with ThreadPoolExecutor(hands) as pool:
        list(pool.map(hand.carry_on, revisions))
    return time.monotonic() - began
