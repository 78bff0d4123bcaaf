"""`slipway project token` and `slipway project app`: who answers a project's git host."""

import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import click

from config.settings import Settings
from pipeline.errors import NotFound, Rejected
from pipeline.forge_account import Account, account_of
from pipeline.project import Forge, Project
from runtime.stack_home import private_folder
from store import accounts, jobs, projects, reports
from store.accounts import Held
from store.migrate import upgrade
from store.sealing import seal_of
from store.session import Database

LONGEST = 16 * 1024
WELL, BROKEN, WAITING = "✓", "✗", "!"


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What the command line says of an account; what it leaves out stays as it was, or is derived."""

    name: str
    api_url: str | None
    repository: str | None
    user: str | None = None
    app_id: int | None = None
    installation_id: int | None = None


@click.command()
@click.argument("name")
@click.option("--api-url", help="Where the host's API is, if that does not follow from the repository's address.")
@click.option("--repository", help="What the host calls the repository: OWNER/NAME.")
@click.option("--user", help="Whose token it is, where the host wants to know (Bitbucket's API tokens).")
@click.option("--remove", is_flag=True, help="Forget the token; the host is told nothing more.")
def token(name: str, api_url: str | None, repository: str | None, user: str | None, remove: bool) -> None:
    """Answer a project's git host with a token, read from standard input and never shown again."""
    if remove:
        _remove(name)
        return
    _set(Said(name=name, api_url=api_url, repository=repository, user=user), _read_token())


@click.command()
@click.argument("name")
@click.option("--app-id", type=click.IntRange(min=1), required=True, help="The App's id.")
@click.option("--installation", type=click.IntRange(min=1), required=True, help="The id of its installation.")
@click.option("--api-url", help="Where GitHub's API is, if that does not follow from the repository's address.")
@click.option("--repository", help="What GitHub calls the repository: OWNER/NAME.")
def app(name: str, app_id: int, installation: int, api_url: str | None, repository: str | None) -> None:
    """Answer GitHub as an App, whose private key (PEM) is read from standard input and never shown again."""
    said = Said(name=name, api_url=api_url, repository=repository, app_id=app_id, installation_id=installation)
    _set(said, _read_key())


def account_line(held: Held, untold: tuple[str, ...]) -> str:
    """Return what `project list` says of an account."""
    where = f"{held.account.repository} at {held.account.api_url}"
    if held.broken:
        return f"  {BROKEN} answers to {where} have stopped: {held.fault}"
    if held.fault:
        return f"  {WAITING} answers to {where} wait: {held.fault}"
    if untold:
        return f"  {WAITING} answers go to {where}; not all were taken: {untold[0]}"
    return f"  {WELL} answers go to {where}"


def _set(said: Said, secret: str) -> None:
    settings, database = _open()
    with database.begin() as session:
        project = _project(projects.find(session, said.name), said.name)
        account = _account(said, project, accounts.find(session, project.id))
        sealed = seal_of(settings.home, settings.secret_key).close(secret, owner=accounts.owner(project.name, account))
        accounts.put(session, project.id, account, sealed)
        reports.again(session, project.id, at=datetime.now(UTC))
        jobs.hasten(session, jobs.JobKind.SWEEP, project.id)
    click.echo(f"What becomes of {project.name} is told to {account.repository} at {account.api_url}")


def _remove(name: str) -> None:
    _settings, database = _open()
    with database.begin() as session:
        project = _project(projects.find(session, name), name)
        if not accounts.remove(session, project.id):
            raise NotFound(f"{name} has no token")
    click.echo(f"{name} answers nobody any more")


def _account(said: Said, project: Project, known: Held | None) -> Account:
    before = known.account if known else None
    if said.app_id is not None and project.forge is not Forge.GITHUB:
        raise Rejected(f"{project.name} is a project of {project.forge}; Apps are GitHub's", code="no_app")
    made = account_of(
        project.forge,
        project.url,
        api_url=said.api_url or (before.api_url if before else ""),
        repository=said.repository or (before.repository if before else ""),
        user=said.user if said.user is not None else (before.user if before else ""),
    )
    return replace(made, app_id=said.app_id, installation_id=said.installation_id)


def _project(found: Project | None, name: str) -> Project:
    if found is None:
        raise NotFound(f"there is no project {name}", fix="./slipway project list")
    return found


def _open() -> tuple[Settings, Database]:
    from runtime.wake import Wake

    settings = Settings()
    private_folder(settings.home)
    upgrade(settings.database_url)
    return settings, Database(settings.database_url, on_commit=Wake(settings.run / "clock.sock").send)


def _read_token() -> str:
    """Return a token from standard input; one that could not be a header's value is none."""
    text = click.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(LONGEST + 1)
    clean = str(text).strip()
    if not clean or len(clean) > LONGEST or not all("!" <= char <= "~" for char in clean):
        raise Rejected(
            "that is not a token: one word of printable characters",
            code="bad_token",
            fix="Give it on standard input: ./slipway project token NAME < token.txt",
        )
    return clean


def _read_key() -> str:
    """Return an RSA private key from standard input."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = sys.stdin.read(LONGEST + 1)
    try:
        key = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise Rejected(
            "that is not an RSA private key without a password, in PEM",
            code="bad_key",
            fix="GitHub: the App's settings → Private keys → Generate; give that file on standard input.",
        )
    return text.strip()
