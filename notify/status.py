"""Git hosts: one table of who is told how, and with which header."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from notify import forge_github
from notify.forge_bitbucket import Bitbucket
from notify.forge_bitbucket_server import BitbucketServer
from notify.forge_gitea import Gitea
from notify.forge_github import GitHub
from notify.forge_gitlab import GitLab
from notify.forge_http import ForgeHttp
from pipeline.forge_account import Account
from pipeline.forge_ports import Teller
from pipeline.project import Forge

PAUSE = 1.0
Tellers = Callable[[ForgeHttp, str], Teller]

TELLERS: Mapping[Forge, Tellers] = {
    Forge.GITHUB: lambda http, repository: GitHub(http=http, repository=repository),
    Forge.GITLAB: lambda http, repository: GitLab(http=http, repository=repository),
    Forge.GITEA: lambda http, repository: Gitea(http=http, repository=repository),
    Forge.FORGEJO: lambda http, repository: Gitea(http=http, repository=repository),
    Forge.BITBUCKET: lambda http, repository: Bitbucket(http=http, repository=repository),
    Forge.BITBUCKET_SERVER: lambda http, repository: BitbucketServer(http=http, repository=repository),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpForges:
    """Git hosts over HTTP. `private_addresses`: whether one may be inside our own network."""

    timeout: float
    private_addresses: bool
    pause: float = PAUSE
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def teller(self, account: Account, secret: str) -> Teller:
        """Return who tells an account's host."""
        return TELLERS[account.forge](self._http(account, secret), account.repository)

    def session(self, account: Account, key: str) -> tuple[str, datetime]:
        """Return a token for a GitHub App's installation and until when it holds."""
        return forge_github.session(self._http(account, ""), account, key, self.now())

    def _http(self, account: Account, secret: str) -> ForgeHttp:
        return ForgeHttp(
            api_url=account.api_url,
            headers=_headers(account, secret) if secret else {},
            secret=secret,
            timeout=self.timeout,
            private_addresses=self.private_addresses,
        )


def _headers(account: Account, secret: str) -> dict[str, str]:
    if account.forge is Forge.GITHUB:
        return {**forge_github.HEADERS, "Authorization": f"Bearer {secret}"}
    if account.forge in {Forge.GITEA, Forge.FORGEJO}:
        return {"Authorization": f"token {secret}"}
    if account.user:
        pair = base64.b64encode(f"{account.user}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": f"Bearer {secret}"}
