"""However many deliveries and runs there are, none of what is asked every day reads all of them."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from app import Ports, create_app
from config.settings import Settings
from pipeline.project import Forge, Project
from runtime.transcripts import FileTranscripts
from store import deliveries, jobs, projects
from store.migrate import upgrade
from store.session import Database
from tests.integration.test_inbox import SECRET, payload, signed

GROWS = r"run|delivery|stage|job|message|ref_head|report"
WHOLE = re.compile(rf"\bSCAN ({GROWS})\b(?! USING)")
# A page of a table in the order of its numbers stops when the page is full.
PAGE = re.compile(r"ORDER BY \w+\.id( DESC)?\s+LIMIT")
A, B = "a" * 40, "b" * 40


class Watched:
    """A home whose every statement is written down."""

    def __init__(self, path: Path, moment: datetime) -> None:
        url = f"sqlite:///{path / 'slipway.db'}"
        upgrade(url)
        self.said: list[str] = []
        self.path, self.now = path, moment
        self.database = Database(url)
        event.listen(self.database.engine, "connect", self._listen)
        with self.database.begin() as session:
            known = Project(id=0, name="shop", url="https://github.com/acme/shop", forge=Forge.GITHUB, secret=SECRET)
            projects.add(session, known, at=moment)
        transcripts = FileTranscripts(path / "transcripts", limit=1024)
        ports = Ports(database=self.database, transcripts=transcripts, now=lambda: self.now)
        self.client: FlaskClient = create_app(Settings(home=path), ports=ports).test_client()

    def _listen(self, connection: sqlite3.Connection, _record: object) -> None:
        connection.set_trace_callback(self.said.append)

    def push(self, before: str, after: str, name: str, ref: str = "refs/heads/main") -> int:
        body = payload(before=before, after=after, ref=ref)
        return self.client.post("/hooks/github/shop", data=body, headers=signed(body, delivery=name)).status_code

    def read_whole(self) -> list[str]:
        """Return the plans of what was said that read a table that grows from its beginning to its end."""
        found = set()
        with sqlite3.connect(self.path / "slipway.db") as plain:
            for statement in set(self.said):
                if re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b", statement) and not PAGE.search(statement):
                    plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {statement}")]
                    found |= {f"{step} in {statement}" for step in plan if WHOLE.search(step)}
        plain.close()
        return sorted(found)


@pytest.fixture
def watched(tmp_path: Path, moment: datetime) -> Iterator[Watched]:
    home = Watched(tmp_path, moment)
    yield home
    home.database.dispose()


def test_taking_deliveries_in_reads_no_table_whole(watched: Watched) -> None:
    assert watched.push("0" * 40, A, "one") == 202
    assert watched.push(A, B, "two") == 202
    assert watched.push(B, A, "three") == 202
    assert watched.push(B, A, "three") == 200
    assert watched.push(A, "0" * 40, "four") == 200
    assert watched.client.post("/hooks/github/shop", data=b"{}", content_type="application/json").status_code == 401
    assert any("INSERT INTO run" in statement for statement in watched.said)
    assert watched.read_whole() == []


def test_the_clocks_looks_read_no_table_whole(watched: Watched) -> None:
    watched.push("0" * 40, A, "one")
    watched.said.clear()
    with watched.database.begin() as session:
        assert jobs.due(session)
        old = watched.now - timedelta(days=30)
        deliveries.prune(session, before=old, refused_before=old)
    assert watched.read_whole() == []


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/runs?project=shop",
        "/api/v1/runs?state=failed",
        "/api/v1/runs?revision=aaaa",
        "/api/v1/deliveries?project=shop",
        "/api/v1/deliveries?code=ping",
        "/",
    ],
)
def test_lists_read_no_table_whole(watched: Watched, path: str) -> None:
    watched.push("0" * 40, A, "one")
    watched.said.clear()
    assert watched.client.get(path, environ_base={"REMOTE_ADDR": "127.0.0.1"}).status_code == 200
    assert watched.said
    assert watched.read_whole() == []
