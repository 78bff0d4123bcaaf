"""`slipway log`: the last lines, and on over a restart of the server."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from commands.logs import log
from runtime.transcripts import FileTranscripts
from store.schema import StageRow
from store.session import Database
from tests import factories as make
from tests import serving


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    with made.begin() as session:
        make.run(session, make.project(session), {"unit": "running"}, state="running")
    yield made
    made.engine.dispose()


def test_a_log_is_followed_over_a_restart_without_losing_or_repeating_a_line(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = serving.free_port()
    monkeypatch.setenv("SLIPWAY_URL", f"http://127.0.0.1:{port}")
    written = FileTranscripts(tmp_path / "transcripts", limit=100_000).open(1, "unit", 1)
    for number in range(10):
        written.write(f"line {number}")
    written.settle(10)
    said: list[str] = []

    def follow() -> None:
        said.append(CliRunner().invoke(log, ["r1", "unit", "-f", "-n", "3"], catch_exceptions=False).output)

    reader = threading.Thread(target=follow)
    with serving.gunicorn(tmp_path, port=port):
        reader.start()
        reader.join(1)
        assert reader.is_alive()
    written.write("while nobody answered")
    with serving.gunicorn(tmp_path, port=port):
        written.write("\x1b[31mafter\x1b[0m")
        written.close()
        with database.begin() as session:
            session.get_one(StageRow, 1).state = "passed"
        reader.join(60)
    assert said == ["line 7\nline 8\nline 9\nwhile nobody answered\nafter\n"]
