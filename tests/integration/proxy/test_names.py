"""Names on a real dnsmasq: there at the next question, gone at the next one."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from pipeline.errors import Rejected, Unavailable
from pipeline.routes import Route, Routes
from runtime.dnsmasq import Dnsmasq
from tests.parts import need
from tests.proxy_world import free_port, until

ZONES = ("slipway.test", "slipway.localhost")
HOST = "web.staging.shop.slipway.test"


class NameServer:
    """A dnsmasq in a home of its own."""

    def __init__(self, home: Path) -> None:
        self.hosts = home / "dns" / "hosts"
        self.port = free_port()
        self.names = Dnsmasq(directory=home / "dns", address="127.0.0.1", zones=ZONES)
        self.process: subprocess.Popen[bytes] | None = None
        self._run = home / "run"

    def start(self) -> None:
        """Do as the launcher does, and wait until Slipway's own name is answered."""
        self.names.write_config(listen="127.0.0.1", port=self.port, run=self._run)
        self.process = subprocess.Popen(self.names.argv(), stderr=subprocess.DEVNULL)
        until(self._answers)

    def stop(self) -> None:
        """Kill it, if it runs."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def publish(self, *hosts: str) -> None:
        """Publish a route for each host."""
        routes = tuple(Route(id=number, hosts=(host,)) for number, host in enumerate(hosts, start=1))
        self.names.apply(lambda: Routes(routes=routes))

    def ask(self, name: str, kind: str = "A", timeout: float = 2.0) -> dns.message.Message:
        """Ask once."""
        return dns.query.udp(dns.message.make_query(name, kind), "127.0.0.1", timeout=timeout, port=self.port)

    def addresses(self, name: str) -> list[str]:
        """Return the addresses of a name."""
        return [str(record) for answer in self.ask(name).answer for record in answer]

    def _answers(self) -> bool:
        try:
            return bool(self.ask(f"slipway.{ZONES[0]}", timeout=0.05).answer)
        except dns.exception.Timeout:
            return False


@pytest.fixture
def idle() -> Iterator[NameServer]:
    """A home in which dnsmasq has not been started yet."""
    need("dnsmasq")
    home = Path(tempfile.mkdtemp(prefix="slipway-ns-"))
    server = NameServer(home)
    yield server
    server.stop()
    shutil.rmtree(home)


@pytest.fixture
def server(idle: NameServer) -> NameServer:
    """A running dnsmasq."""
    idle.start()
    return idle


def test_F50_a_hundred_names_are_each_answered_at_the_next_question_and_gone_at_the_next(server: NameServer) -> None:
    for number in range(100):
        server.publish(f"web.pr-{number}.shop.slipway.test")
        assert server.addresses(f"web.pr-{number}.shop.slipway.test") == ["127.0.0.1"]
        if number:
            assert server.ask(f"web.pr-{number - 1}.shop.slipway.test").rcode() == dns.rcode.NXDOMAIN
    server.publish()
    assert server.ask("web.pr-99.shop.slipway.test").rcode() == dns.rcode.NXDOMAIN


def test_every_name_of_a_route_is_answered_and_soon_forgotten_by_who_asked(server: NameServer) -> None:
    hosts = (HOST, "staging.shop.slipway.test", "web.staging.shop.slipway.localhost")
    server.names.apply(lambda: Routes(routes=(Route(id=1, hosts=hosts),)))
    for host in hosts:
        answer = server.ask(host)
        assert [str(record) for record in answer.answer[0]] == ["127.0.0.1"]
        assert answer.answer[0].ttl <= 5


@pytest.mark.parametrize("name", ["slipway.test", "slipway.slipway.test", "slipway.localhost"])
def test_slipways_own_names_are_always_there(server: NameServer, name: str) -> None:
    server.publish()
    assert name in server.names.own_names
    assert server.addresses(name) == ["127.0.0.1"]


@pytest.mark.parametrize("zone", ZONES)
def test_an_unknown_name_in_our_zones_does_not_exist(server: NameServer, zone: str) -> None:
    assert server.ask(f"nobody.{zone}").rcode() == dns.rcode.NXDOMAIN


def test_a_name_of_others_is_refused_at_once_and_never_passed_on(server: NameServer) -> None:
    assert server.ask("example.com").rcode() == dns.rcode.REFUSED


def test_a_known_name_has_no_other_kind_of_record(server: NameServer) -> None:
    server.publish(HOST)
    answer = server.ask(HOST, "AAAA")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_tcp_is_answered_too(server: NameServer) -> None:
    server.publish(HOST)
    answer = dns.query.tcp(dns.message.make_query(HOST, "A"), "127.0.0.1", timeout=2, port=server.port)
    assert answer.answer[0].rdtype == dns.rdatatype.A


def test_F51_after_a_kill_and_a_restart_the_same_names_are_answered(server: NameServer) -> None:
    server.publish(HOST)
    server.stop()
    server.publish(HOST, "later.staging.shop.slipway.test")
    server.start()
    assert server.addresses(HOST) == ["127.0.0.1"]
    assert server.addresses("later.staging.shop.slipway.test") == ["127.0.0.1"]


def test_what_is_published_before_the_first_start_is_answered_then(idle: NameServer) -> None:
    idle.publish(HOST)
    idle.start()
    assert idle.addresses(HOST) == ["127.0.0.1"]


def test_a_file_that_is_still_being_written_is_not_read(server: NameServer) -> None:
    (server.hosts / ".r1.abcdef").write_text("127.0.0.1 half.slipway.test\n")
    server.publish(HOST)
    assert server.addresses(HOST) == ["127.0.0.1"]
    assert server.ask("half.slipway.test").rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "slipway.test.example.com",
        "notslipway.test",
        "slipway.test",
        "test",
        "a.slipway.test\n6.6.6.6 example.com",
        "a.slipway.test b.example.com",
        "*.slipway.test",
        ".slipway.test",
        "a#.slipway.test",
        "A.slipway.test",
        "",
    ],
)
def test_P2_a_foreign_or_malformed_name_is_refused_and_nothing_changes(idle: NameServer, host: str) -> None:
    idle.publish(HOST)
    before = {path.name: path.read_bytes() for path in idle.hosts.iterdir()}
    with pytest.raises(Rejected):
        idle.publish("fine.slipway.test", host)
    assert {path.name: path.read_bytes() for path in idle.hosts.iterdir()} == before


def test_port_zero_is_refused_since_it_would_switch_names_off(idle: NameServer) -> None:
    with pytest.raises(Rejected):
        idle.names.write_config(listen="127.0.0.1", port=0, run=idle.hosts)


def test_a_configuration_that_dnsmasq_refuses_is_not_written(idle: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.dnsmasq.TTL", "soon")
    with pytest.raises(Unavailable) as fault:
        idle.names.write_config(listen="127.0.0.1", port=idle.port, run=idle.hosts)
    assert fault.value.code == "names_config"
    assert not (idle.hosts.parent / "dnsmasq.conf").exists()
