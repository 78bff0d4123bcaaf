"""What `up` decides before it starts anything: parts, order, ports, back-off."""

import socket
from pathlib import Path

import pytest

from cli import exit_code
from commands.parts import checks, parts
from config.settings import ROOT, Settings
from pipeline.errors import Conflict, NotFound, Rejected, SlipwayError, StageFailed, Unavailable
from runtime.stack import read_procfile, waves
from runtime.stack_home import empty_home, private_folder
from runtime.stack_keep import delay
from runtime.stack_pid import Mark, own_mark, read_mark
from runtime.stack_ports import Wanted, holder, read_ports, resolve

PARTS = ("redis", "registry", "proxy", "dns", "web", "worker.1", "worker.2", "chat", "forges", "upkeep", "clock")


def want(port: int, *, before: int = 0, datagrams: bool = False, section: str = "web") -> Wanted:
    return Wanted(section=section, field="port", host="127.0.0.1", port=port, before=before, datagrams=datagrams)


def test_the_procfile_holds_every_part_once_and_as_many_workers_as_wanted() -> None:
    text = (ROOT / "Procfile").read_text()
    assert tuple(part.name for part in read_procfile(text, workers=2)) == PARTS


def test_every_line_of_the_procfile_is_kept_and_becomes_its_process() -> None:
    lines = read_procfile((ROOT / "Procfile").read_text(), workers=1)
    kept = {f"exec ./slipway keep -- ./slipway process {part.line}" for part in lines}
    assert {part.command for part in lines} == kept


def test_what_works_stops_before_what_it_leans_on() -> None:
    first = ("web", "worker.1", "worker.2", "chat", "forges", "upkeep", "clock")
    assert waves(PARTS) == (first, ("proxy", "dns"), ("redis", "registry"))


def test_a_part_the_order_does_not_know_stops_with_the_first() -> None:
    assert waves(("redis", "other"))[0] == ("other",)


@pytest.mark.parametrize(("quick", "seconds"), [(0, 0.2), (1, 0.2), (2, 0.4), (3, 0.8), (6, 5.0), (60, 5.0)])
def test_the_wait_before_a_restart_doubles_up_to_five_seconds(quick: int, seconds: float) -> None:
    assert delay(quick) == pytest.approx(seconds)


def test_ports_of_zero_become_free_and_different_ones() -> None:
    chosen = resolve([want(0), want(0, section="dns", datagrams=True), want(0, section="proxy")])
    numbers = [ports["port"] for ports in chosen.values()]
    assert len(set(numbers)) == 3
    assert min(numbers) > 0


def test_a_free_port_is_the_one_of_the_last_time_while_that_is_free() -> None:
    last = resolve([want(0)])["web"]["port"]
    assert resolve([want(0, before=last)]) == {"web": {"port": last}}


def test_a_port_of_the_last_time_that_is_taken_is_replaced() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert resolve([want(0, before=port)])["web"]["port"] != port


def test_a_taken_port_is_refused_with_its_setting_and_its_holder() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} .* taken by .* \\(pid ") as caught:
            resolve([want(port)])
    assert "SLIPWAY_WEB__PORT" in caught.value.fix


def test_a_port_taken_for_datagrams_only_is_refused_for_the_name_server() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(Unavailable, match="taken"):
            resolve([want(port, section="dns", datagrams=True)])


def test_nobody_holds_a_port_that_is_free() -> None:
    assert holder(resolve([want(0)])["web"]["port"], socket.SOCK_STREAM) == ""


def test_a_ports_file_that_was_cut_short_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text('{"web": {')
    assert read_ports(tmp_path / "ports.json") == {}


def test_a_pid_file_names_its_process(tmp_path: Path) -> None:
    (tmp_path / "up.pid").write_text(str(own_mark()))
    assert read_mark(tmp_path / "up.pid") == own_mark()


def test_a_pid_that_now_belongs_to_another_process_is_not_mistaken(tmp_path: Path) -> None:
    mark = own_mark()
    (tmp_path / "up.pid").write_text(str(Mark(pid=mark.pid, started=mark.started - 1)))
    assert read_mark(tmp_path / "up.pid") is None


@pytest.mark.parametrize("text", ["", "nonsense", "1", "999999999 5"])
def test_a_pid_file_that_names_no_process_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "up.pid").write_text(text)
    assert read_mark(tmp_path / "up.pid") is None


def test_a_private_folder_is_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    assert private_folder(tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_a_link_in_place_of_a_private_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").symlink_to("/tmp")
    with pytest.raises(Unavailable, match="belongs to somebody else"):
        private_folder(tmp_path / "home")


def test_emptying_a_home_takes_what_slipway_made_and_leaves_the_rest(tmp_path: Path) -> None:
    for name in ("redis", "registry", "transcripts", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (tmp_path / "slipway.db").touch()
    assert empty_home(tmp_path) == ("mine",)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_an_emptied_home_goes_too(tmp_path: Path) -> None:
    (tmp_path / "home" / "run").mkdir(parents=True)
    assert empty_home(tmp_path / "home") == ()
    assert not (tmp_path / "home").exists()


def test_a_redis_elsewhere_is_not_started_here(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_url="redis://:secret@10.0.0.1:6379/0", workers=1)
    assert "redis" not in {part.name for part in parts(settings)}
    assert "redis" in checks(settings)


@pytest.mark.parametrize(
    ("error", "code"),
    [(StageFailed(), 1), (Rejected(), 2), (Conflict(), 3), (NotFound(), 4), (Unavailable(), 5), (SlipwayError(), 5)],
)
def test_an_errors_family_is_the_exit_code(error: SlipwayError, code: int) -> None:
    assert exit_code(error) == code
