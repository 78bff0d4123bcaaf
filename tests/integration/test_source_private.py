"""Private repositories over https: the token gets us in, and is seen nowhere but at the host it is for."""

import threading
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.credentials import Credentials, SourceForbidden, credentials
from pipeline.errors import Unavailable
from pipeline.forge_account import Account
from pipeline.project import Forge
from runtime.source import GitSource
from tests.git_https import make_certificate, serving
from tests.repositories import Repository

MAIN = "refs/heads/main"
TOKEN = "glpat-0123456789abcdef"
WORD = b64encode(f"oauth2:{TOKEN}".encode()).decode()
HEADER = f"Basic {WORD}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _trusting(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_SSL_CAINFO", f"{certificate}.crt")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    repository = Repository.make(tmp_path / "www" / "shop.git")
    repository.commit({"Dockerfile": b"FROM scratch\n"})
    repository.git("update-server-info")
    return repository


@pytest.fixture
def source(tmp_path: Path) -> GitSource:
    return GitSource(tmp_path / "home", local_paths=False, private_addresses=True)


def known(address: str, token: str = TOKEN) -> Credentials:
    account = Account(forge=Forge.GITLAB, api_url=f"{address}/api/v4", repository="acme/shop")
    made = credentials(account, f"{address}/shop.git", token)
    assert made is not None
    return made


def test_a_private_repository_is_fetched_with_the_token(
    remote: Repository, certificate: Path, source: GitSource
) -> None:
    revision = remote.git("rev-parse", MAIN)
    with serving(remote.path.parent, certificate, wanted=HEADER) as (address, _):
        url = f"{address}/shop.git"
        source.fetch("shop", url, MAIN, revision, credentials=known(address))
        assert source.tip("shop", url, MAIN, credentials=known(address)) == revision
    assert source.read("shop", revision, "Dockerfile") == b"FROM scratch\n"


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_token_that_is_refused_is_said_to_be(
    remote: Repository, certificate: Path, source: GitSource, refusal: int
) -> None:
    with serving(remote.path.parent, certificate, wanted=HEADER, refusal=refusal) as (address, asked):
        mine = known(address, "glpat-wrong")
        for ask in (
            lambda: source.tips("shop", f"{address}/shop.git", credentials=mine),
            lambda: source.tip("shop", f"{address}/shop.git", MAIN, credentials=mine),
        ):
            with pytest.raises(SourceForbidden, check=lambda error: error.code == "source_forbidden") as caught:
                ask()
            said = "refuses the token of shop: set another with ./slipway project token shop"
            assert caught.value.sentence == f"127.0.0.1 {said}"
        assert len(asked) == 2


@pytest.mark.parametrize("refusal", [401, 403])
def test_a_mirror_that_is_no_longer_let_in_stays_as_it_is(
    remote: Repository, certificate: Path, source: GitSource, refusal: int
) -> None:
    revision = remote.git("rev-parse", MAIN)
    with serving(remote.path.parent, certificate, wanted=HEADER, refusal=refusal) as (address, _):
        source.fetch("shop", f"{address}/shop.git", MAIN, revision, credentials=known(address))
        with pytest.raises(SourceForbidden, match=r"wants a token: give it one with \./slipway project token shop"):
            source.tip("shop", f"{address}/shop.git", MAIN)
    assert source.commit("shop", revision).revision == revision


def test_a_host_that_is_down_is_not_taken_for_one_that_refuses(
    remote: Repository, certificate: Path, source: GitSource
) -> None:
    with (
        serving(remote.path.parent, certificate, wanted=HEADER, refusal=503) as (address, _),
        pytest.raises(Unavailable, check=lambda error: error.code == "source_unavailable"),
    ):
        source.tips("shop", f"{address}/shop.git", credentials=known(address, "glpat-wrong"))


def test_G11_the_token_is_on_no_disk_in_no_process_list_and_in_no_error(
    remote: Repository, certificate: Path, source: GitSource, tmp_path: Path
) -> None:
    seen: list[str] = []
    revision = remote.git("rev-parse", MAIN)
    with serving(remote.path.parent, certificate, wanted=HEADER, held="/objects/") as (address, asked):
        mine = known(address)
        slow = GitSource(tmp_path / "home", local_paths=False, private_addresses=True, seconds=1.0)
        faults: list[Unavailable] = []
        fetching = threading.Thread(target=fetch, args=(slow, f"{address}/shop.git", revision, mine, faults))
        fetching.start()
        deadline = time.monotonic() + 10
        while not any("/objects/" in path for path in asked):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        seen += command_lines()
        kept = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert kept and not [path for path in kept if holds_secret(path.read_bytes())]
        fetching.join()
    assert any(f"{address}/shop.git" in line for line in seen)
    assert not [line for line in seen if holds_secret(line.encode())]
    assert [fault.code for fault in faults] == ["git_timeout"]
    shown = "".join((*map(repr, (mine, *faults)), *(fault.sentence for fault in faults)))
    assert not holds_secret(shown.encode())


def test_G11_the_mirror_of_a_private_repository_does_not_hold_its_token(
    remote: Repository, certificate: Path, source: GitSource, tmp_path: Path
) -> None:
    with serving(remote.path.parent, certificate, wanted=HEADER) as (address, _):
        mine = known(address)
        source.fetch("shop", f"{address}/shop.git", MAIN, remote.git("rev-parse", MAIN), credentials=mine)
        kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
        assert kept and not [path for path in kept if holds_secret(path.read_bytes())]


def test_G11_a_token_that_the_host_repeats_is_not_shown(certificate: Path, source: GitSource, tmp_path: Path) -> None:
    said = f"ERR no such token: {TOKEN} ({WORD})".encode()
    answer = b"001e# service=git-upload-pack\n0000%04x%s" % (len(said) + 4, said)
    with serving(tmp_path, certificate, said=answer) as (address, _), pytest.raises(Unavailable) as caught:
        source.tip("shop", f"{address}/shop.git", MAIN, credentials=known(address))
    assert "no such token: *** (***)" in caught.value.sentence


def test_G11_the_token_is_not_sent_on_to_where_a_host_redirects(
    remote: Repository, certificate: Path, source: GitSource, tmp_path: Path
) -> None:
    shown: list[str | None] = []
    with (
        serving(remote.path.parent, certificate, shown=shown) as (inside, reached),
        serving(tmp_path, certificate, elsewhere=inside, shown=shown) as (address, asked),
    ):
        with pytest.raises(Unavailable):
            source.tips("shop", f"{address}/shop.git", credentials=known(address))
        assert (len(asked), reached) == (1, [])
        assert shown == [HEADER]


def test_G11_the_token_is_shown_at_no_address_but_its_own(
    remote: Repository, certificate: Path, source: GitSource
) -> None:
    shown: list[str | None] = []
    with (
        serving(remote.path.parent, certificate) as (other, _),
        serving(remote.path.parent, certificate, shown=shown) as (address, _),
    ):
        source.tips("shop", f"{address}/shop.git", credentials=known(other))
        assert shown and set(shown) == {None}


def fetch(source: GitSource, url: str, revision: str, known: Credentials, faults: list[Unavailable]) -> None:
    try:
        source.fetch("shop", url, MAIN, revision, credentials=known)
    except Unavailable as fault:
        faults.append(fault)


def command_lines() -> Iterator[str]:
    """Yield what anybody on this machine sees of every process."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield line.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue  # it has ended since


def holds_secret(text: bytes) -> bool:
    return TOKEN.encode() in text or WORD.encode() in text
