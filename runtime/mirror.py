"""A project's mirror: a bare repository that holds what was pushed, under names of our own making."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.clone_url import site
from pipeline.errors import StageFailed, Unavailable
from pipeline.names import short
from runtime.git import Done, Flood, run
from runtime.git_host import Host, said

# A repository's own attributes must not decide what is in a build context.
ATTRIBUTES = b"* -export-ignore -export-subst -filter -ident\n"
MOST_PATHS = 10_000
PATHS_BYTES = 8 * 1024**2
DIFF = (
    *("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-textconv", "--no-ext-diff"),
    *("--no-commit-id", "--ignore-submodules=none", "--end-of-options"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """One bare repository on disk. Whoever changes it holds its lock."""

    path: Path
    seconds: float

    def update(self, host: Host, ref: str) -> str:
        """Bring a ref here and return the object it is. A mirror that turns out damaged is made anew."""
        if not self.path.exists():
            self._clone(host, ref)
        else:
            done = self._fetch(self.path, host, ref)
            if done.code:
                self._diagnose(host, ref, done)
        return self.tip(ref)

    def insist(self, host: Host, ref: str, revision: str) -> None:
        """Make sure that a ref brought here holds a revision. Raises StageFailed."""
        held = self.holds(ref, revision)
        if held is None:
            self._renew(host, ref)
            held = self.holds(ref, revision)
        if held is None:
            raise Unavailable(f"{site(host.url)} gave a repository that cannot be read", code="source_broken")
        if not held:
            raise StageFailed(f"{said(ref)} no longer holds {short(revision)}", code="ref_gone")

    def holds(self, ref: str, revision: str) -> bool | None:
        """Tell whether a revision is on a ref as it was brought here; None if the mirror cannot say."""
        return self.tip(ref) == revision or self.descends(here(ref), revision)

    def find(self, ref: str, prefix: str) -> str:
        """Return the one commit on a ref brought here that begins with these digits, or nothing."""
        asked = ["rev-parse", "--verify", "--quiet", f"{prefix}^{{commit}}"]
        done = run(asked, git_dir=self.path, seconds=self.seconds)
        found = done.out.decode().strip()
        return found if not done.code and found.startswith(prefix) and self.holds(ref, found) else ""

    def descends(self, name: str, ancestor: str) -> bool | None:
        """Tell whether an object here comes after another, or is it; None if the mirror cannot say."""
        ask = ["merge-base", "--is-ancestor", "--end-of-options", ancestor, name]
        code = run(ask, git_dir=self.path, seconds=self.seconds).code
        if code in {0, 1}:
            return code == 0
        return None if self._has(ancestor) and self.damaged() else False

    def changed(self, before: str, after: str) -> list[str] | None:
        """Return the paths in which two objects differ; None if there are too many, or one is no commit of here."""
        try:
            done = run([*DIFF, before, after], git_dir=self.path, seconds=self.seconds, most=PATHS_BYTES)
        except Flood:
            return None
        paths = [path.decode("utf-8", "replace") for path in done.out.split(b"\0") if path]
        return None if done.code or len(paths) > MOST_PATHS else paths

    def tip(self, ref: str) -> str:
        """Return the object a ref was when it was last brought here, or nothing."""
        try:
            return (self.path / here(ref)).read_text().strip()
        except OSError:
            return ""

    def damaged(self) -> bool:
        """Tell whether git finds fault with what is on disk."""
        checks = ["fsck", "--no-dangling", "--no-reflogs", "--no-progress"]
        return run(checks, git_dir=self.path, seconds=self.seconds).code != 0

    def drop(self) -> None:
        """Take the mirror away; the next update makes it anew."""
        gone = self.path.with_suffix(".gone")
        shutil.rmtree(gone, ignore_errors=True)
        if self.path.exists():
            self.path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _clone(self, host: Host, ref: str) -> None:
        """Make the mirror beside its place and put it there only once it is whole."""
        kind = "sha256" if len(host.tip(ref)) == 64 else "sha1"
        beside = self.path.with_suffix(".new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.parent.mkdir(parents=True, exist_ok=True)
        init = ["init", "--quiet", "--bare", "--template=", f"--object-format={kind}"]
        made = run(init, git_dir=beside, seconds=self.seconds)
        if made.code:
            raise Unavailable(f"no mirror can be made: {made.error}", code="mirror_unavailable")
        (beside / "info").mkdir(exist_ok=True)
        (beside / "info" / "attributes").write_bytes(ATTRIBUTES)
        done = self._fetch(beside, host, ref)
        if done.code:
            outgrown = _outgrown(beside, host)
            shutil.rmtree(beside, ignore_errors=True)
            raise outgrown or host.away(ref) or host.silent(said(ref), done)
        beside.rename(self.path)

    def _fetch(self, git_dir: Path, host: Host, ref: str) -> Done:
        options = [
            *("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
            *("--no-auto-maintenance", "--no-show-forced-updates"),
        ]
        return host.send(["fetch", *options, "--end-of-options", host.url, f"+{ref}:{here(ref)}"], git_dir=git_dir)

    def _diagnose(self, host: Host, ref: str, done: Done) -> None:
        """Find out, after a fetch that failed, whose fault it was; a damaged mirror is made anew."""
        if fault := _outgrown(self.path, host) or host.away(ref):
            raise fault
        if not self.damaged():
            raise host.silent(said(ref), done)
        self._renew(host, ref)

    def _renew(self, host: Host, ref: str) -> None:
        self.drop()
        self._clone(host, ref)

    def _has(self, revision: str) -> bool:
        return run(["cat-file", "-e", revision], git_dir=self.path, seconds=self.seconds).code == 0


def _outgrown(git_dir: Path, host: Host) -> StageFailed | None:
    """Clear away what a fetch that failed left half-written, and return the fault if that had become too large."""
    left = [path for path in (git_dir / "objects").rglob("tmp_*") if path.is_file()]
    largest = max((path.stat().st_size for path in left), default=0)
    for path in left:
        path.unlink()
    if not largest or largest < host.reach.file_bytes:
        return None
    allowed = f"{host.reach.file_bytes / 1024**2:,.0f} MB that one fetch may bring"
    return StageFailed(
        f"what {site(host.url)} sends is larger than the {allowed}",
        code="too_large",
        fix="Take large files out of the repository's history, or keep them elsewhere.",
    )


def here(ref: str) -> str:
    """Return a ref's name in the mirror: no two clash, be it by case or because one is the other's directory."""
    return f"refs/slipway/{hashlib.sha256(ref.encode()).hexdigest()[:40]}"
