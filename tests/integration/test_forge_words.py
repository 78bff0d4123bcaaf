"""What a git host says of a fault is shown to people; what we showed the host is not."""

from base64 import b64encode
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import rsa

from notify.forge_faults import AccountRefused, Refused
from notify.forge_secrets import hidden, secrets_of
from notify.status import HttpForges
from pipeline.forge_account import Account
from pipeline.project import Forge
from pipeline.reports import Status
from tests.forge_rules import APP, INSTALLATION, REPOSITORY, SHA
from tests.forge_standin import ECHO, Fault, standin

TOKEN = "glpat-" + "S?=~" * 15
USER = "me@example.com"
WORD = b64encode(f"{USER}:{TOKEN}".encode()).decode()
STATUS = Status(context="slipway", state="success", description="r1", url="https://s.example/runs/r1", ended=True)
FORGES = ("github", "gitlab", "gitea", "forgejo", "bitbucket", "bitbucket-server")
CLIENT = HttpForges(timeout=2, private_addresses=True, pause=0.0)


def complaint(forge: str, page: str, *, user: str = "", status: int = 422) -> str:
    """Return our words for a host's complaint about a status."""
    with standin(forge) as host:
        host.fail(Fault(status=status, page=page))
        repository = REPOSITORY.get(forge, "acme/shop")
        account = Account(forge=Forge(forge), api_url=host.url, repository=repository, user=user)
        teller = CLIENT.teller(account, TOKEN)
        with pytest.raises((Refused, AccountRefused)) as caught:
            teller.tell(SHA, STATUS, ref="refs/heads/main")
        return caught.value.sentence


@pytest.mark.parametrize("user", ["", USER], ids=["token", "user and token"])
@pytest.mark.parametrize("forge", FORGES)
@pytest.mark.parametrize("status", [403, 422])
def test_G11_a_header_that_a_host_repeats_is_not_shown(forge: str, user: str, status: int) -> None:
    said = complaint(forge, f'{{"message": "bad header: {ECHO}"}}', user=user, status=status)
    assert "bad header: " in said and said.count("***") == 1
    assert TOKEN not in said and WORD not in said


@pytest.mark.parametrize("before", range(130, 201, 7))
def test_G11_a_token_that_lies_across_the_end_of_a_line_is_not_shown(before: int) -> None:
    said = complaint("gitlab", f'{{"message": "{"x" * before} {TOKEN}"}}')
    assert "xxx" in said and TOKEN[:4] not in said


def test_G11_what_shows_who_an_app_is_is_not_shown_again() -> None:
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption()
    )
    identity = jwt.encode({"iss": str(APP)}, pem, algorithm="RS256").partition(".")[0]
    with standin("github") as host:
        host.fail(Fault(status=422, page=f'{{"message": "no such identity: {ECHO}"}}'))
        known = {"repository": "acme/shop", "api_url": host.url, "app_id": APP, "installation_id": INSTALLATION}
        with pytest.raises(AccountRefused) as caught:
            CLIENT.session(Account(forge=Forge.GITHUB, **known), pem.decode())  # type: ignore[arg-type]
        assert host.calls[0].headers["authorization"].startswith(f"Bearer {identity}")
    assert caught.value.sentence.endswith("no such identity: Bearer ***")


@pytest.mark.parametrize("form", [TOKEN, WORD, WORD.rstrip("="), quote(WORD, safe=""), quote(TOKEN, safe="")])
def test_G11_a_secret_is_hidden_in_every_form_that_a_header_or_an_address_gives_it(form: str) -> None:
    secrets = secrets_of({"Authorization": f"Basic {WORD}"}, TOKEN)
    assert hidden(f"you sent {form}!", secrets) == "you sent ***!"


def test_without_a_secret_every_word_stays() -> None:
    assert hidden("no such repository", secrets_of({}, "")) == "no such repository"
