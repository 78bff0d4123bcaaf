"""A key that whoever asks has chosen: sent twice, it is done once, on real databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from control.speak import do
from pipeline.errors import Conflict, Rejected
from pipeline.intents import Intent, Target, Verb
from store.replies import Once
from store.schema import RunRow
from store.session import Database
from tests import factories as make


@pytest.fixture
def shop(database: Database) -> Iterator[Database]:
    with database.begin() as session:
        make.run(session, make.project(session), word="one", key="one")
    yield database


def build(database: Database, key: str, *, digest: str = "d", ref: str = "main", later: float = 0.0) -> tuple[int, ...]:
    intent = Intent(verb=Verb.BUILD, targets=(Target(name="shop", ref=ref),), words=(key,))
    once = Once(key=key, digest=digest)
    at = make.NOW + timedelta(hours=later)
    return do(database, intent, actor="ana@example.com", channel="#deploys", at=at, once=once).runs


def count(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(RunRow)) or 0


def test_the_same_key_starts_one_run_and_gets_the_same_answer(shop: Database) -> None:
    first = build(shop, "a")
    assert first == (2,) and build(shop, "a") == first
    assert build(shop, "b") == (3,)
    assert count(shop) == 3


def test_a_key_with_another_request_is_refused(shop: Database) -> None:
    build(shop, "a")
    with pytest.raises(Conflict) as refused:
        build(shop, "a", digest="other")
    assert refused.value.code == "key_reused" and count(shop) == 2


def test_what_was_refused_keeps_no_key(shop: Database) -> None:
    with pytest.raises(Rejected):
        build(shop, "a", ref="nowhere")
    assert build(shop, "a") == (2,)


def test_a_key_is_forgotten_after_a_day(shop: Database) -> None:
    build(shop, "a")
    build(shop, "a", later=23)
    assert count(shop) == 2
    with shop.begin() as session:
        session.get_one(RunRow, 2).state = "passed"
    assert build(shop, "a", later=25) == (3,)


def test_many_that_send_one_key_at_once_start_one_run(shop: Database) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda _: build(shop, "a"), range(6))) == {(2,)}
    assert count(shop) == 2
