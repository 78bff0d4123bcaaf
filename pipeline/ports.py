"""What Slipway needs of the outside, in its own words; `runtime/` and `notify/` answer, tests may answer otherwise."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Interface
from typing import Any, BinaryIO, Protocol

from pipeline.containers import ContainerSpec, ContainerState, Limits
from pipeline.credentials import Credentials
from pipeline.images import ImageSpec
from pipeline.leftovers import Owned
from pipeline.registries import Registry as RegistryAddress
from pipeline.routes import Routes

Line = Callable[[str], None]
Stop = Callable[[], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """What git says of a commit."""

    revision: str
    author: str
    email: str
    message: str
    committed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Tip:
    """What a ref is on its host: the object itself, and the commit it means; of an annotated tag these are two."""

    revision: str
    commit: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFacts:
    """What an image says of itself: its lowest exposed TCP port, if it exposes one, and its size in bytes."""

    id: str
    port: int | None
    size: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatMessage:
    """A message as it is drawn: plain text for search and screen readers, and Slack's blocks.

    `key` is the same for the same live message; `everyone` makes the answer to a command seen by the whole channel.
    """

    channel: str
    text: str
    blocks: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    thread_ts: str | None = None
    key: str = ""
    everyone: bool = False


class Source(Protocol):
    """A project's repository, mirrored.

    Whatever asks the host raises SourceForbidden if that does not let us in with these credentials, or without any.
    """

    def fetch(self, project: str, url: str, ref: str, revision: str, *, credentials: Credentials | None = None) -> None:
        """Bring `ref` into the mirror. Raises StageFailed if the ref is gone or no longer holds the revision."""

    def tip(self, project: str, url: str, ref: str, *, credentials: Credentials | None = None) -> str:
        """Bring `ref` into the mirror and return the object it is at this moment. Raises StageFailed if it is gone."""

    def find(self, project: str, url: str, ref: str, prefix: str, *, credentials: Credentials | None = None) -> str:
        """Bring `ref` into the mirror and return the one commit on it that begins with these digits, or nothing."""

    def tips(self, project: str, url: str, *, credentials: Credentials | None = None) -> Mapping[str, Tip]:
        """Ask the host for every branch and tag, by full name; nothing is brought here. Raises Unavailable."""

    def push_tag(
        self, project: str, url: str, revision: str, name: str, *, credentials: Credentials | None = None
    ) -> None:
        """Give a commit a tag at its host; one that is there already is fine. Raises Unavailable if it is not taken."""

    def holds(self, project: str, ref: str, revision: str) -> bool:
        """Tell whether a revision is on `ref` as it was last brought here."""

    def descends(self, project: str, revision: str, ancestor: str) -> bool:
        """Tell whether a mirrored commit comes after another, or is it; False if either is not in the mirror."""

    def changed(self, project: str, before: str, after: str) -> Sequence[str] | None:
        """Return the paths in which two mirrored commits differ, both names of a renamed file; None if unknown.

        Unknown is also a difference of more than 10,000 paths, and one with something that is not a mirrored commit.
        """

    def commit(self, project: str, revision: str) -> Commit:
        """Return what git says of a commit, or of the one a tag object names."""

    def files(self, project: str, revision: str, paths: Iterable[str]) -> Mapping[str, bytes]:
        """Return those of the paths that are regular files of the commit. Raises StageFailed as `read` does."""

    def read(self, project: str, revision: str, path: str) -> bytes | None:
        """Return a regular file of the commit, or None. Raises StageFailed for a symbolic link or a huge file."""

    def tidy(self) -> None:
        """Take away what fetches that died have left half-made."""

    def archive(self, project: str, revision: str, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a tar stream of the commit's tree under `path`; `.` is all of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """What a command in a running container reads, and when it is given up."""

    stop: Callable[[], bool]
    stdin: bytes = b""


class Produced(Protocol):
    """What a container that has ended left behind."""

    def read(self, path: str) -> AbstractContextManager[BinaryIO]:
        """Open a tar stream of a directory's content. Raises StageFailed if there is none."""


class Engine(Protocol):
    """A container engine. Everything made carries this home's label; nothing else is ever touched."""

    def builder(self) -> str:
        """Return `buildkit` or `classic`: what builds here will use."""

    def build(self, spec: ImageSpec, context: BinaryIO, line: Line, limits: Limits, stop: Callable[[], bool]) -> str:
        """Build and tag an image, give each line of output to `line`, return its id. Raises StageFailed, Cancelled."""

    def push(self, reference: str, line: Line) -> str:
        """Push a tagged image and return the digest the registry knows it by."""

    def tag(self, image: str, reference: str) -> None:
        """Give an image another reference."""

    def image(self, reference: str, *, as_anybody: bool = False) -> ImageFacts | None:
        """Return what an image says of itself, pulling it if only the registry has it; None if nobody has it.

        `as_anybody` it is pulled without a name at the registry.
        """

    def start(self, spec: ContainerSpec) -> ContainerState:
        """Start a container, or adopt the one of that name that is there. Raises StageFailed if it cannot start."""

    def run(
        self,
        spec: ContainerSpec,
        line: Line,
        limits: Limits,
        stop: Callable[[], bool],
        *,
        ended: Callable[[], None] = lambda: None,
    ) -> int:
        """Run a container to its end, stream its output, return its exit code; it is removed whatever happens.

        `ended` is called once it has stopped, however it did, while its files are still there.
        """

    def execute(self, name: str, command: Sequence[str], line: Line, limits: Limits, work: Execution) -> int:
        """Run a command in a running container and return its exit code. Raises StageFailed, Cancelled."""

    def put(self, name: str, path: str, data: bytes) -> None:
        """Put a file into a container under an absolute path, whose folders are made."""

    def files(self, name: str, path: str) -> AbstractContextManager[BinaryIO | None]:
        """Open a tar stream of a file or folder of a stopped container; None if there is nothing of that path."""

    def produce(
        self, spec: ContainerSpec, given: BinaryIO, line: Line, limits: Limits, stop: Callable[[], bool]
    ) -> AbstractContextManager["Produced"]:
        """Run a container to its end with a tar stream unpacked in its working directory.

        Inside the block what it left can be read. Raises StageFailed if it failed; it is removed whatever happens.
        """

    def look(self, name: str) -> ContainerState | None:
        """Return a container as it is, or None."""

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        """Return the last lines a container has written; none if it is not there."""

    def remove(self, name: str, *, grace: int) -> None:
        """Stop a container, waiting `grace` seconds before the kill, and remove it; not being there is fine."""

    def network(self, name: str, labels: Mapping[str, str], *, containers: int = 60) -> str:
        """Return the network of that name, making it on a free subnet for so many containers if need be."""

    def network_alone(self) -> str | None:
        """Return a network on which no container can reach another, or None if this engine does not keep them apart."""

    def gateway(self, network: str) -> IPv4Interface:
        """Return the address by which a network's containers reach the engine's machine, and the network's subnet."""

    def holder_image(self) -> str:
        """Return an image whose container can hold a network name space and look at its ports; made if need be."""

    def containers(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        """Return the containers of this home that carry these labels too, running or not."""

    def remove_network(self, name: str) -> None:
        """Remove a network; not being there is fine."""

    def inventory(self) -> tuple[Owned, ...]:
        """Return every container, network and volume of this home, whoever made it."""

    def discard(self, owned: Owned) -> bool:
        """Take such a thing away; False if something that is not ours still uses it. Not being there is fine."""


class Registry(Protocol):
    """Where images are kept."""

    def digest(self, repository: str, tag: str) -> str | None:
        """Return the digest of a tag or of itself, or None if the registry does not have it."""

    def tag(self, repository: str, digest: str, tags: Iterable[str]) -> None:
        """Give an image that is there more tags. Raises Unavailable."""

    def check_push(self, repository: str) -> None:
        """Raise RegistryForbidden if we may put nothing into a repository, Unavailable if nobody can."""


class Copies(Protocol):
    """What takes images from our registry to others."""

    def copy(self, name: str, digest: str, target: RegistryAddress, *, tag: str, line: Line, stop: Stop) -> str:
        """Copy an image byte for byte and return its name there. Raises StageFailed if ours does not have it."""


class Proxy(Protocol):
    """What sends requests to containers by name."""

    def apply(self, read: Callable[[], Routes]) -> None:
        """Make the proxy's file and its running state what `read` returns, asked once nobody else is applying."""

    def sessions(self, route: int, server: str) -> int:
        """Return how many requests a server is still answering; 0 if it is not known, 1 if the proxy does not say."""


class Names(Protocol):
    """What answers for names."""

    def apply(self, read: Callable[[], Routes]) -> None:
        """Publish the names of the routes that `read` returns and no others; asked once nobody else is applying."""


class Probe(Protocol):
    """One look at a container from outside."""

    def __call__(self, address: str, port: int, path: str | None, timeout: float) -> str | None:
        """Return None if it answers well, else a sentence about what it answered instead."""


class Chat(Protocol):
    """Where people read and are answered."""

    @property
    def pause(self) -> float:
        """How many seconds to leave between two drawings of one message."""

    def post(self, message: ChatMessage) -> str:
        """Post a message and return its timestamp, by which it is known."""

    def update(self, ts: str, message: ChatMessage) -> str:
        """Redraw a message and return its timestamp, a new one if it had to be posted anew."""

    def reply(self, url: str, message: ChatMessage) -> None:
        """Answer a command privately at the address that came with it; no address, no answer."""


class Transcript(Protocol):
    """What one stage has written."""

    def hide(self, secrets: Iterable[str]) -> None:
        """Let none of these be seen in what is written from now on."""

    def masked(self, text: str, most: int | None = None) -> str:
        """Return a text as it may be shown, at most so many characters of it: without what is hidden."""

    def masked_lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        """Return lines as they may be shown, pieces of one line not each by itself."""

    def write(self, line: str) -> None:
        """Append one line."""

    def close(self) -> None:
        """Say that no more will come."""


class Transcripts(Protocol):
    """Where transcripts are kept."""

    def open(self, run: int, stage: str, attempt: int) -> Transcript:
        """Open a stage's transcript for another attempt, after what the attempts before it wrote."""

    def tail(self, run: int, stage: str, lines: int) -> tuple[str, ...]:
        """Return the last lines of a stage's transcript."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PutAway:
    """A file that is kept, by its SHA-256."""

    digest: str
    size: int


class Artifacts(Protocol):
    """Where the files are kept that stages leave behind."""

    def keep(self, run: int, stage: str, content: BinaryIO) -> PutAway:
        """Put a file away and return its digest and size. Raises Unavailable if the disk is full."""


class Door(Protocol):
    """What lets containers reach the proxy."""

    def open(self, gateway: IPv4Interface) -> AbstractContextManager[int]:
        """Let a network's containers, nobody else, reach applications by their gateway, at the port that this gives."""
