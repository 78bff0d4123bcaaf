"""What a copy's container leaves behind, taken out of it once it has stopped: reports to be read, files to be kept."""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import BinaryIO, cast

from pipeline.coverage import Coverage, parse_coverage
from pipeline.errors import Rejected
from pipeline.junit import MOST_CASES, Case, merge, parse
from pipeline.left_behind import Use, Wanted, path_of, too_wide, wanted
from store.artifacts import Kept
from workers.copies import Copy

# A report beyond this is no report; and no container has so much to say that reading on would be worth it.
REPORT_BYTES = 16 * 1024**2
REPORTS = 500
ALL_REPORTS_BYTES = 64 * 1024**2
MEMBERS = 50_000
STREAM_BYTES = 2 * 1024**3


@dataclass(slots=True)
class Found:
    """What was found so far, and what is to be said of it."""

    cases: list[Case] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)
    kept: list[Kept] = field(default_factory=list)
    reports: int = 0
    reports_bytes: int = 0
    left_out: int = 0
    warnings: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many bytes are kept."""
        return sum(one.size for one in self.kept)


@dataclass(slots=True)
class Harvest:
    """Goes through a container's files; `bytes_left` and `files_left` are what may still be kept of them."""

    copy: Copy
    bytes_left: int
    files_left: int
    found: Found = field(default_factory=Found)

    def gather(self) -> None:
        """Take everything the stage asks for. Raises Unavailable if the engine or the disk does not let us."""
        asked = wanted(self.copy.spec.get("reports"))
        if too_wide(asked.roots):
            self.found.warnings.append("reports name the whole of the container; give them a folder, as /reports/*.xml")
            return
        for root in asked.roots:
            with self.copy.scene.ctx.engine.files(self.copy.name, root) as stream:
                if stream is not None:
                    self._read(stream, root, asked)
        self._conclude(asked)

    def _read(self, stream: BinaryIO, root: str, asked: Wanted) -> None:
        try:
            with tarfile.open(fileobj=cast(BinaryIO, _Bounded(stream)), mode="r|") as tar:
                for member, path in _files(tar, root):
                    self._take(member, path, asked.uses(path), partial(_opened, tar, member))
        except (Rejected, tarfile.TarError, OverflowError, ValueError) as fault:
            self.found.warnings.append(f"{root} was read only in part: {fault}")

    def _take(self, member: tarfile.TarInfo, path: str, uses: frozenset[Use], content: Callable[[], BinaryIO]) -> None:
        if uses & {Use.JUNIT, Use.COVERAGE} and self._is_report(member, path):
            data = content().read()
            self._parse(path, data, uses)
            if Use.FILES in uses:
                self._keep(member, path, lambda: BytesIO(data))
        elif Use.FILES in uses:
            self._keep(member, path, content)

    def _is_report(self, member: tarfile.TarInfo, path: str) -> bool:
        found = self.found
        found.reports += 1
        few = found.reports <= REPORTS and found.reports_bytes + member.size <= ALL_REPORTS_BYTES
        if member.size <= REPORT_BYTES and few:
            found.reports_bytes += member.size
            return True
        limit = f"larger than {REPORT_BYTES // 1024**2} MiB" if member.size > REPORT_BYTES else "one report too many"
        self.found.warnings.append(f"{path} was not read: it is {limit}")
        return False

    def _parse(self, path: str, data: bytes, uses: frozenset[Use]) -> None:
        try:
            if Use.JUNIT in uses:
                self._count(parse(data))
            if Use.COVERAGE in uses:
                self.found.coverage += parse_coverage(data)
        except Rejected as fault:
            self.found.warnings.append(f"{path} cannot be read: {fault.sentence}")

    def _count(self, cases: tuple[Case, ...]) -> None:
        if len(self.found.cases) + len(cases) > MOST_CASES:
            raise Rejected(f"with it there would be more than {MOST_CASES:,} tests", code="bad_report")
        # A parameter may well be in a test's name, and a secret in that.
        self.found.cases += [case.shown(self.copy.scene.transcript.masked) for case in cases]

    def _keep(self, member: tarfile.TarInfo, path: str, content: Callable[[], BinaryIO]) -> None:
        if member.size > self.bytes_left or self.files_left <= 0:
            self.found.left_out += 1
            return
        scene = self.copy.scene
        put = scene.ctx.artifacts.keep(scene.work.run_id, scene.work.stage.name, content())
        self.bytes_left -= put.size
        self.files_left -= 1
        self.found.kept.append(Kept(path=f"{self.copy.folder}{path.lstrip('/')}", size=put.size, digest=put.digest))

    def _conclude(self, asked: Wanted) -> None:
        """Settle what was said of the same test in several reports, and say what was promised and is not there."""
        found = self.found
        found.cases = list(merge(found.cases))
        if asked.patterns[Use.JUNIT] and not found.reports:
            found.warnings.append(f"there is no report at {', '.join(asked.patterns[Use.JUNIT])}")
        if found.left_out:
            limits = self.copy.scene.ctx.tests
            most = f"{limits.artifact_bytes / 1024**2:g} MiB and {limits.artifact_count} files a stage"
            found.warnings.append(f"{found.left_out} files were not kept: beyond {most}")


def _files(tar: tarfile.TarFile, root: str) -> Iterator[tuple[tarfile.TarInfo, str]]:
    """Yield the regular files of an archive with their paths in the container: no link, no device, nothing outside."""
    for number, member in enumerate(tar):
        if number >= MEMBERS:
            raise Rejected(f"there are more than {MEMBERS:,} files", code="too_many")
        path = path_of(root, member.name) if member.isreg() else None
        # What the archive remembers of its members would grow with them.
        tar.members = []  # type: ignore[attr-defined]
        if path is not None:
            yield member, path


def _opened(tar: tarfile.TarFile, member: tarfile.TarInfo) -> BinaryIO:
    return cast(BinaryIO, tar.extractfile(member))


class _Bounded:
    """A stream of which at most so much is read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = STREAM_BYTES

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise Rejected(f"there are more than {STREAM_BYTES // 1024**3} GiB", code="too_large")
        return data
