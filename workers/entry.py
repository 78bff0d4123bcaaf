"""What RQ calls: an id in, nothing out. A root: it reads the settings and builds the real ports."""

import gc
import os
import socket
import threading
from contextlib import suppress
from functools import cache

from sqlalchemy.exc import NoResultFound

from config.logs import configure
from config.settings import Settings
from notify.recorder import Recorder
from notify.slack import Slack
from notify.status import HttpForges
from pipeline.containers import Limits
from pipeline.errors import Rejected
from pipeline.ports import Chat
from runtime.artifacts import FileArtifacts
from runtime.dnsmasq import Dnsmasq
from runtime.engine import DockerEngine
from runtime.haproxy import Haproxy
from runtime.haproxy_file import DOOR
from runtime.jobs import leaving
from runtime.probe import http_probe
from runtime.registry import HttpRegistry
from runtime.registry_copy import RegistryCopies
from runtime.relay import Relay
from runtime.source import GitSource
from runtime.stopping import Grace
from runtime.storeroom import RealStoreroom
from runtime.transcripts import FileTranscripts
from runtime.wake import Wake
from store import deployments, environments, jobs, runs, stage_work
from store.recorded import Recorded
from store.sealing import seal_of
from store.session import Database
from workers import crash
from workers.context import Builds, Context, Tests
from workers.handlers import HANDLERS
from workers.steps import run_job

VERSION = "0.1.0"
NOBODY = 0
# Beyond the times a command has to stop: to see that it should, and to take away what it leaves.
STOP_SLACK = 5.0


def execute(job_id: int) -> None:
    """Do one job to its end. Every fault ends as a record in SQL, never as an RQ failure."""
    run_job(context(), HANDLERS, job_id, f"{socket.gethostname()}:{os.getpid()}")


def warm_up() -> None:
    """Do once, before a child is forked, what each would do anew: build the ports, compile the statements."""
    database = context().database
    with database.begin() as session:
        jobs.claim(session, NOBODY, "")
        for look in (stage_work.work, runs.load, deployments.get, environments.get):
            with suppress(NoResultFound):
                look(session, NOBODY)
    database.dispose()
    context().storeroom.lack()
    # A child's first collection would write to every page it shares with its parent, and so copy them: 80 ms a job.
    gc.collect()
    gc.freeze()


@cache
def context() -> Context:
    """Build the ports from the settings, once a process."""
    settings = Settings()
    configure(settings.log_format)
    wake = Wake(settings.run / "clock.sock").send
    database = crash.database(settings.database_url, wake, os.environ.get("SLIPWAY_CRASH_AT", ""))
    stopping = threading.Event()
    return Context(
        stopping=stopping,
        leaving=leaving,
        database=database,
        source=_source(settings, stopping),
        engine=_engine(settings),
        registry=HttpRegistry(settings.image_registry),
        copies=RegistryCopies(settings.image_registry),
        published=settings.published,
        builds=_builds(settings),
        storeroom=_storeroom(settings),
        proxy=Haproxy(directory=settings.home / "proxy", run=settings.run),
        names=Dnsmasq(directory=settings.home / "dns", address=settings.proxy.address, zones=settings.domains),
        probe=http_probe,
        transcripts=FileTranscripts(settings.home / "transcripts", limit=settings.limits.transcript),
        artifacts=FileArtifacts(settings.home / "artifacts"),
        door=Relay(settings.run / DOOR, settings.proxy.http_port),
        tests=Tests(
            shards_at_once=settings.limits.shards_at_once,
            artifact_bytes=settings.limits.artifacts,
            artifact_count=settings.limits.artifact_count,
        ),
        chat=_chat(settings, database),
        forges=HttpForges(timeout=settings.forges.timeout, private_addresses=settings.source.private_addresses),
        seal=seal_of(settings.home, settings.secret_key),
        sweep_seconds=settings.source.sweep,
        stop_seconds=settings.limits.interrupt + settings.limits.terminate + STOP_SLACK,
        home=settings.home_id,
        registry_address=settings.registry_address,
        domains=settings.domains,
        web_url=settings.web_url,
        proxy_port=settings.proxy.http_port,
        channel=settings.slack.channel,
        version=VERSION,
        build_limits=Limits(seconds=settings.build.timeout, silence=settings.build.silence),
        test_limits=Limits(seconds=settings.limits.test_timeout, silence=settings.limits.test_silence),
        memory=settings.limits.memory,
    )


def _engine(settings: Settings) -> DockerEngine:
    grace = Grace(interrupt=settings.limits.interrupt, terminate=settings.limits.terminate)
    docker, builder = settings.docker, settings.build.builder
    return DockerEngine(
        docker.host, settings.home_id, docker.networks, builder, grace=grace, registry=settings.image_registry
    )


def _storeroom(settings: Settings) -> RealStoreroom:
    return RealStoreroom(
        host=settings.docker.host,
        home_id=settings.home_id,
        home=settings.home,
        registry=settings.image_registry,
        least=settings.limits.disk_free,
        cache=settings.build.cache_limit,
    )


def _source(settings: Settings, stopping: threading.Event) -> GitSource:
    return GitSource(
        settings.home / "git",
        local_paths=settings.local_paths,
        private_addresses=settings.source.private_addresses,
        largest=settings.source.limit,
        stop=stopping.is_set,
    )


def _builds(settings: Settings) -> Builds:
    known = settings.build
    try:
        bundle = known.ca_bundle.read_text() if known.ca_bundle else ""
    except (OSError, UnicodeError) as fault:
        raise Rejected(f"SLIPWAY_BUILD__CA_BUNDLE cannot be read: {known.ca_bundle}", code="bad_setting") from fault
    return Builds(parallel=known.parallel, ca_bundle=bundle, proxies=known.proxies)


def _chat(settings: Settings, database: Database) -> Chat:
    token = settings.slack.bot_token
    if token is None:
        return Recorder(Recorded(database), settings.home / "chat.jsonl")
    return Slack(token.get_secret_value(), settings.slack.api_url)
