"""What is called off stops within seconds, wherever it is: a fetch, a pack, a wait for the mirror."""

import os
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from pipeline.errors import Cancelled
from runtime.files import locked
from runtime.git import run
from runtime.source import GitSource
from tests.repositories import Repository

REF = "refs/heads/main"


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def source(tmp_path: Path, stopping: threading.Event) -> GitSource:
    return GitSource(tmp_path / "git", local_paths=True, stop=stopping.is_set)


def test_F19_a_fetch_that_hangs_ends_when_it_is_called_off(tmp_path: Path, stopping: threading.Event) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:

        def call_off_once_begun() -> None:
            connection, _ = mute.accept()
            with connection:
                connection.recv(1)
                stopping.set()
                while connection.recv(65536):
                    pass

        threading.Thread(target=call_off_once_begun, daemon=True).start()
        source = GitSource(tmp_path / "git", local_paths=False, private_addresses=True, stop=stopping.is_set)
        with pytest.raises(Cancelled):
            source.fetch("shop", f"https://127.0.0.1:{mute.getsockname()[1]}/x", REF, "1" * 40)
    assert not list((tmp_path / "git").glob("*.git"))


def test_F19_a_pack_that_nobody_wants_any_more_is_not_read_to_its_end(
    source: GitSource, stopping: threading.Event, tmp_path: Path
) -> None:
    repository = Repository.make(tmp_path / "shop.git")
    revision = repository.commit({"big": os.urandom(32 * 1024**2)}, ref=REF)
    source.fetch("shop", repository.url, REF, revision)

    with pytest.raises(Cancelled), source.archive("shop", revision, ".") as stream:
        stream.read(1024)
        stopping.set()
        threading.Event().wait(1.0)  # a slow reader, such as an engine that is busy
        while stream.read(1024**2):
            pass


def test_F19_who_waits_for_a_mirror_can_be_called_off(tmp_path: Path, stopping: threading.Event) -> None:
    lock = tmp_path / "shop.lock"
    stopping.set()
    with locked(lock, 5), pytest.raises(Cancelled), locked(lock, 600, stopping.is_set):
        pass


def test_a_command_that_nobody_calls_off_ends_as_ever(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "x.git"], check=True)
    assert run(["rev-parse", "--is-bare-repository"], git_dir=tmp_path / "x.git", seconds=30).out == b"true\n"


def test_F33_what_a_fetch_that_died_left_half_made_is_tidied_up_unless_it_is_being_made(tmp_path: Path) -> None:
    source = GitSource(tmp_path, local_paths=True)
    for name in ("dead.new", "dead.gone", "busy.new", "whole.git"):
        (tmp_path / name / "objects").mkdir(parents=True)
    with locked(tmp_path / "busy.lock", 5):
        source.tidy()
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"busy.new", "whole.git"}
