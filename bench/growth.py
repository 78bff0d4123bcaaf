"""Growth: whether a million deliveries and a hundred thousand runs slow down what is asked every day."""

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from bench.home import prepared
from bench.load import requests
from config.settings import Settings

DELIVERIES, RUNS, CHUNK = 1_000_000, 100_000, 10_000
# Enough that every list fills a page.
SMALL = (3_000, 60_000)
BRANCHES = 2_000
LISTS = (
    "/api/v1/runs",
    "/api/v1/runs?project=shop",
    "/api/v1/runs?state=failed",
    "/api/v1/deliveries",
    "/api/v1/deliveries?project=shop",
    "/api/v1/deliveries?code=ping",
    "/",
)
ACCEPTED, ASKED = 400, 30
TURNS = 3
LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


def measure(folder: Path) -> None:
    """Measure a small home and a grown one in turns, and print both."""
    clients = {}
    for name, runs, deliveries in (("small", *SMALL), ("grown", RUNS, DELIVERIES)):
        home = prepared(folder / name)
        fill(home / "slipway.db", runs=runs, deliveries=deliveries)
        clients[name] = application(home).test_client()
    found: dict[str, dict[str, float]] = {name: {} for name in clients}
    for path in ("accept", *LISTS):
        times: dict[str, list[float]] = {name: [] for name in clients}
        for turn in range(TURNS):
            for name, client in clients.items():
                ask = accept(client, f"{name}-{turn}") if path == "accept" else lists(client, path)
                times[name] += ask
        for name in clients:
            found[name][path] = median(times[name])
    print(f"{'ms, median':36}{'small':>12}{'grown':>12}{'ratio':>8}")
    for path, small in found["small"].items():
        print(f"{path:36}{small:>12.2f}{found['grown'][path]:>12.2f}{found['grown'][path] / small:>8.2f}")


def application(home: Path) -> Flask:
    """Return the web process of a home."""
    return create_app(Settings(home=home))


def accept(client: FlaskClient, seed: str) -> list[float]:
    """Return how long each of some deliveries took, in milliseconds."""
    asks = [_delivered(raw) for raw in requests(ACCEPTED // TURNS, seed, "/hooks/github/shop")]
    return _timed(partial(client.post, "/hooks/github/shop", data=body, headers=headers) for body, headers in asks)


def _delivered(raw: bytes) -> tuple[bytes, dict[str, str]]:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
    return body, {name: value for name, value in lines if name != "Content-Length"}


def lists(client: FlaskClient, path: str) -> list[float]:
    """Return how long a list took, in milliseconds."""
    return _timed(partial(client.get, path, environ_base=LOCAL) for _ in range(ASKED // TURNS))


def fill(path: Path, *, runs: int, deliveries: int) -> None:
    """Put so many deliveries and ended runs of many branches into a database, faster than they could come in."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA synchronous=OFF")
        for first in range(1, deliveries + 1, CHUNK):
            last = min(first + CHUNK, deliveries + 1)
            _insert(database, "delivery", (_delivery(number, runs) for number in range(first, last)))
            _insert(database, "run", (_run(number) for number in range(first, min(last, runs + 1))))
            _insert(database, "stage", (_stage(number) for number in range(first, min(last, runs + 1))))
            _insert(database, "job", (_job(number) for number in range(first, min(last, runs + 1))))
            _insert(database, "message", (_message(number) for number in range(first, min(last, runs + 1))))
            database.commit()
        _insert(database, "ref_head", (_head(number) for number in range(1, BRANCHES + 1)))
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    listed = list(rows)
    if listed:
        columns = ", ".join(listed[0])
        values = ", ".join(f":{name}" for name in listed[0])
        database.executemany(f"INSERT INTO {table} ({columns}) VALUES ({values})", listed)  # noqa: S608


def _delivery(number: int, runs: int) -> dict[str, Any]:
    code = "accepted" if number <= runs else "ping" if number % 1_000 == 0 else "ignored_event"
    return {
        "id": number,
        "project_id": 1,
        "forge": "github",
        "key": f"{number * 2654435761 % 2**32:08x}-{number}",
        "event": "push" if code == "accepted" else "issues",
        "headers": "{}",
        "body": b'{"small": true}',
        "digest": f"{number * 2654435761 % 2**32:08x}{number:056x}",
        "source": "hook",
        "verdict": "accepted",
        "code": code,
        "detail": "shop 1a2b3c4 on main is r1",
        "received_at": f"2026-11-{1 + number * 19 // DELIVERIES:02d} 10:00:00.000000",
    }


def _run(number: int) -> dict[str, Any]:
    ref, revision = f"refs/heads/b{number % BRANCHES}", _revision(number)
    state = "failed" if number % 50 == 0 else "passed"
    return {
        "id": number,
        "project_id": 1,
        "delivery_id": number,
        "key": f"{ref}@{revision}",
        "ref": ref,
        "revision": revision,
        "before": _revision(number - BRANCHES),
        "message": "Let the basket survive a restart",
        "author": "ana",
        "trigger": "push",
        "state": state,
        "reason": "",
        "code": state,
        "cancel_requested": 0,
        "created_at": "2026-11-20 10:00:00.000000",
        "started_at": "2026-11-20 10:00:01.000000",
        "finished_at": "2026-11-20 10:00:09.000000",
    }


def _stage(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "run_id": number,
        "position": 0,
        "name": "source",
        "kind": "source",
        "needs": "[]",
        "spec": "{}",
        "state": "passed",
        "reason": "",
        "code": "passed",
        "tail": "[]",
        "attempt": 1,
    }


def _job(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "kind": "stage",
        "ref_id": number,
        "queue": "stages",
        "turn": number,
        "state": "done",
        "attempt": 1,
        "fence": 1,
        "owner": "",
        "not_before": 0.0,
        "created_at": "2026-11-20 10:00:00.000000",
    }


def _message(number: int) -> dict[str, Any]:
    shown = {"id": number, "kind": "run", "ref_id": number, "channel": "#deploys", "ts": f"{number}.0"}
    return shown | {"version": 2, "drawn": 2, "error": ""}


def _head(number: int) -> dict[str, Any]:
    seen = {"project_id": 1, "ref": f"refs/heads/b{number - 1}", "revision": _revision(RUNS - BRANCHES + number)}
    return seen | {"candidate": "", "seen_at": "2026-11-20 10:00:00.000000"}


def _revision(number: int) -> str:
    return f"{(number * 0x9E3779B97F4A7C15) % 2**64:016x}{number % 2**32:024x}"


def _timed(asks: Iterable[Callable[[], Any]]) -> list[float]:
    times = []
    for ask in asks:
        began = time.perf_counter()
        answer = ask()
        times.append((time.perf_counter() - began) * 1000)
        if answer.status_code not in {200, 202}:
            raise SystemExit(f"answered {answer.status_code}")
    return times
