"""`slipway project secret`: the secret that a project's webhooks are signed with."""

import json
import sys
from base64 import b64decode, b64encode
from secrets import token_bytes

import click

from config.settings import Settings
from pipeline.clone_url import local_path
from pipeline.errors import NotFound, Rejected
from pipeline.project import Forge, Project
from runtime.stack_home import private_folder
from store import projects
from store.migrate import upgrade
from store.session import Database

SECRET_BYTES = 32
SHORTEST, LONGEST = 16, 500
# Their doors know no other signatures than those of Standard Webhooks, whose secrets are base64.
STANDARD = frozenset({Forge.GIT, Forge.GENERIC})


@click.command()
@click.argument("name")
@click.option("--stdin", "given", is_flag=True, help="Take it from standard input; it is not printed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def secret(name: str, given: bool, as_json: bool) -> None:
    """Give a project another webhook secret; the one it had is refused from now on."""
    settings = Settings()
    private_folder(settings.home)
    upgrade(settings.database_url)
    with Database(settings.database_url).begin() as session:
        known = projects.find(session, name)
        if known is None:
            raise NotFound(f"there is no project {name}", fix="./slipway project list")
        new = _read(known.forge) if given else new_secret()
        projects.set_secret(session, known.id, new)
    facts = {"name": name, "hook_url": hook_url(settings, known)} | ({} if given else {"secret": new})
    click.echo(json.dumps(facts) if as_json else _what_next(known, facts))


def new_secret() -> str:
    """Return a secret that every door can use: Standard Webhooks decode it, GitHub takes it as it is."""
    return f"whsec_{b64encode(token_bytes(SECRET_BYTES)).decode()}"


def hook_url(settings: Settings, known: Project) -> str:
    """Return the address that a project's webhooks go to."""
    return f"{settings.web_url}/hooks/{known.forge}/{known.name}"


def _read(forge: Forge) -> str:
    """Return a secret from standard input, if it is long enough and the project's door can use it."""
    text = click.prompt("Secret", hide_input=True) if sys.stdin.isatty() else sys.stdin.read(LONGEST + 2)
    clean = str(text).strip()
    if not SHORTEST <= len(clean) <= LONGEST or not all("!" <= char <= "~" for char in clean):
        raise Rejected(
            f"that is not a secret: one word of {SHORTEST} to {LONGEST} printable characters",
            code="bad_secret",
            fix="Leave --stdin out and have one made.",
        )
    if forge in STANDARD and not _is_standard(clean):
        raise Rejected(
            f"the door of {forge} wants a secret as Standard Webhooks say: whsec_ and base64",
            code="bad_secret",
            fix="Leave --stdin out and have one made.",
        )
    return clean


def _is_standard(text: str) -> bool:
    try:
        return bool(b64decode(text.removeprefix("whsec_"), validate=True))
    except ValueError:
        return False


def _what_next(known: Project, facts: dict[str, str]) -> str:
    lines = [
        f"{known.name} has another secret; what is signed with the one before is refused from now on",
        f"  webhook  {facts['hook_url']}",
    ]
    if "secret" in facts:
        lines.append(f"  secret   {facts['secret']}    (it is not shown again)")
    path = local_path(known.url)
    if path is not None:
        lines.append(f"If its hook was installed: slipway hook install {path} --project {known.name}")
    lines.append("Set it at the git host. What is refused until then is found by looking, or sent again from there.")
    return "\n".join(lines)
