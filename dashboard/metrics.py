"""/metrics for Prometheus: read from SQL when it is asked for, so that counters survive restarts."""

import platform
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from sqlalchemy.orm import Session

from pipeline.errors import Unavailable
from store import tallies, views_metrics
from store.session import Database

# Figures by the values of their labels.
Samples = Mapping[Any, float]


def make_metrics(database: Database, parts: Callable[[], Mapping[str, str]], *, version: str) -> Blueprint:
    """Return the blueprint of /metrics; `parts` looks at every part and has a word for each."""
    page = Blueprint("metrics", __name__)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Tables(database, parts, version))

    @page.get("/metrics")
    def metrics() -> ResponseReturnValue:
        """Show what Prometheus reads."""
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return page


class _Tables(Collector):
    """Reads the tables in one transaction, so that a scrape never contradicts itself."""

    def __init__(self, database: Database, parts: Callable[[], Mapping[str, str]], version: str) -> None:
        self._database = database
        self._parts = parts
        self._version = version
        self._runs = views_metrics.ended_runs()
        self._deployments = views_metrics.ended_deployments()

    def describe(self) -> list[Metric]:
        """Return nothing: registering must not ask the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield every metric; without a database, what can be said without it."""
        built = {(self._version, platform.python_version()): 1}
        yield _gauge("slipway_build_info", "What runs.", ("version", "python"), built)
        up = {(name,): int(word == "up") for name, word in self._parts().items()}
        yield _gauge("slipway_component_up", "Whether a part answers.", ("component",), up)
        try:
            with self._database.read() as session:
                yield from self._of_runs(session)
                yield from self._of_places(session)
        except Unavailable:
            return

    def _of_runs(self, session: Session) -> Iterator[Metric]:
        hooks = tallies.received(session)
        yield _counter("slipway_hooks_received", "Webhooks received.", ("forge", "event", "result"), hooks)
        found = views_metrics.recovered(session)
        yield _counter("slipway_recovered_events", "Pushes that only a look at the repository found.", PROJECT, found)
        names = ("project", "trigger", "result")
        yield _counter("slipway_runs", "Runs that have ended.", names, self._runs.count(session))
        active = views_metrics.active_runs(session)
        yield _gauge("slipway_runs_active", "Runs that have not ended.", ("project", "state"), active)
        yield _gauge(
            "slipway_queue_jobs", "Jobs that wait or are done.", ("queue", "state"), views_metrics.jobs(session)
        )
        ages = views_metrics.oldest_jobs(session)
        yield _gauge("slipway_queue_oldest_job_age_seconds", "How long the first in line has waited.", ("queue",), ages)

    def _of_places(self, session: Session) -> Iterator[Metric]:
        names = (*PLACE, "strategy", "result")
        ended = self._deployments.count(session)
        yield _counter("slipway_deployments", "Deployments that have ended.", names, ended)
        places = views_metrics.live(session)
        serving = {
            (one.project, one.environment, service, revision): 1 for one in places for service, revision in one.services
        }
        yield _gauge("slipway_deployment_info", "What is live.", (*PLACE, "service", "revision"), serving)
        since = {(one.project, one.environment): one.since for one in places if one.since is not None}
        yield _gauge("slipway_deployment_last_timestamp_seconds", "When what is live went live.", PLACE, since)
        pinned = {(one.project, one.environment): int(one.pinned) for one in places}
        yield _gauge("slipway_environment_paused", "Whether automatic deployments are off.", PLACE, pinned)


PROJECT = ("project",)
PLACE = ("project", "environment")


def _counter(name: str, said: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = CounterMetricFamily(name, said, labels=labels)
    for values, count in sorted(samples.items()):
        family.add_metric(values, count)
    return family


def _gauge(name: str, said: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(name, said, labels=labels)
    for values, figure in sorted(samples.items()):
        family.add_metric(values, figure)
    return family
