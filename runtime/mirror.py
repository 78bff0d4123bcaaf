"""A project's mirror: a bare repository that holds what was pushed, under names of our own making."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from pipeline.clone_url import local_path, site
from pipeline.errors import StageFailed, Unavailable
from pipeline.names import short
from pipeline.push import HEADS, TAGS
from runtime.files import replace
from runtime.git import Done, run

# What `git check-ref-format` allows, and no more: only such a name is ever put into a refspec.
REF = re.compile(r"refs/(?:heads|tags)/[^\x00-\x20\x7f~^:?*\[\\]{1,1000}")
BROKEN = re.compile(r"\.\.|@\{|//|/\.|/$|\.$|\.lock(?:/|$)")
NO_SUCH_REF = 2
# A repository's own attributes must not decide what is in a build context.
ATTRIBUTES = b"* -export-ignore -export-subst -filter -ident\n"
TRUST = b"[safe]\n\tdirectory = *\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What to bring: a revision on a ref at an address."""

    url: str
    ref: str
    revision: str

    @property
    def here(self) -> str:
        """The ref's name in the mirror: no two names clash, be it by case or because one is the other's directory."""
        return f"refs/slipway/{hashlib.sha256(self.ref.encode()).hexdigest()[:40]}"

    @property
    def what(self) -> str:
        """The ref as people say it."""
        return f"tag {self.ref.removeprefix(TAGS)}" if self.ref.startswith(TAGS) else self.ref.removeprefix(HEADS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Mirror:
    """One bare repository on disk. Whoever changes it holds its lock."""

    path: Path
    seconds: float

    def update(self, wanted: Wanted) -> None:
        """Bring a ref here and make sure that it holds the revision. A mirror that turns out damaged is made anew."""
        check_ref(wanted.ref)
        if not self.path.exists():
            self._clone(wanted)
        else:
            done = self._fetch(self.path, wanted)
            if done.code:
                self._diagnose(wanted, done)
        if self._holds(wanted) is None:
            self._renew(wanted)
            if self._holds(wanted) is None:
                raise Unavailable(f"{site(wanted.url)} gave a repository that cannot be read", code="source_broken")

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

    def _clone(self, wanted: Wanted) -> None:
        """Make the mirror beside its place and put it there only once it is whole."""
        beside = self.path.with_suffix(".new")
        shutil.rmtree(beside, ignore_errors=True)
        beside.parent.mkdir(parents=True, exist_ok=True)
        kind = "sha256" if len(wanted.revision) == 64 else "sha1"
        init = ["init", "--quiet", "--bare", "--template=", f"--object-format={kind}"]
        made = run(init, git_dir=beside, seconds=self.seconds)
        if made.code:
            raise Unavailable(f"no mirror can be made: {made.error}", code="mirror_unavailable")
        (beside / "info").mkdir(exist_ok=True)
        (beside / "info" / "attributes").write_bytes(ATTRIBUTES)
        done = self._fetch(beside, wanted)
        if done.code:
            shutil.rmtree(beside, ignore_errors=True)
            raise self._away(wanted) or _unavailable(wanted, done.error)
        beside.rename(self.path)

    def _fetch(self, git_dir: Path, wanted: Wanted) -> Done:
        options = [
            *("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
            *("--no-auto-maintenance", "--no-show-forced-updates"),
        ]
        refspec = f"+{wanted.ref}:{wanted.here}"
        return self._remote(["fetch", *options, "--end-of-options", wanted.url, refspec], git_dir, wanted)

    def _diagnose(self, wanted: Wanted, done: Done) -> None:
        """Find out, after a fetch that failed, whose fault it was; a damaged mirror is made anew."""
        if fault := self._away(wanted):
            raise fault
        if not self.damaged():
            raise _unavailable(wanted, done.error)
        self._renew(wanted)

    def _away(self, wanted: Wanted) -> StageFailed | Unavailable | None:
        """Ask the host alone: return why the ref cannot be had from it, or None if it is there."""
        ask = ["ls-remote", "--exit-code", "--end-of-options", wanted.url, wanted.ref]
        done = self._remote(ask, Path("/dev/null"), wanted)
        there = {line.split(b"\t")[-1] for line in done.out.splitlines()}
        if done.code == NO_SUCH_REF or (done.code == 0 and wanted.ref.encode() not in there):
            return StageFailed(f"{wanted.what} is no longer there", code="ref_gone")
        return _unavailable(wanted, done.error) if done.code else None

    def _remote(self, arguments: list[str], git_dir: Path, wanted: Wanted) -> Done:
        trusted = _trust(self.path.parent) if local_path(wanted.url) else None
        return run(arguments, git_dir=git_dir, seconds=self.seconds, trusted=trusted)

    def _renew(self, wanted: Wanted) -> None:
        self.drop()
        self._clone(wanted)

    def _holds(self, wanted: Wanted) -> bool | None:
        """Make sure the revision is on the ref, else raise StageFailed; None if the mirror cannot say."""
        if self._tip(wanted) == wanted.revision:
            return True
        ask = ["merge-base", "--is-ancestor", "--end-of-options", wanted.revision, wanted.here]
        code = run(ask, git_dir=self.path, seconds=self.seconds).code
        if code == 0:
            return True
        if code != 1 and self._has(wanted.revision) and self.damaged():
            return None
        raise StageFailed(f"{wanted.what} no longer holds {short(wanted.revision)}", code="ref_gone")

    def _tip(self, wanted: Wanted) -> str:
        try:
            return (self.path / wanted.here).read_text().strip()
        except OSError:
            return ""

    def _has(self, revision: str) -> bool:
        return run(["cat-file", "-e", revision], git_dir=self.path, seconds=self.seconds).code == 0


def check_ref(ref: str) -> None:
    """Raise StageFailed unless `ref` is the name of a branch or a tag."""
    if not REF.fullmatch(ref) or BROKEN.search(ref):
        shown = "".join(char if char.isprintable() else "�" for char in ref[:100])
        raise StageFailed(f"{shown} is not the name of a branch or a tag", code="bad_ref")


def _unavailable(wanted: Wanted, error: str) -> Unavailable:
    return Unavailable(f"{site(wanted.url)} does not give {wanted.what}: {error}", code="source_unavailable")


def _trust(directory: Path) -> Path:
    """Return a git configuration by which a directory's owner, whoever that is, may be another than this process."""
    path = directory / "trust.gitconfig"
    if not path.exists():
        replace(path, TRUST)
    return path
