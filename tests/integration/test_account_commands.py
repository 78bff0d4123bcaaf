"""`slipway project token` and `app`: secrets come by standard input and are seen nowhere again."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pydantic import SecretStr
from sqlalchemy import select

from commands.doctor_forges import answers
from commands.projects import project
from config.settings import Settings
from pipeline.errors import NotFound, Rejected, Unavailable
from pipeline.project import Forge
from runtime.stack_home import empty_home
from store import accounts, jobs, projects
from store.migrate import upgrade
from store.schema import JobRow, ReportRow
from store.sealing import KEY_FILE, seal_of
from store.session import Database, now
from tests import factories as make
from tests.conftest import MOMENT

TOKEN = "ghp_0123456789"
PEM = forms.Encoding.PEM


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Return the database of a home in which two projects are registered."""
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path))
    settings = Settings()
    upgrade(settings.database_url)
    known = Database(settings.database_url)
    with known.begin() as session:
        make.project(session, "shop", url="https://github.com/acme/shop.git")
        make.project(session, "local", url="/srv/local.git", forge="git")
    return known


def say(*words: str, input: str = "") -> Result:
    return CliRunner().invoke(project, words, input=input, standalone_mode=False, catch_exceptions=False)


def held(database: Database, name: str = "shop") -> accounts.Held | None:
    with database.read() as session:
        found = projects.find(session, name)
        return accounts.find(session, found.id) if found else None


def opened(database: Database, home: Path) -> str:
    found = held(database)
    assert found is not None
    return seal_of(home).open(found.sealed, owner=found.owner)


def key(kind: str = "rsa") -> str:
    made = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    return made.private_bytes(PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()).decode()


def test_a_token_is_kept_sealed_and_never_shown(database: Database, tmp_path: Path) -> None:
    said = say("token", "shop", input=f"{TOKEN}\n")
    assert said.output == "What becomes of shop is told to acme/shop at https://api.github.com\n"
    assert opened(database, tmp_path) == TOKEN
    listed = say("list").output + say("list", "--json").output
    assert TOKEN not in listed and "✓ answers go to acme/shop at https://api.github.com" in listed
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []


def test_the_key_is_the_owners_alone_and_goes_with_the_home(database: Database, tmp_path: Path) -> None:
    say("token", "shop", input=TOKEN)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    database.dispose()
    assert empty_home(tmp_path) == ()


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    say("token", "shop", input=TOKEN)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(Unavailable, match="others may read"):
        say("token", "shop", input=TOKEN)


def test_a_new_token_keeps_what_was_said_of_the_host(database: Database, tmp_path: Path) -> None:
    say("token", "shop", "--api-url", "https://git.corp/api/v3", "--repository", "a/b", input="old")
    with database.begin() as session:
        found = held(database)
        assert found is not None
        accounts.broke(session, found, Rejected("no"))
    say("token", "shop", input=TOKEN)
    found = held(database)
    assert found is not None
    assert (found.account.api_url, found.account.repository) == ("https://git.corp/api/v3", "a/b")
    assert (found.broken, found.fault, found.version) == (False, "", 2) and opened(database, tmp_path) == TOKEN


def test_a_removed_token_is_gone(database: Database) -> None:
    say("token", "shop", input=TOKEN)
    assert say("token", "shop", "--remove").output == "shop answers nobody any more\n"
    assert held(database) is None
    with pytest.raises(NotFound):
        say("token", "shop", "--remove")


@pytest.mark.parametrize("text", ["", " \n", "two words", "a\r\nX-Evil: 1", "tökën", "x" * 20_000])
def test_what_could_not_be_a_headers_value_is_no_token(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        say("token", "shop", input=text)
    assert refused.value.code == "bad_token" and (len(text) < 3 or text not in refused.value.sentence)


def test_an_unknown_project_is_said_to_be() -> None:
    with pytest.raises(NotFound):
        say("token", "nobody", input=TOKEN)


def test_plain_git_has_nobody_to_answer() -> None:
    with pytest.raises(Rejected) as refused:
        say("token", "local", input=TOKEN)
    assert refused.value.code == "no_status_api"


def test_an_app_is_kept_with_its_key(database: Database, tmp_path: Path) -> None:
    pem = key()
    say("app", "shop", "--app-id", "11", "--installation", "77", input=pem)
    found = held(database)
    assert found is not None
    assert (found.account.app_id, found.account.installation_id) == (11, 77)
    assert opened(database, tmp_path) == pem.strip()
    say("token", "shop", input=TOKEN)
    found = held(database)
    assert found is not None and found.account.app_id is None


@pytest.mark.parametrize("text", ["", "nonsense", key("ec")])
def test_what_is_no_rsa_key_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        say("app", "shop", "--app-id", "11", "--installation", "77", input=text)
    assert refused.value.code == "bad_key"


def test_apps_are_githubs(database: Database) -> None:
    with database.begin() as session:
        make.project(session, "lab", url="https://gitlab.com/a/b.git", forge=Forge.GITLAB)
    with pytest.raises(Rejected) as refused:
        say("app", "lab", "--app-id", "11", "--installation", "77", input=key())
    assert refused.value.code == "no_app"


def test_the_list_and_the_doctor_say_what_is_wrong(database: Database) -> None:
    say("token", "shop", input=TOKEN)
    found = held(database)
    assert found is not None
    ((what, (look, _fix)),) = answers(Settings()).items()
    assert what == "shop answers https://api.github.com" and look() is None
    with database.begin() as session:
        session.add(ReportRow(project_id=1, subject="a" * 40, error="no such commit", changed_at=make.NOW))
    assert "! answers go to acme/shop at https://api.github.com; not all were taken: no such" in say("list").output
    with database.begin() as session:
        accounts.troubled(session, found, Unavailable("it does not answer"), rest=9.0)
    assert "! answers to acme/shop at https://api.github.com wait: it does not answer" in say("list").output
    with database.begin() as session:
        accounts.broke(session, found, Rejected("it does not take the token"))
    assert "✗ answers to acme/shop at https://api.github.com have stopped" in say("list").output
    ((_what, (look, fix)),) = answers(Settings()).items()
    assert look() == "it does not take the token" and fix == "./slipway project token shop"
    listed = json.loads(say("list", "--json").output)["items"]
    assert [one["answers_fault"] for one in listed] == ["", "it does not take the token"]


def test_the_doctor_asks_nothing_where_there_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLIPWAY_HOME", str(tmp_path / "new"))
    assert answers(Settings()) == {}


def test_a_seal_opens_for_its_owner_only_and_with_its_key_only(tmp_path: Path) -> None:
    one, other = seal_of(tmp_path), seal_of(tmp_path, SecretStr("x" * 32))
    sealed = one.close(TOKEN, owner="shop")
    assert seal_of(tmp_path).open(sealed, owner="shop") == TOKEN
    for seal, owner in ((one, "other"), (other, "shop")):
        with pytest.raises(Rejected) as refused:
            seal.open(sealed, owner=owner)
        assert refused.value.code == "wrong_key"
    assert other.open(seal_of(tmp_path, SecretStr("x" * 32)).close(TOKEN, owner="a"), owner="a") == TOKEN


def test_a_short_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Rejected, match="fewer than 32"):
        seal_of(tmp_path, SecretStr("short"))


def test_a_new_token_has_a_repository_that_was_shut_looked_at_at_once(database: Database) -> None:
    with database.begin() as session:
        for name in ("shop", "local"):
            found = projects.find(session, name)
            assert found is not None
            jobs.add(session, jobs.JobKind.SWEEP, found.id, at=MOMENT, delay=1800)
    say("token", "shop", input=TOKEN)
    with database.read() as session:
        rows = session.execute(select(JobRow.ref_id, JobRow.not_before <= now()).where(JobRow.kind == "sweep"))
        assert [tuple(row) for row in rows] == [(1, True), (2, False)]
