"""What every handler is given: the ports, and the few plain facts of this home."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.containers import Limits
from pipeline.forge_ports import Forges
from pipeline.ports import Artifacts, Chat, Copies, Door, Engine, Names, Probe, Proxy, Registry, Source, Transcripts
from pipeline.registries import Registry as Address
from pipeline.storeroom import Storeroom
from store.sealing import Seal
from store.session import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Builds:
    """What holds for every build: how many at a time, and what reaches it without being in the image."""

    parallel: int = 2
    ca_bundle: str = ""
    proxies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tests:
    """What holds for every stage that runs containers: shards at once, and how much of their files is kept."""

    shards_at_once: int = 2
    artifact_bytes: int = 100 * 1024**2
    artifact_count: int = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Ports and facts; `stopping` is set when the job at hand must end because somebody cancelled it.

    `stop_seconds` is how long a stage may take to do so. `leaving` is set when nothing is to follow the job at hand.
    """

    database: Database
    source: Source
    engine: Engine
    registry: Registry
    copies: Copies
    proxy: Proxy
    names: Names
    probe: Probe
    transcripts: Transcripts
    artifacts: Artifacts
    door: Door
    storeroom: Storeroom
    chat: Chat
    forges: Forges
    seal: Seal
    home: str
    registry_address: str
    domains: tuple[str, ...]
    web_url: str
    proxy_port: int
    channel: str
    version: str
    build_limits: Limits
    test_limits: Limits
    memory: int
    sweep_seconds: float = 180.0
    stop_seconds: float = 10.0
    builds: Builds = Builds()
    published: Mapping[str, Address] = field(default_factory=dict)
    tests: Tests = Tests()
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    stopping: threading.Event = field(default_factory=threading.Event)
    leaving: threading.Event = field(default_factory=threading.Event)
