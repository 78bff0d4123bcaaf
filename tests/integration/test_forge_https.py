"""A token is shown only to the host it is for: over TLS, by name, at an address that was looked at."""

import ipaddress
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec

from notify.forge_faults import AccountRefused, Silent
from notify.forge_gitea import Gitea
from notify.forge_http import LARGEST, ForgeHttp, look_up, trusted
from pipeline.reports import Status
from tests.forge_rules import SHA, TOKEN
from tests.forge_standin import Fault, standin

NAME = "git.test"
STATUS = Status(
    context="slipway", state="success", description="r1 passed", url="https://s.example/runs/r1", ended=True
)
PEM = forms.Encoding.PEM


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of git.test and 127.0.0.1, with its key, that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    names = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))
    signed = made.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(key, hashes.SHA256())
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    path.write_bytes(private + signed.public_bytes(PEM))
    return path


def http(url: str, *addresses: str, trusting: Path | None = None) -> ForgeHttp:
    """Return a client of an API whose host is at these addresses."""

    def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    def tls() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(trusting)) if trusting else trusted()

    headers = {"Authorization": f"token {TOKEN}"}
    known = {"secret": TOKEN, "timeout": 2.0, "private_addresses": True}
    return ForgeHttp(api_url=url, headers=headers, resolve=resolve, tls=tls, **known)  # type: ignore[arg-type]


def tell(client: ForgeHttp) -> None:
    Gitea(http=client, repository="acme/shop").tell(SHA, STATUS, ref="refs/heads/main")


def test_a_host_is_spoken_to_by_its_name_at_the_address_that_was_checked(certificate: Path) -> None:
    with standin("gitea", certificate=certificate) as host:
        port = host.url.rpartition(":")[2]
        tell(http(f"https://{NAME}:{port}", "127.0.0.1", trusting=certificate))
    assert [call.headers["host"] for call in host.calls] == [f"{NAME}:{port}"]
    assert host.host.shown() == {"slipway": "success"}


def test_a_certificate_of_another_name_is_refused_before_the_token_is_sent(certificate: Path) -> None:
    with standin("gitea", certificate=certificate) as host:
        port = host.url.rpartition(":")[2]
        with pytest.raises(Silent):
            tell(http(f"https://other.test:{port}", "127.0.0.1", trusting=certificate))
    assert host.calls == []


def test_a_certificate_that_nobody_vouches_for_is_refused_before_the_token_is_sent(certificate: Path) -> None:
    with standin("gitea", certificate=certificate) as host, pytest.raises(Silent, match="ConnectError"):
        tell(http(host.url, "127.0.0.1"))
    assert host.calls == []


def test_a_second_address_is_tried_where_the_first_does_not_answer() -> None:
    with standin("gitea") as host:
        tell(http(host.url, "127.9.9.9", "127.0.0.1"))
    assert host.host.shown() == {"slipway": "success"}


def test_one_inner_address_among_public_ones_is_enough_to_refuse() -> None:
    with pytest.raises(AccountRefused) as refused:
        tell(http("https://git.example", "93.184.216.34", "169.254.169.254"))
    assert refused.value.code == "private_address"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_an_ipv6_address_can_be_spoken_to() -> None:
    with pytest.raises(Silent, match="ConnectError"):
        tell(http("https://git.example:1", "::1"))


def test_an_answer_without_end_is_cut() -> None:
    with standin("gitea") as host:
        host.fail(Fault(status=200, page='"' + "x" * (LARGEST + 1) + '"'))
        with pytest.raises(Silent):
            tell(http(host.url, "127.0.0.1"))


def test_a_name_is_looked_up_and_an_unknown_one_has_no_address() -> None:
    assert set(look_up("localhost", 80)) <= {"127.0.0.1", "::1"} and look_up("localhost", 80)
    assert look_up("git.invalid", 443) == ()


def test_a_client_does_not_say_its_secret_in_a_traceback() -> None:
    assert TOKEN not in repr(http("https://git.example", "127.0.0.1"))
