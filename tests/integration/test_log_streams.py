"""What a stage writes, read as text and followed as it comes, on a real socket."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dashboard.logs import Transcript, follow
from runtime.transcripts import FileTranscripts
from store.schema import StageRow
from store.session import Database
from tests import factories as make
from tests import serving

LOG = "/api/v1/runs/r1/stages/unit/log"
CONNECTIONS = 64
IDLE = 40


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = make.database(tmp_path)
    with made.begin() as session:
        make.run(session, make.project(session), {"unit": "running"}, state="running")
    yield made
    made.engine.dispose()


@pytest.fixture
def url(tmp_path: Path, database: Database) -> Iterator[str]:
    with serving.served(serving.app(tmp_path)) as address:
        yield address


def end_stage(database: Database) -> None:
    with database.begin() as session:
        session.get_one(StageRow, 1).state = "passed"


@contextmanager
def asked(url: str, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    with closing(connection):
        connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        yield connection.getresponse()


def events(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    """Read server-sent events as a browser does."""
    event: dict[str, Any] = {"data": []}
    while line := answer.readline().decode():
        name, _, value = line.rstrip("\n").partition(": ")
        if name == "data":
            event["data"].append(value)
        elif name:
            event[name] = value
        elif "id" in event:
            yield event
            event = {"data": []}


def test_a_log_is_the_text_as_it_was_written(tmp_path: Path, url: str) -> None:
    make.transcript(tmp_path, 1, "unit", "one <b>\n\x1b[31mtwo\x1b[0m\n")
    with asked(url, LOG) as answer:
        assert answer.read() == b"one <b>\n\x1b[31mtwo\x1b[0m\n"
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Slipway-Size"] == "21"
    with asked(url, f"{LOG}?from=8") as answer:
        assert answer.read() == b"\x1b[31mtwo\x1b[0m\n"
    with asked(url, f"{LOG}?from=900") as answer:
        assert answer.read() == b""
    for wrong in ("-1", "x", "1e3", "9" * 30):
        with asked(url, f"{LOG}?from={wrong}") as answer:
            assert answer.status == 400


def test_a_stage_that_has_written_nothing_has_an_empty_log(url: str) -> None:
    with asked(url, LOG) as answer:
        assert (answer.status, answer.read()) == (200, b"")


@pytest.mark.parametrize("stage", ["..", "%2e%2e", "unit%2f..%2funit", "..%2f..%2fslipway.db%00", "source"])
def test_only_stages_of_the_run_have_logs(url: str, stage: str) -> None:
    with asked(url, f"/api/v1/runs/r1/stages/{stage}/log") as answer:
        assert answer.status == 404


def test_lines_come_as_they_are_written_and_the_end_is_told(tmp_path: Path, url: str, database: Database) -> None:
    written = FileTranscripts(tmp_path / "transcripts", limit=10_000).open(1, "unit", 1)
    with asked(url, f"{LOG}/stream") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        stream = events(answer)
        for word in ("one", "two", "three"):
            began = time.monotonic()
            written.write(word)
            event = next(stream)
            assert event["data"] == [word]
            assert time.monotonic() - began < 1.0
        written.close()
        end_stage(database)
        assert next(stream) == {"id": "14", "event": "end", "data": ["{}"]}
        assert next(stream, None) is None


def test_a_reader_that_was_cut_off_goes_on_where_it_was(tmp_path: Path, url: str, database: Database) -> None:
    end_stage(database)
    make.transcript(tmp_path, 1, "unit", "one\ntwo\n")
    with asked(url, f"{LOG}/stream", Last_Event_ID="4") as answer:
        first, last = list(events(answer))
    assert (first["data"], first["id"], last["event"]) == (["two"], "8", "end")
    with asked(url, f"{LOG}/stream?from=8") as answer:
        assert [event.get("event") for event in events(answer)] == ["end"]


def test_a_line_cannot_speak_for_the_server(tmp_path: Path, url: str, database: Database) -> None:
    end_stage(database)
    make.transcript(tmp_path, 1, "unit", "a\rid: 0\revent: end\rdata: x\n\rretry: 1\n<script>\x1b[31m</b>\n")
    with asked(url, f"{LOG}/stream") as answer:
        raw = answer.read().decode()
    assert "\r" not in raw and raw.count("event: end") == 1 and raw.count("retry:") == 2
    assert "data: retry: 1\n" in raw
    with asked(url, f"{LOG}/stream?as=html") as answer:
        html = answer.read().decode()
    assert "<script>" not in html and "&lt;script&gt;" in html and "fg1" in html


def test_a_stage_that_is_over_ends_the_stream_even_if_its_writer_was_killed(
    tmp_path: Path, url: str, database: Database
) -> None:
    make.transcript(tmp_path, 1, "unit", "one\n", ended=False)
    with database.begin() as session:
        session.get_one(StageRow, 1).state = "error"
    with asked(url, f"{LOG}/stream") as answer:
        assert [event.get("event") for event in events(answer)] == [None, "end"]


def test_a_quiet_stream_beats_and_a_long_one_is_closed(tmp_path: Path) -> None:
    reader = FileTranscripts(tmp_path, limit=1)
    transcript = Transcript(reader=reader, run=1, stage="unit", over=lambda: False, long_over=lambda: False)
    said = list(follow(transcript, 0, html=False, gone=lambda: False, seconds=0.5, beat=0.1))
    assert said[0].startswith("retry:") and said[1] == ": still here\n\n" and len(said) >= 3
    assert "event: end" not in "".join(said)


def test_idle_followers_leave_room_for_everybody_else(tmp_path: Path, database: Database) -> None:
    make.transcript(tmp_path, 1, "unit", "one\n", ended=False)
    with serving.gunicorn(tmp_path, connections=CONNECTIONS) as url, ExitStack() as open_streams:
        answers = []
        for _ in range(IDLE):
            answers.append(open_streams.enter_context(asked(url, f"{LOG}/stream")))
        statuses = [answer.status for answer in answers]
        assert statuses.count(200) == CONNECTIONS // 4
        refused = answers[statuses.index(503)]
        assert refused.headers["Retry-After"]
        times = []
        for _ in range(10):
            began = time.monotonic()
            with asked(url, "/hooks/github/shop", Content_Length="0") as answer:
                assert answer.status == 405
            with asked(url, "/healthz") as answer:
                assert answer.status == 200
            times.append(time.monotonic() - began)
        assert max(times) < 1.0
        open_streams.close()
        # Those who left are noticed, and their places are free again at once.
        deadline = time.monotonic() + 5
        status = 503
        while status != 200 and time.monotonic() < deadline:
            with asked(url, f"{LOG}/stream") as answer:
                status = answer.status
            time.sleep(0.1)
        assert status == 200


def test_many_readers_of_one_log_all_get_all_of_it(tmp_path: Path, url: str, database: Database) -> None:
    end_stage(database)
    make.transcript(tmp_path, 1, "unit", "".join(f"line {number}\n" for number in range(30_000)))
    seen: list[int] = []

    def read() -> None:
        with asked(url, f"{LOG}/stream?as=html") as answer:
            last = list(events(answer))[-1]
            seen.append(int(last["id"]))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(30)
    size = (tmp_path / "transcripts" / "r1" / "unit.log").stat().st_size
    assert seen == [size] * 4


def test_a_log_is_read_in_part_without_colours_or_by_its_last_lines(
    tmp_path: Path, url: str, database: Database
) -> None:
    make.transcript(tmp_path, 1, "unit", "one\n\x1b[31mtwo\x1b[0m\nthree\nfour\n")
    for query, text, after in (
        ("lines=2", b"three\nfour\n", "28"),
        ("lines=1&from=4", b"\x1b[31mtwo\x1b[0m\n", "17"),
        ("lines=99", b"one\n\x1b[31mtwo\x1b[0m\nthree\nfour\n", "28"),
        ("ansi=strip&lines=3", b"two\nthree\nfour\n", "28"),
        ("ansi=strip", b"one\ntwo\nthree\nfour\n", None),
        ("ansi=keep&from=17", b"three\nfour\n", None),
    ):
        with asked(url, f"{LOG}?{query}") as answer:
            assert (answer.read(), answer.headers["X-Slipway-Next"]) == (text, after), query
    with asked(url, f"{LOG}?ansi=never") as answer:
        assert answer.status == 400
    for ended in ("false", "true"):
        with asked(url, LOG) as answer:
            assert answer.headers["X-Slipway-Ended"] == ended
        end_stage(database)


@pytest.mark.parametrize(
    ("wanted", "answered"),
    [
        ("bytes=0-2", (206, b"one", "bytes 0-2/8")),
        ("bytes=4-", (206, b"two\n", "bytes 4-7/8")),
        ("bytes=-3", (206, b"wo\n", "bytes 5-7/8")),
        ("bytes=6-99", (206, b"o\n", "bytes 6-7/8")),
        ("bytes=0-1,3-4", (200, b"one\ntwo\n", None)),
        ("lines=1-2", (200, b"one\ntwo\n", None)),
    ],
)
def test_a_part_of_a_log_is_asked_for_as_http_says(
    tmp_path: Path, url: str, wanted: str, answered: tuple[int, bytes, str | None]
) -> None:
    make.transcript(tmp_path, 1, "unit", "one\ntwo\n")
    with asked(url, LOG, Range=wanted) as answer:
        assert (answer.status, answer.read(), answer.headers["Content-Range"]) == answered


def test_a_part_that_is_not_there_yet_is_refused(tmp_path: Path, url: str) -> None:
    make.transcript(tmp_path, 1, "unit", "one\n")
    for wanted in ("bytes=4-", "bytes=9-12", "bytes=3-1"):
        with asked(url, LOG, Range=wanted) as answer:
            assert answer.status == 416


def test_a_stream_goes_on_from_one_attempt_to_the_next(tmp_path: Path, url: str, database: Database) -> None:
    kept = FileTranscripts(tmp_path / "transcripts", limit=10_000)
    first = kept.open(1, "unit", 1)
    with asked(url, f"{LOG}/stream") as answer:
        stream = events(answer)
        first.write("one")
        assert next(stream)["data"] == ["one"]
        first.close()
        second = kept.open(1, "unit", 2)
        second.write("two")
        said = next(stream)["data"]
        assert "".join(said).startswith("— attempt 2 —")
        second.close()
        end_stage(database)
        assert [event.get("event") for event in stream][-1] == "end"
