"""Fakes of the outside: stateful, and refusing what the real thing would refuse."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any, BinaryIO, cast

from pipeline.containers import ContainerSpec, ContainerState, Limits
from pipeline.images import ImageSpec
from pipeline.leftovers import Owned, Thing
from pipeline.ports import ChatMessage, Execution, ImageFacts, Line
from pipeline.retention import Stored
from pipeline.routes import Routes
from runtime.haproxy_file import Picture, check
from store.session import Database
from workers.context import Context


class Engine:
    """An engine in memory. `faults` are raised one after the other by `start`; `looking` is called by `containers`."""

    def __init__(self) -> None:
        self.there: dict[str, ContainerState] = {}
        self.started: list[ContainerSpec] = []
        self.removed: list[str] = []
        self.tags: dict[str, str] = {}
        self.things: list[Owned] = []
        self.faults: list[Exception] = []
        self.looking: Callable[[], None] = lambda: None

    def builder(self) -> str:
        return "buildkit"

    def build(self, spec: ImageSpec, context: Any, line: Line, limits: Limits, stop: Callable[[], bool]) -> str:
        raise AssertionError("nothing is built in these tests")

    def push(self, reference: str, line: Line) -> str:
        if reference not in self.tags:
            raise AssertionError(f"{reference} was never tagged")
        return "sha256:" + "0" * 64

    def tag(self, image: str, reference: str) -> None:
        self.tags[reference] = image

    def image(self, reference: str, *, as_anybody: bool = False) -> ImageFacts | None:
        return ImageFacts(id=reference, port=8080, size=1)

    def start(self, spec: ContainerSpec) -> ContainerState:
        if self.faults:
            raise self.faults.pop(0)
        if spec.name not in self.there:
            self.started.append(spec)
            number = len(self.started)
            self.there[spec.name] = ContainerState(
                id=str(number),
                name=spec.name,
                running=True,
                exit_code=None,
                address=f"10.0.0.{number}",
                labels=dict(spec.labels),
            )
        return self.there[spec.name]

    def run(self, spec: ContainerSpec, *_how: Any, ended: Callable[[], None] = lambda: None) -> int:
        ended()
        return 0

    def execute(self, name: str, command: Sequence[str], line: Line, limits: Limits, work: Execution) -> int:
        if name not in self.there:
            raise AssertionError(f"{name} was never started")
        return 0

    def put(self, name: str, path: str, data: bytes) -> None:
        if name not in self.there:
            raise AssertionError(f"{name} was never started")

    @contextmanager
    def files(self, name: str, path: str) -> Iterator[BinaryIO | None]:
        yield None

    def produce(self, spec: ContainerSpec, given: Any, line: Line, limits: Limits, stop: Callable[[], bool]) -> Any:
        raise AssertionError("nothing is produced in these tests")

    def look(self, name: str) -> ContainerState | None:
        return self.there.get(name)

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        return ()

    def remove(self, name: str, *, grace: int) -> None:
        if self.there.pop(name, None):
            self.removed.append(name)

    def network(self, name: str, labels: Mapping[str, str], *, containers: int = 60) -> str:
        return name

    def network_alone(self) -> str | None:
        return None

    def gateway(self, network: str) -> IPv4Interface:
        return IPv4Interface("10.0.0.254/24")

    def holder_image(self) -> str:
        return "holder"

    def containers(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        self.looking()
        return tuple(one for one in self.there.values() if labels.items() <= one.labels.items())

    def remove_network(self, name: str) -> None:
        return None

    def inventory(self) -> tuple[Owned, ...]:
        containers = (
            Owned(kind=Thing.CONTAINER, id=one.id, name=one.name, age=1.0, labels=one.labels)
            for one in self.there.values()
        )
        return (*containers, *self.things)

    def discard(self, owned: Owned) -> bool:
        if owned.kind is Thing.CONTAINER:
            self.remove(owned.name, grace=0)
        else:
            self.things.remove(owned)
        return True


class Proxy:
    """A proxy in memory that refuses the pictures HAProxy's adapter refuses. `faults` are raised by `apply` in turn."""

    def __init__(self) -> None:
        self.picture = Picture()
        self.faults: list[Exception] = []
        self.busy: set[str] = set()

    def apply(self, read: Callable[[], Routes]) -> None:
        if self.faults:
            raise self.faults.pop(0)
        picture = self.picture.showing(read())
        check(picture)
        self.picture = picture

    def sessions(self, route: int, server: str) -> int:
        return 1 if server in self.busy else 0

    @property
    def open(self) -> set[str]:
        """The servers that get new requests."""
        return {one.name for route in self.picture.routes for one in route.servers if one.traffic == "open"}


class Names:
    """A name server that knows nothing."""

    def apply(self, read: Callable[[], Routes]) -> None:
        read()


class Transcripts:
    """Transcripts that nobody reads."""

    def open(self, run: int, stage: str, attempt: int) -> "Transcripts":
        return self

    def tail(self, run: int, stage: str, lines: int) -> tuple[str, ...]:
        return ()

    def hide(self, secrets: Iterable[str]) -> None:
        return None

    def masked(self, text: str, most: int | None = None) -> str:
        return text[:most]

    def masked_lines(self, lines: Iterable[str]) -> tuple[str, ...]:
        return tuple(lines)

    def write(self, line: str) -> None:
        return None

    def close(self) -> None:
        return None


class Storeroom:
    """A storeroom in memory: what the engine has and what the registry has."""

    def __init__(self) -> None:
        self.full: str | None = None
        self.images: list[Stored] = []
        self.there: dict[str, dict[str, str]] = {}
        self.used: set[str] = set()
        self.removed: list[str] = []
        self.forgotten: list[int] = []

    def lack(self) -> str | None:
        return self.full

    def stored(self) -> tuple[Stored, ...]:
        return tuple(self.images)

    def remove(self, reference: str) -> bool:
        if reference in self.used:
            return False
        self.removed.append(reference)
        return True

    def trim_cache(self) -> int:
        return 0

    def tags(self, name: str) -> tuple[str, ...]:
        return tuple(self.there.get(name, {}))

    def remove_tag(self, name: str, tag: str, *, keep: Collection[str]) -> bool:
        digest = self.there[name][tag]
        if digest in keep:
            return False
        self.there[name] = {known: one for known, one in self.there[name].items() if one != digest}
        return True

    def forget(self, run_id: int) -> None:
        self.forgotten.append(run_id)


class Chat:
    """A chat that nobody reads."""

    pause = 0.0

    def post(self, message: ChatMessage) -> str:
        return "1"

    def update(self, ts: str, message: ChatMessage) -> str:
        return ts

    def reply(self, url: str, message: ChatMessage) -> None:
        return None


def context(database: Database, home: Path) -> Context:
    """Return a context whose outside is all in memory; containers are healthy at once."""
    limits = Limits(seconds=9, silence=9)
    nothing = cast(Any, None)
    return Context(
        database=database,
        source=nothing,
        engine=Engine(),
        registry=nothing,
        copies=nothing,
        proxy=Proxy(),
        names=Names(),
        probe=lambda _address, _port, _path, _timeout: None,
        transcripts=Transcripts(),
        artifacts=nothing,
        door=nothing,
        storeroom=Storeroom(),
        chat=Chat(),
        forges=nothing,
        seal=nothing,
        home=home.name,
        registry_address="registry:5000",
        domains=("slipway.test", "slipway.localhost"),
        web_url="http://127.0.0.1:8070",
        proxy_port=8080,
        channel="#deploys",
        version="0",
        build_limits=limits,
        test_limits=limits,
        memory=1024,
    )
