"""With what a private repository is fetched over https: a token of its project, for the one host it was given for."""

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pipeline.clone_url import peer
from pipeline.errors import Rejected
from pipeline.forge_account import Account
from pipeline.project import Forge

HTTPS, PORT = "https", 443
# Whom a token is shown as where its account names nobody; Gitea and Forgejo look at the token alone.
USERS = {Forge.GITHUB: "x-access-token", Forge.GITLAB: "oauth2", Forge.BITBUCKET: "x-token-auth"}
ANYBODY = "x-access-token"
# Bitbucket's API wants the e-mail address of an API token's owner, its git this name instead.
BITBUCKET_API_TOKEN = "x-bitbucket-api-token-auth"  # noqa: S105 - a user's name


class SourceForbidden(Rejected):
    """The git host does not let us at the repository."""

    code = "source_forbidden"
    status = 403


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """The header that lets us in at `site`, and at no other; it is never shown."""

    site: str
    header: str = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def credentials(account: Account, url: str, token: str) -> Credentials | None:
    """Return with what to fetch from an address; None if that is not at the host which the token was given for."""
    if not fits(account, url):
        return None
    user = _user(account)
    word = b64encode(f"{user}:{token}".encode()).decode()
    header = f"Authorization: Basic {word}" if user else f"Authorization: Bearer {token}"
    return Credentials(site=f"{HTTPS}://{urlsplit(url).netloc}/", header=header, secrets=(token, word))


def fits(account: Account, url: str) -> bool:
    """Tell whether an address is https at the host whose API the account is for."""
    there, api = peer(url), urlsplit(account.api_url)
    if there is None or not there.scheme == api.scheme == HTTPS:
        return False
    host = there.host.lower()
    return api.hostname in {host, f"api.{host}"} and (api.port or PORT) == there.port


def _user(account: Account) -> str:
    """Return whom the host is told the token is of; nobody, where it is taken without a name."""
    if account.forge is Forge.BITBUCKET and "@" in account.user:
        return BITBUCKET_API_TOKEN
    if account.forge in {Forge.GITHUB, Forge.GITLAB}:
        return USERS[account.forge]
    if account.forge is Forge.BITBUCKET_SERVER:
        return account.user
    return account.user or USERS.get(account.forge, ANYBODY)
