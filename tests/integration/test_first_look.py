"""`slipway project add` looks at the repository once: what is there is taken as told."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from commands.projects import project
from pipeline.errors import Rejected
from store.schema import ProjectRow, RefHeadRow
from store.session import Database
from tests.parts import need
from tests.repositories import Repository


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    need("git")
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    return Repository.make(tmp_path / "shop.git", "--initial-branch=trunk")


def add(url: str, *words: str) -> Result:
    return CliRunner().invoke(project, ["add", "shop", "--url", url, *words])


def branch(result: Result) -> str:
    return next(line for line in result.stdout.splitlines() if line.startswith("  branch"))


def row(home: Path) -> tuple[ProjectRow, dict[str, str]]:
    database = Database(f"sqlite:///{home / 'slipway.db'}")
    with database.read() as session:
        heads = session.execute(select(RefHeadRow.ref, RefHeadRow.revision))
        found = session.scalars(select(ProjectRow)).one(), {one.ref: one.revision for one in heads}
    database.dispose()
    return found


def test_the_default_branch_is_the_one_the_repository_says_and_its_tip_is_told(remote: Repository, home: Path) -> None:
    revision = remote.commit({"a": b"1"}, ref="refs/heads/trunk")
    remote.point("refs/tags/v1", revision)
    said = add(remote.url)
    assert branch(said) == f"  branch   trunk is at {revision[:7]}; what is pushed from now on is run"
    added, heads = row(home)
    assert added.default_branch == "trunk"
    assert added.swept_at is not None
    assert heads == {"refs/heads/trunk": revision, "refs/tags/v1": revision}


def test_a_branch_that_was_given_is_the_default_one(remote: Repository, home: Path) -> None:
    remote.commit({"a": b"1"}, ref="refs/heads/trunk")
    assert branch(add(remote.url, "--branch", "next")) == "  branch   there is no next yet"
    assert row(home)[0].default_branch == "next"


def test_an_empty_repository_is_connected_before_its_first_push(remote: Repository, home: Path) -> None:
    assert branch(add(remote.url)) == "  branch   main; nothing was pushed yet"
    added, heads = row(home)
    assert (added.swept_at is not None, heads) == (True, {})


def test_a_repository_that_does_not_answer_is_connected_with_a_warning(home: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    said = add(str(tmp_path / "empty"), "--json")
    assert json.loads(said.stdout)["name"] == "shop"
    assert said.stderr.startswith("It could not be reached yet: ")
    added, heads = row(home)
    assert (added.default_branch, added.swept_at, heads) == ("main", None, {})


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254"])
def test_G10_an_inner_address_is_refused_where_strangers_may_name_one(
    home: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("SLIPWAY_WEB__PUBLIC_URL", "https://ci.example.com")
    for url in (f"https://{host}/shop.git", f"git@{host}:shop.git"):
        fault = add(url).exception
        assert isinstance(fault, Rejected)
        assert (fault.code, fault.status) == ("private_address", 400)
        assert fault.fix
    assert CliRunner().invoke(project, ["list", "--json"]).stdout == '{"items": [], "next": null}\n'


def test_G10_an_address_of_the_link_is_refused_everywhere() -> None:
    fault = add("https://169.254.169.254/latest").exception
    assert isinstance(fault, Rejected)
    assert fault.code == "private_address"
