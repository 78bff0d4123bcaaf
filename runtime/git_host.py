"""A git host: what it says its refs are at this moment, and how a command is sent to it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from pipeline.clone_url import site
from pipeline.credentials import SourceForbidden
from pipeline.errors import StageFailed, Unavailable
from pipeline.ports import Tip
from pipeline.push import HEADS, TAGS, is_sha
from runtime.git import OUTPUT_BYTES, Done, Stop, never, run
from runtime.git_shield import Reach

# What `git check-ref-format` allows, and no more: only such a name is ever put into a refspec.
REF = re.compile(r"refs/(?:heads|tags)/[^\x00-\x20\x7f~^:?*\[\\]+|refs/(?:pull|merge-requests)/[1-9][0-9]{0,8}/head")
# As long as webhooks may say it; it is part of keys, and an index of PostgreSQL takes only so many bytes.
LONGEST, LONGEST_BYTES = 512, 2000
BROKEN = re.compile(r"\.\.|@\{|//|/\.|/$|\.$|\.lock(?:/|$)")
NO_SUCH_REF = 2
LISTING_BYTES = 32 * 1024**2
PEELED = "^{}"
SYMREF = re.compile(rb"ref: refs/heads/(?P<branch>\S+)\tHEAD")
REFUSED = re.compile(rb"^!\t[^\t]*\t(?P<why>.*)$", re.MULTILINE)
NOWHERE = Path("/dev/null")
# git has one exit code for every fault; that a host wants another token, or one at all, only these lines of it say.
SHUT = re.compile(
    r"fatal: (?:Authentication failed for|could not read (?:Username|Password) for) '"
    r"|fatal: unable to access '.*: The requested URL returned error: 40[13]$"
)
Fault = StageFailed | Unavailable | SourceForbidden

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True, slots=True)
class Host:
    """Whoever answers at an address, asked for a project, until `stop` says that nobody wants to know any more."""

    project: str
    url: str
    reach: Reach
    seconds: float
    stop: Stop = never

    def send(self, arguments: Sequence[str], *, git_dir: Path = NOWHERE, most: int = OUTPUT_BYTES) -> Done:
        """Run a git command that speaks to the host."""
        return run(arguments, git_dir=git_dir, seconds=self.seconds, reach=self.reach, most=most, stop=self.stop)

    def tips(self) -> dict[str, Tip]:
        """Return every branch and tag by its full name. Raises Unavailable."""
        done = self.send(["ls-remote", "--heads", "--tags", "--end-of-options", self.url], most=LISTING_BYTES)
        if done.code:
            raise self.silent("a list of its refs", done)
        return _tips(self.project, done.out)

    def tip(self, ref: str) -> str:
        """Return the object a ref is. Raises StageFailed if it is gone, or Unavailable."""
        fault, done = self._ask(ref)
        if fault:
            raise fault
        return dict(_lines(done.out))[ref]

    def away(self, ref: str) -> Fault | None:
        """Return why a ref cannot be had from the host, or None if it is there."""
        return self._ask(ref)[0]

    def push(self, refspec: str, *, git_dir: Path) -> None:
        """Give the host a ref; what it has already is fine, and nothing it has is moved. Raises Unavailable."""
        done = self.send(["push", "--porcelain", "--no-verify", "--end-of-options", self.url, refspec], git_dir=git_dir)
        if not done.code:
            return
        refused = REFUSED.search(done.out)
        if refused:
            why = said_plainly(refused["why"].decode("utf-8", "replace"))
            raise Unavailable(
                f"{site(self.url)} does not take {said(refspec.partition(':')[2])}: {why}", code="tag_refused"
            )
        raise self.silent("leave to push", done)

    def default_branch(self) -> str | None:
        """Return the branch that HEAD is, if the host says. Raises Unavailable."""
        done = self.send(["ls-remote", "--symref", "--end-of-options", self.url, "HEAD"], most=LISTING_BYTES)
        if done.code:
            raise self.silent("its default branch", done)
        found = SYMREF.search(done.out)
        branch = found["branch"].decode("utf-8", "replace") if found else None
        return branch if branch and is_ref(HEADS + branch) else None

    def silent(self, what: str, done: Done) -> Unavailable | SourceForbidden:
        """Return the fault of a command that the host did not answer well."""
        if SHUT.match(done.error):
            return self._shut()
        return Unavailable(f"{site(self.url)} does not give {what}: {done.error}", code="source_unavailable")

    def _shut(self) -> SourceForbidden:
        name = self.project or "NAME"
        if self.reach.credentials is None:
            return SourceForbidden(f"{site(self.url)} wants a token: give it one with ./slipway project token {name}")
        return SourceForbidden(
            f"{site(self.url)} refuses the token of {name}: set another with ./slipway project token {name}"
        )

    def _ask(self, ref: str) -> tuple[Fault | None, Done]:
        done = self.send(["ls-remote", "--exit-code", "--end-of-options", self.url, ref])
        if done.code == NO_SUCH_REF or (done.code == 0 and ref not in dict(_lines(done.out))):
            return StageFailed(f"{said(ref)} is no longer there", code="ref_gone"), done
        return self.silent(said(ref), done) if done.code else None, done


def said_plainly(text: str) -> str:
    """Return what a host said as it may be shown."""
    return "".join(char if char.isprintable() else "�" for char in text.strip())[:300]


def check_ref(ref: str) -> None:
    """Raise StageFailed unless `ref` is the name of a branch, a tag or a pull request."""
    if not is_ref(ref):
        shown = "".join(char if char.isprintable() else "�" for char in ref[:100])
        raise StageFailed(f"{shown} is not the name of a branch or a tag", code="bad_ref")


def is_ref(text: str) -> bool:
    """Tell whether a text is the full name of a branch, a tag or a pull request, and no longer than Slipway keeps."""
    fits = len(text) <= LONGEST and len(text.encode("utf-8", "replace")) <= LONGEST_BYTES
    return fits and REF.fullmatch(text) is not None and not BROKEN.search(text)


def said(ref: str) -> str:
    """Return a ref as people say it."""
    return f"tag {ref.removeprefix(TAGS)}" if ref.startswith(TAGS) else ref.removeprefix(HEADS)


def _tips(project: str, listing: bytes) -> dict[str, Tip]:
    """Read a listing: an annotated tag is there twice, as itself and, peeled, as the commit it means."""
    known = dict(_lines(listing))
    refs = {ref: revision for ref, revision in known.items() if not ref.endswith(PEELED) and is_sha(revision)}
    tips = {ref: Tip(revision=refs[ref], commit=known.get(ref + PEELED, refs[ref])) for ref in refs if is_ref(ref)}
    if len(tips) < len(refs):
        log.warning("names_left_out", project=project, count=len(refs) - len(tips))
    return tips


def _lines(listing: bytes) -> Iterator[tuple[str, str]]:
    for line in listing.splitlines():
        revision, tab, ref = line.partition(b"\t")
        try:
            if tab:
                yield ref.decode(), revision.decode("ascii")
        except UnicodeDecodeError:
            continue  # nothing here can hold a name that is not text
