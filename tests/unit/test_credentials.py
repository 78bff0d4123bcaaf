"""With what a private repository is fetched: as whom, and at which host alone."""

from base64 import b64decode

import pytest

from pipeline.credentials import credentials
from pipeline.forge_account import Account
from pipeline.project import Forge


def shown(forge: Forge, *, user: str = "", url: str, api: str) -> str | None:
    account = Account(forge=forge, api_url=api, repository="acme/shop", user=user)
    known = credentials(account, url, "t0ken")
    if known is None:
        return None
    scheme, _, word = known.header.removeprefix("Authorization: ").partition(" ")
    return f"{known.site} {scheme} {b64decode(word).decode() if scheme == 'Basic' else word}"


HUB, HUB_API = "https://github.com/acme/shop.git", "https://api.github.com"
BUCKET, BUCKET_API = "https://bitbucket.org/acme/shop.git", "https://api.bitbucket.org/2.0"
OWN, OWN_API = "https://Git.example.com:8443/acme/shop.git", "https://git.example.com:8443/api/v1"


@pytest.mark.parametrize(
    ("forge", "user", "url", "api", "expected"),
    [
        (Forge.GITHUB, "", HUB, HUB_API, "https://github.com/ Basic x-access-token:t0ken"),
        (Forge.GITHUB, "ana", HUB, HUB_API, "https://github.com/ Basic x-access-token:t0ken"),
        (Forge.GITLAB, "", OWN, OWN_API, "https://Git.example.com:8443/ Basic oauth2:t0ken"),
        (Forge.GITEA, "", OWN, OWN_API, "https://Git.example.com:8443/ Basic x-access-token:t0ken"),
        (Forge.FORGEJO, "ana", OWN, OWN_API, "https://Git.example.com:8443/ Basic ana:t0ken"),
        (Forge.BITBUCKET, "", BUCKET, BUCKET_API, "https://bitbucket.org/ Basic x-token-auth:t0ken"),
        (Forge.BITBUCKET, "ana", BUCKET, BUCKET_API, "https://bitbucket.org/ Basic ana:t0ken"),
        (Forge.BITBUCKET, "a@x", BUCKET, BUCKET_API, "https://bitbucket.org/ Basic x-bitbucket-api-token-auth:t0ken"),
        (Forge.BITBUCKET_SERVER, "", OWN, OWN_API, "https://Git.example.com:8443/ Bearer t0ken"),
        (Forge.BITBUCKET_SERVER, "ana", OWN, OWN_API, "https://Git.example.com:8443/ Basic ana:t0ken"),
    ],
)
def test_each_host_is_shown_the_token_as_it_takes_it(
    forge: Forge, user: str, url: str, api: str, expected: str
) -> None:
    assert shown(forge, user=user, url=url, api=api) == expected


@pytest.mark.parametrize(
    ("url", "api"),
    [
        ("https://github.com.example.com/acme/shop.git", HUB_API),
        ("https://git.example.com/acme/shop.git", OWN_API),
        ("https://git.example.com:99999/acme/shop.git", OWN_API),
        ("https://api.example.com/shop.git", "https://example.com/api/v1"),
        ("https://127.0.0.1:3000/shop.git", "http://127.0.0.1:3000/api/v1"),
        ("git@github.com:acme/shop.git", HUB_API),
        ("ssh://git@github.com/acme/shop.git", HUB_API),
        ("/srv/git/shop.git", HUB_API),
    ],
)
def test_G11_a_token_is_for_the_host_it_was_given_for_and_for_https_alone(url: str, api: str) -> None:
    assert shown(Forge.GITEA, url=url, api=api) is None


def test_G11_credentials_do_not_say_their_secret() -> None:
    account = Account(forge=Forge.GITHUB, api_url=HUB_API, repository="acme/shop")
    assert repr(credentials(account, HUB, "t0ken")) == "Credentials(site='https://github.com/')"
