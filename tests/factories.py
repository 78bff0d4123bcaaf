"""Rows for tests: each function inserts one thing with its parts and returns the row; times count back from NOW."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from store import schema
from store.session import Database

NOW = datetime.now(UTC)
Row = TypeVar("Row", bound=schema.Table)


def database(path: Path) -> Database:
    """Return a fresh SQLite database with every table."""
    made = Database(f"sqlite:///{path / 'slipway.db'}")
    schema.Table.metadata.create_all(made.engine)
    return made


def ago(seconds: float) -> datetime:
    """Return the time so many seconds before the tests began."""
    return NOW - timedelta(seconds=seconds)


def revision(word: str) -> str:
    """Return a 40-hex revision that is always the same for the same word."""
    return hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest()


def project(session: Session, name: str = "shop", **values: Any) -> schema.ProjectRow:
    """Insert a project."""
    known = {
        "name": name,
        "url": f"https://git.example/{name}.git",
        "forge": "github",
        "secret": "s3cret",
        "default_branch": "main",
        "created_at": ago(86_400),
    }
    return _add(session, schema.ProjectRow(**{**known, **values}))


def delivery(session: Session, project: schema.ProjectRow | None = None, **values: Any) -> schema.DeliveryRow:
    """Insert a delivery."""
    known = {
        "project_id": project.id if project else None,
        "forge": "github",
        "key": revision(f"key-{values}"),
        "event": "push",
        "headers": {"X-GitHub-Event": "push"},
        "body": b"{}",
        "verdict": "accepted",
        "code": "accepted",
        "detail": "shop 1a2b3c4 on main",
        "digest": digest(str(values.get("key"))),
        "received_at": ago(60),
    }
    return _add(session, schema.DeliveryRow(**{**known, **values}))


def run(
    session: Session,
    project: schema.ProjectRow,
    stages: Mapping[str, str] | Sequence[Mapping[str, Any]] = (),
    *,
    began: float = 60,
    took: float | None = 10,
    **values: Any,
) -> schema.RunRow:
    """Insert a run that began so many seconds ago; `stages` maps names to states, or gives columns of each."""
    word = str(values.pop("word", f"{project.name}-{began}"))
    state = values.get("state", "passed")
    known = {
        "project_id": project.id,
        "key": f"refs/heads/main@{revision(word)}#{began}",
        "ref": "refs/heads/main",
        "revision": revision(word),
        "before": "0" * 40,
        "message": "Let the basket survive a restart",
        "author": "Ana Lima <ana@example.com>",
        "trigger": "push",
        "state": state,
        "reason": "",
        "code": "",
        "created_at": ago(began),
        "started_at": None if state == "queued" else ago(began - 0.2),
        "finished_at": None if state in {"queued", "running", "waiting"} or took is None else ago(began - took),
    }
    row = _add(session, schema.RunRow(**{**known, **values}))
    columns = [{"name": name, "state": it} for name, it in stages.items()] if isinstance(stages, Mapping) else stages
    for position, one in enumerate(columns):
        stage(session, row, position=position, **one)
    return row


def stage(session: Session, run: schema.RunRow, *, name: str, position: int = 0, **values: Any) -> schema.StageRow:
    """Insert a stage; it began `position` seconds after its run and took one, unless the values say otherwise."""
    state = values.get("state", "passed")
    begun = state not in {"queued", "skipped"}
    known = {
        "run_id": run.id,
        "position": position,
        "name": name,
        "kind": _kind(name),
        "needs": [],
        "spec": {},
        "state": state,
        "reason": "",
        "code": state,
        "tail": [],
        "attempt": int(begun),
        "started_at": run.created_at + timedelta(seconds=position) if begun else None,
        "finished_at": run.created_at + timedelta(seconds=position + 1) if begun and state != "running" else None,
    }
    return _add(session, schema.StageRow(**{**known, **values}))


def image(session: Session, run: schema.RunRow, service: str = "web", **values: Any) -> schema.ImageRow:
    """Insert the image of a run's commit."""
    known = {
        "project_id": run.project_id,
        "service": service,
        "revision": run.revision,
        "name": f"localhost:5100/shop/{service}",
        "digest": digest(f"{service}-{run.revision}"),
        "size": 2_013_265,
        "port": 8000,
        "builder": "buildkit",
        "run_id": run.id,
        "tested": True,
        "created_at": run.created_at,
    }
    return _add(session, schema.ImageRow(**{**known, **values}))


def result(session: Session, stage: schema.StageRow, name: str, **values: Any) -> schema.TestResultRow:
    """Insert how one test of a stage ended."""
    run = session.get_one(schema.RunRow, stage.run_id)
    known = {
        "project_id": run.project_id,
        "run_id": run.id,
        "stage_id": stage.id,
        "stage": stage.name,
        "image": digest(run.revision),
        "attempt": stage.attempt,
        "suite": "tests.basket",
        "name": name,
        "state": "passed",
        "seconds": 0.25,
    }
    return _add(session, schema.TestResultRow(**{**known, **values}))


def artifact(session: Session, home: Path, stage: schema.StageRow, path: str, data: bytes) -> schema.ArtifactRow:
    """Keep a file that a stage left behind."""
    known = hashlib.sha256(data).hexdigest()
    file = home / "artifacts" / f"r{stage.run_id}" / stage.name / known
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    values = {"stage_id": stage.id, "path": path, "size": len(data), "digest": known}
    return _add(session, schema.ArtifactRow(run_id=stage.run_id, created_at=ago(40), **values))


def environment(
    session: Session, project: schema.ProjectRow, name: str = "staging", **values: Any
) -> schema.EnvironmentRow:
    """Insert a project's environment."""
    known = {"project_id": project.id, "name": name, "position": 1, "created_at": ago(86_400)}
    return _add(session, schema.EnvironmentRow(**{**known, **values}))


def deployment(
    session: Session, place: schema.EnvironmentRow, services: Mapping[str, str], *, live: bool = True, **values: Any
) -> schema.DeploymentRow:
    """Insert a deployment of services (name to revision), with routes and an instance each; `live` makes it serve."""
    known = {
        "project_id": place.project_id,
        "environment_id": place.id,
        "cause": "push",
        "actor": "ana@example.com",
        "strategy": "rolling",
        "releases": [release(name, commit) for name, commit in services.items()],
        "state": "deployed",
        "reason": "",
        "code": "",
        "steps": [],
        "created_at": ago(50),
        "finished_at": ago(45),
    }
    row = _add(session, schema.DeploymentRow(**{**known, **values}))
    for name in services:
        instance(session, row, name, state="live" if live else "starting")
    if live:
        place.live_deployment_id = row.id
    session.flush()
    return row


def release(service: str, commit: str) -> dict[str, Any]:
    """Return a release as a deployment keeps it."""
    health = {"path": "/health", "timeout": 5.0, "within": 30.0, "rise": 1}
    image = f"localhost:5100/shop/{service}@{digest(f'{service}-{commit}')}"
    known = {"service": service, "revision": commit, "image": image, "port": 8000}
    return {**known, "health": health, "drain": 10.0, "main": service == "web"}


def instance(
    session: Session, deployment: schema.DeploymentRow, service: str, *, state: str = "live"
) -> schema.InstanceRow:
    """Insert a container of a deployment, and its route if there is none yet."""
    place = session.get_one(schema.EnvironmentRow, deployment.environment_id)
    owner = session.get_one(schema.ProjectRow, place.project_id)
    route = session.query(schema.RouteRow).filter_by(environment_id=place.id, service=service).one_or_none()
    if route is None:
        stem = f"{service}.{place.name}.{owner.name}"
        hosts = [f"{stem}.slipway.test", f"{stem}.slipway.localhost"]
        route = _add(session, schema.RouteRow(environment_id=place.id, service=service, hosts=hosts))
    values = {"deployment_id": deployment.id, "route_id": route.id, "service": service, "state": state}
    return _add(session, schema.InstanceRow(**values, address="10.213.0.2", port=8000, created_at=ago(48)))


def message(session: Session, text: str, *, at: float = 30, **values: Any) -> schema.RecordedRow:
    """Insert a message as the recorder keeps it."""
    ts = f"{ago(at).timestamp():.6f}"
    known: dict[str, Any] = {"channel": "#deploys", "ts": ts, "thread_ts": None, "text": text, "blocks": [], "edits": 0}
    return _add(session, schema.RecordedRow(**{**known, "created_at": ago(at), "updated_at": ago(at), **values}))


def lease(session: Session, name: str = "clock", *, until: float) -> schema.LeaseRow:
    """Insert a lease that holds until so many seconds since 1970."""
    return _add(session, schema.LeaseRow(name=name, owner="test", fence=1, until=until))


def transcript(home: Path, run: int, stage: str, text: str, *, ended: bool = True) -> Path:
    """Write what a stage has written, as the workers do."""
    path = home / "transcripts" / f"r{run}" / f"{stage}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    if ended:
        path.with_name(f"{stage}.log.end").touch()
    return path


def digest(word: str) -> str:
    """Return an image digest that is always the same for the same word."""
    return f"sha256:{hashlib.sha256(word.encode()).hexdigest()}"


def _kind(name: str) -> str:
    stem = name.partition("-")[0]
    return {"source": "source", "build": "build", "deploy": "deploy"}.get(stem, "test")


def _add(session: Session, row: Row) -> Row:
    session.add(row)
    session.flush()
    return row
