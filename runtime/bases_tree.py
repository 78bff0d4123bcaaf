"""A file tree for an image, gathered from this machine: programs, the libraries they load, and a few files of /etc."""

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import Unavailable

SECONDS = 30
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
TEXTS = {
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n",
    "/etc/group": "root:x:0:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
FOLDERS = {"/root": 0o700, "/tmp": 0o1777, "/var/tmp": 0o1777, "/run": 0o755}  # noqa: S108 - inside an image


class Tree:
    """Files, links and folders by their path in the image; what /bin and /lib lead to here, they lead to there."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.links: dict[str, str] = {}
        for top in ("bin", "sbin", "lib", "lib64"):
            if (path := Path("/", top)).is_symlink():
                self.links[str(path)] = str(path.readlink())

    def add(self, path: Path) -> None:
        """Add a file at its own path; a link with what it leads to."""
        at = _place(path)
        if at in self.files or at in self.links:
            return
        if path.is_symlink():
            self.links[at] = str(path.readlink())
            self.add(path.parent / path.readlink())
        elif path.is_file():
            self.files[at] = path

    def add_folder(self, folder: Path, without: frozenset[str] = frozenset()) -> None:
        """Add a folder's files, except what lies in a folder of one of these names."""
        for root, folders, names in os.walk(folder):
            folders[:] = [name for name in folders if name not in without]
            for name in names:
                self.add(Path(root, name))

    def add_libraries(self) -> None:
        """Add what the programs and modules of the tree load."""
        binaries = [str(path) for path in self.files.values() if os.access(path, os.X_OK) or path.suffix == ".so"]
        for library in _libraries(binaries):
            self.add(Path(library))

    def add_busybox(self, busybox: Path) -> None:
        """Add a static busybox and a link for each of its applets that is not there as a program of its own."""
        self.files[_place(Path("/bin/busybox"))] = busybox
        listing = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, timeout=SECONDS, check=True)
        for applet in listing.stdout.split():
            at = _place(Path("/", applet))
            if at not in self.files:
                self.links.setdefault(at, "/bin/busybox")

    def digest(self) -> str:
        """Return what changes whenever the tree would: paths, sizes, times and links, not contents."""
        facts = [f"{at} {_facts(path)}" for at, path in self.files.items()]
        facts += [f"{at} > {target}" for at, target in self.links.items()]
        bundle = _facts(CA_BUNDLE) if CA_BUNDLE.is_file() else ""
        lines = [*sorted(facts), str(TEXTS), str(FOLDERS), bundle]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def write(self, file: BinaryIO) -> None:
        """Write the tree as a tar archive that belongs to root."""
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for at, mode in FOLDERS.items():
                archive.addfile(_member(at, tarfile.DIRTYPE, mode=mode))
            for at, target in sorted(self.links.items()):
                archive.addfile(_member(at, tarfile.SYMTYPE, target=target))
            for at, path in sorted(self.files.items()):
                _add_file(archive, at, path)
            for at, text in TEXTS.items():
                archive.addfile(_member(at, size=len(text.encode())), io.BytesIO(text.encode()))
            if CA_BUNDLE.is_file():
                _add_file(archive, str(CA_BUNDLE), CA_BUNDLE)
                archive.addfile(_member("/usr/lib/ssl/cert.pem", tarfile.SYMTYPE, target=str(CA_BUNDLE)))


def _place(path: Path) -> str:
    """Return where a path really is, its last part left alone: /lib/x is /usr/lib/x on a merged system."""
    return str(Path(os.path.realpath(path.parent), path.name))


def _libraries(binaries: Iterable[str]) -> Iterator[str]:
    """Return the shared libraries that the loader would load for these files."""
    found = subprocess.run(["ldd", *binaries], capture_output=True, text=True, timeout=SECONDS, check=False)
    for line in found.stdout.splitlines():
        if line.endswith("not found"):
            raise Unavailable(f"a library is missing on this machine: {line.strip()}", code="base_incomplete")
        name, _, target = line.strip().partition(" => ")
        path = (target or name).split(" ")[0]
        if line.startswith("\t") and path.startswith("/"):
            yield path


def _facts(path: Path) -> str:
    facts = path.stat()
    return f"{facts.st_size} {facts.st_mtime_ns} {facts.st_mode}"


def _add_file(archive: tarfile.TarFile, at: str, path: Path) -> None:
    facts = path.stat()
    with path.open("rb") as content:
        member = _member(at, mode=stat.S_IMODE(facts.st_mode), size=facts.st_size)
        # Compiled Python modules are only used while the time of their source is the one they remember.
        member.mtime = int(facts.st_mtime)
        archive.addfile(member, content)


def _member(
    at: str, kind: bytes = tarfile.REGTYPE, *, mode: int = 0o644, size: int = 0, target: str = ""
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(at.lstrip("/"))
    member.type, member.mode, member.size, member.linkname = kind, mode, size, target
    return member
