"""What may be deployed over what: only what contains it."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.deployment import Release
from pipeline.grammar import parse
from pipeline.health import HealthCheck
from pipeline.intents import Intent, Target
from pipeline.order import Behind, Place, behind, held

OLD, NEW, ASIDE = "1" * 40, "2" * 40, "a" * 40
PLACE = Place(project="shop", environment="staging", since=12)


def release(service: str, revision: str) -> Release:
    return Release(service=service, revision=revision, image="", port=80, health=HealthCheck())


def line(revision: str, ancestor: str) -> bool:
    """Tell what comes after what in a history of numbers."""
    return int(revision, 16) >= int(ancestor, 16)


def test_the_first_service_that_would_go_back_is_named() -> None:
    live = (release("api", NEW), release("web", OLD))
    new = (release("web", NEW), release("api", OLD))
    assert behind(live, new, line) == Behind(new=new[1], live=live[0])


def test_what_serves_nothing_yet_and_what_stays_are_never_behind() -> None:
    def never(revision: str, ancestor: str) -> bool:
        raise AssertionError("there is nothing to ask git")

    assert behind((), [release("web", OLD)], never) is None
    assert behind([release("web", OLD)], [release("web", OLD), release("api", NEW)], never) is None


def test_git_is_asked_once_for_each_pair_of_commits() -> None:
    asked = []

    def descends(revision: str, ancestor: str) -> bool:
        asked.append((revision, ancestor))
        return True

    services = [f"s{number}" for number in range(9)]
    assert behind([release(one, OLD) for one in services], [release(one, NEW) for one in services], descends) is None
    assert asked == [(NEW, OLD)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=6))
def test_nothing_is_behind_exactly_if_every_service_goes_forward(pairs: list[tuple[int, int]]) -> None:
    live = [release(f"s{number}", str(was)) for number, (was, _) in enumerate(pairs)]
    new = [release(f"s{number}", str(to)) for number, (_, to) in enumerate(pairs)]
    assert (behind(live, new, line) is None) == all(to >= was for was, to in pairs)


def test_what_is_held_says_why_and_what_does_it_anyway() -> None:
    found = Behind(new=release("web", OLD), live=release("web", ASIDE))
    assert held(found, PLACE, services=()) == (
        "held: 1111111 does not come after aaaaaaa, which serves in staging since d12; "
        "`deploy shop@1111111 to staging` does it anyway"
    )
    forced = held(found, PLACE, services=(), forced="main was forced back")
    assert forced.startswith("held: main was forced back: 1111111 does not come after aaaaaaa")


def test_the_line_is_one_that_people_can_say() -> None:
    found = Behind(new=release("web", OLD), live=release("web", ASIDE))
    said = held(found, PLACE, services=["api", "web"]).split("`")[1]
    intent = parse(said)
    assert isinstance(intent, Intent)
    assert intent.targets == (Target(name="shop/api", ref="1111111"), Target(name="shop/web", ref="1111111"))
    assert intent.environment == "staging"
