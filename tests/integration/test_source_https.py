import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import Rejected, StageFailed, Unavailable
from runtime.addresses import reach
from runtime.git_shield import Reach
from runtime.source import GitSource
from tests.git_https import make_certificate, serving
from tests.repositories import Repository

MAIN = "refs/heads/main"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", f"{certificate}.crt")
    monkeypatch.setenv("no_proxy", "127.0.0.1,git.test")


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    repository = Repository.make(tmp_path / "www" / "shop.git")
    repository.commit({"Dockerfile": b"FROM scratch\n"})
    repository.git("update-server-info")
    return repository


def test_a_repository_is_fetched_over_https(remote: Repository, certificate: Path, tmp_path: Path) -> None:
    revision = remote.git("rev-parse", MAIN)
    source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    with serving(remote.path.parent, certificate) as (address, _):
        source.fetch("shop", f"{address}/shop.git", MAIN, revision)
    assert source.read("shop", revision, "Dockerfile") == b"FROM scratch\n"


def test_a_certificate_nobody_vouches_for_is_refused(
    remote: Repository, certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GIT_SSL_CAINFO")
    source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    with serving(remote.path.parent, certificate) as (address, asked):
        with pytest.raises(Unavailable):
            source.fetch("shop", f"{address}/shop.git", MAIN, remote.git("rev-parse", MAIN))
        assert asked == []


def test_G4_a_variable_in_an_address_stays_what_it_is(
    certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_KEY", "secret")
    source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    with serving(tmp_path, certificate) as (address, asked):
        with pytest.raises(Unavailable):
            source.fetch("shop", f"{address}/$SLIPWAY_KEY", MAIN, "1" * 40)
        assert asked
        assert all(path.startswith("/$SLIPWAY_KEY/") for path in asked)


def test_G10_a_redirect_is_not_followed(remote: Repository, certificate: Path, tmp_path: Path) -> None:
    source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    with (
        serving(remote.path.parent, certificate) as (inside, reached),
        serving(tmp_path, certificate, elsewhere=inside) as (address, asked),
    ):
        with pytest.raises(Unavailable, check=lambda error: error.code == "source_unavailable"):
            source.fetch("shop", f"{address}/shop.git", MAIN, remote.git("rev-parse", MAIN))
        assert asked
        assert reached == []


def test_G10_an_alternate_elsewhere_is_not_asked(remote: Repository, certificate: Path, tmp_path: Path) -> None:
    revision = remote.git("rev-parse", MAIN)
    inside = remote.path.parent / "inside.git"
    shutil.copytree(remote.path, inside)
    for kind in ("pack", "[0-9a-f][0-9a-f]"):
        for folder in (remote.path / "objects").glob(kind):
            shutil.rmtree(folder)
    source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    with (
        serving(inside.parent, certificate) as (hidden, reached),
        serving(remote.path.parent, certificate) as (address, asked),
    ):
        (remote.path / "objects" / "info" / "http-alternates").write_text(f"{hidden}/inside.git/objects\n")
        with pytest.raises(Unavailable):
            source.fetch("shop", f"{address}/shop.git", MAIN, revision)
        assert any("http-alternates" in path for path in asked)
        assert reached == []


SPELLINGS = [
    *("127.0.0.1", "localhost", "2130706433", "0", "127.1", "0177.0.0.1", "0x7f000001", "0.0.0.0"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::]"),
]


@pytest.mark.parametrize("host", SPELLINGS)
def test_G10_this_machine_is_refused_however_it_is_spelled(
    remote: Repository, certificate: Path, tmp_path: Path, host: str
) -> None:
    source = GitSource(tmp_path / "home", local_paths=False)
    with serving(remote.path.parent, certificate) as (address, asked):
        port = address.rpartition(":")[2]
        for url in (f"https://{host}:{port}/shop.git", f"ssh://git@{host}:{port}/shop.git", f"git@{host}:shop.git"):
            for ask in (lambda: source.tips("shop", url), lambda: source.tip("shop", url, MAIN)):  # noqa: B023
                with pytest.raises(StageFailed, check=lambda error: error.code == "private_address"):
                    ask()
        assert asked == []


def test_G10_an_address_of_the_link_is_refused_wherever_private_ones_are_meant(tmp_path: Path) -> None:
    source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    for host in ("169.254.169.254", "2852039166", "[::ffff:169.254.169.254]", "[fe80::1]"):
        with pytest.raises(StageFailed, match="the link alone", check=lambda error: error.code == "private_address"):
            source.tips("shop", f"https://{host}/latest/meta-data")


@pytest.mark.parametrize("answers", [("127.0.0.1",), ("140.82.121.4", "127.0.0.1"), ("2606:50c0::1", "fd00::1")])
def test_G10_one_inner_address_among_several_is_enough_to_refuse(tmp_path: Path, answers: tuple[str, ...]) -> None:
    source = GitSource(tmp_path / "home", local_paths=False, resolve=lambda _host: answers)
    for url in ("https://git.test/shop.git", "ssh://git@git.test/shop.git", "git@git.test:shop.git"):
        with pytest.raises(StageFailed, match="is at", check=lambda error: error.code == "private_address"):
            source.tip("shop", url, MAIN)


def test_G10_a_name_is_looked_up_once_and_leads_there_for_the_whole_fetch(
    remote: Repository, certificate: Path, tmp_path: Path
) -> None:
    answers = iter([("127.0.0.1",), ("169.254.169.254",)])
    source = GitSource(
        tmp_path / "home", local_paths=False, private_addresses=True, resolve=lambda _host: next(answers)
    )
    with serving(remote.path.parent, certificate) as (address, asked):
        url = f"https://git.test:{address.rpartition(':')[2]}/shop.git"
        assert source.tip("shop", url, MAIN) == remote.git("rev-parse", MAIN)
        seen = len(asked)
        with pytest.raises(StageFailed, check=lambda error: error.code == "private_address"):
            source.tip("shop", url, MAIN)
        assert len(asked) == seen


def test_G10_a_name_that_is_not_known_is_unavailable(tmp_path: Path) -> None:
    source = GitSource(tmp_path / "home", local_paths=False, resolve=lambda _host: ())
    with pytest.raises(Unavailable, match="has no address"):
        source.tips("shop", "ssh://git@git.test/shop.git")


def test_G10_where_a_proxy_looks_names_up_written_addresses_are_still_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://proxy.test:3128")
    assert reach("https://git.example.com/x", tmp_path, private_addresses=False, resolve=lambda _host: ()) == Reach(
        protocol="https"
    )
    for host in ("127.0.0.1", "2130706433", "[::ffff:10.0.0.1]"):
        with pytest.raises(Rejected, check=lambda error: error.code == "private_address"):
            reach(f"https://{host}/x", tmp_path, private_addresses=False)


def test_G10_ssh_is_led_to_the_checked_address_and_knows_the_host_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken = tmp_path / "spoken"
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {spoken}\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    source = GitSource(tmp_path / "home", local_paths=False, resolve=lambda _host: ("140.82.121.4", "1.1.1.1"))
    for url, key in (
        ("git@git.test:shop.git", "git.test"),
        ("ssh://git@git.test/shop.git", "git.test"),
        ("ssh://git@git.test:2222/shop.git", "[git.test]:2222"),
    ):
        with pytest.raises(Unavailable):
            source.tips("shop", url)
        words = spoken.read_text().splitlines()
        assert {"-oBatchMode=yes", "-oHostName=140.82.121.4", f"-oHostKeyAlias={key}", "git@git.test"} <= set(words)


def test_G21_what_a_host_says_is_shown_without_its_control_characters(certificate: Path, tmp_path: Path) -> None:
    evil = b"ERR \x1b[31mgone\x1b]0;title\x07 \xe2\x80\xaetxt\r"
    said = b"001e# service=git-upload-pack\n0000%04x%s" % (len(evil) + 4, evil)
    source = GitSource(tmp_path / "home", local_paths=False, private_addresses=True)
    with serving(tmp_path, certificate, said=said) as (address, _), pytest.raises(Unavailable) as caught:
        source.tip("shop", f"{address}/shop.git", MAIN)
    assert "[31mgone" in caught.value.sentence
    assert caught.value.sentence.isprintable()


def test_f33_a_worker_killed_in_mid_clone_leaves_no_half_mirror_and_no_git(
    remote: Repository, certificate: Path, tmp_path: Path
) -> None:
    revision, home = remote.git("rev-parse", MAIN), tmp_path / "home"
    fetch = "import sys; from tests.integration.test_source_https import fetch; fetch(*sys.argv[1:])"
    with serving(remote.path.parent, certificate, held="/objects/") as (address, asked):
        worker = subprocess.Popen([sys.executable, "-c", fetch, str(home), f"{address}/shop.git", revision], cwd=ROOT)
        wait_for(lambda: any("/objects/" in path for path in asked))
        worker.kill()
        worker.wait()
        wait_for(lambda: "closed" in asked)  # git and its helper, who held the line, are gone too
    assert (home / "shop.new").exists()
    assert not (home / "shop.git").exists()
    source = GitSource(home, local_paths=True)
    source.fetch("shop", remote.url, MAIN, revision)
    assert source.commit("shop", revision).revision == revision
    assert not (home / "shop.new").exists()


def fetch(home: str, url: str, revision: str) -> None:
    """Fetch in a process of its own."""
    GitSource(Path(home), local_paths=False, private_addresses=True).fetch("shop", url, MAIN, revision)


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)
