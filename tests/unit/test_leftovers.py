"""What is left over on an engine, and what is not."""

import pytest

from pipeline.leftovers import ENVIRONMENT, INSTANCE, PROJECT, RUN, SERVICE, STAGE, Known, Owned, Thing, orphans

KNOWN = Known(
    ended=frozenset({"r1"}),
    open=frozenset({"r2"}),
    open_stages=frozenset({("r2", "unit")}),
    instances=frozenset({"7"}),
    environments=frozenset({("shop", "staging")}),
    services=frozenset({("shop", "web")}),
)


def owned(labels: dict[str, str], *, age: float = 0.5, kind: Thing = Thing.CONTAINER) -> Owned:
    return Owned(kind=kind, id="x", name=kind, age=age, labels=labels)


@pytest.mark.parametrize(
    "labels",
    [
        {INSTANCE: "7", ENVIRONMENT: "staging"},
        {RUN: "r2", STAGE: "unit"},
        {RUN: "r2"},
        {RUN: "r99", STAGE: "unit"},
        {PROJECT: "shop", ENVIRONMENT: "staging"},
        {PROJECT: "new", ENVIRONMENT: "staging"},
        {},
    ],
    ids=["serves", "at work", "of a run under way", "a run just made", "an environment", "one just made", "nameless"],
)
def test_what_is_needed_or_may_soon_be_stays(labels: dict[str, str]) -> None:
    assert not list(orphans([owned(labels)], KNOWN))


@pytest.mark.parametrize(
    ("labels", "age", "why"),
    [
        ({INSTANCE: "8"}, 0.5, "i8 neither serves nor starts"),
        ({RUN: "r1", STAGE: "unit"}, 0.5, "r1 has ended"),
        ({RUN: "r2", STAGE: "build"}, 0.5, "build of r2 has ended"),
        ({RUN: "r99"}, 61, "nobody knows r99"),
        ({RUN: "nonsense"}, 61, "nobody knows nonsense"),
        ({PROJECT: "new", ENVIRONMENT: "staging"}, 61, "nobody knows new/staging"),
        ({}, 3601, "it does not say whose it is"),
    ],
)
def test_what_nothing_needs_goes_and_says_why(labels: dict[str, str], age: float, why: str) -> None:
    assert [one.why for one in orphans([owned(labels, age=age)], KNOWN)] == [why]


def test_containers_go_before_the_networks_and_volumes_they_are_on() -> None:
    there = [owned({RUN: "r1"}, kind=kind) for kind in (Thing.VOLUME, Thing.NETWORK, Thing.CONTAINER)]
    assert [one.owned.kind for one in orphans(there, KNOWN)] == [Thing.CONTAINER, Thing.NETWORK, Thing.VOLUME]


def test_a_build_containers_cache_stays_for_as_long_as_its_service_is_built() -> None:
    def cache(service: str, age: float) -> Owned:
        return owned({PROJECT: "shop", SERVICE: service}, kind=Thing.VOLUME, age=age)

    assert not list(orphans([cache("web", 9999), cache("new", 60)], KNOWN))
    assert [one.why for one in orphans([cache("old", 9999)], KNOWN)] == ["shop/old is not built any more"]


def test_a_network_or_volume_that_does_not_say_whose_it_is_is_the_homes() -> None:
    assert not list(orphans([owned({}, kind=kind, age=9999) for kind in (Thing.NETWORK, Thing.VOLUME)], KNOWN))
