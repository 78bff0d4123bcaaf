"""What an event means for a project."""

import pytest

from pipeline.decide import Head, Start, asks_to_skip, decide, ref_name, speaks_of
from pipeline.project import Forge, Project
from pipeline.push import Ignored, Ping, Push

A, B, ZERO = "a" * 40, "b" * 40, "0" * 40


def project(url: str = "https://github.com/acme/shop.git", name: str = "shop") -> Project:
    return Project(id=1, name=name, url=url, forge=Forge.GITHUB, secret="s")


def push(ref: str = "refs/heads/main", before: str = A, after: str = B, message: str = "") -> Push:
    return Push(ref=ref, before=before, after=after, message=message)


def code(decision: Start | Ignored) -> str:
    assert isinstance(decision, Ignored)
    return decision.code


def test_a_push_starts_a_run() -> None:
    assert decide(project(), push()) == Start(push=push())
    assert decide(project(), push(ref="refs/tags/v1")) == Start(push=push(ref="refs/tags/v1"))


def test_what_needs_no_run_has_a_code_and_a_sentence() -> None:
    assert code(decide(project(), Ping())) == "ping"
    assert code(decide(project(), push(after=ZERO))) == "ref_deleted"
    assert code(decide(project(), push(ref="refs/notes/commits"))) == "ignored_event"
    assert code(decide(project(), push(message="Fix a comma [skip ci]"))) == "skip_requested"
    said = Ignored(code="ignored_event", sentence="nothing to do")
    assert decide(project(), said) is said


def test_only_a_ref_that_moved_from_its_newest_run_may_run_a_commit_again() -> None:
    forced_back = push(before=B, after=A)
    assert decide(project(), forced_back, Head(run_id=2, revision=B)) == Start(push=forced_back, again="r2")
    assert decide(project(), forced_back, Head(run_id=3, revision=A)) == Start(push=forced_back)
    assert decide(project(), forced_back, None) == Start(push=forced_back)
    assert decide(project(), push(before=B, after=B), Head(run_id=2, revision=B)) == Start(push=push(before=B, after=B))


@pytest.mark.parametrize(
    ("message", "skips"),
    [
        ("Fix [skip ci]", True),
        ("Fix [CI Skip]", True),
        ("Fix [no ci]", True),
        ("Fix [skip actions]", True),
        ("Fix [actions skip]", True),
        ("Fix [ skip  ci ]", True),
        ("Fix\n\nSkip-Checks: true", True),
        ("Fix skip ci", False),
        ("Explain [skip ci ] and [skipci]", True),
        ("Do not skip-checks: true", False),
        ("", False),
    ],
)
def test_the_marks_that_ask_for_no_run(message: str, skips: bool) -> None:
    assert asks_to_skip(message) is skips


@pytest.mark.parametrize(
    ("url", "said", "same"),
    [
        ("https://github.com/acme/shop.git", "acme/shop", True),
        ("https://github.com/acme/shop", "Acme/Shop", True),
        ("git@github.com:acme/shop.git", "acme/shop", True),
        ("ssh://git@github.com:22/acme/shop.git", "acme/shop", True),
        ("https://github.com/acme/shop.git", "https://github.com/acme/shop.git", True),
        ("https://github.com/acme/shop.git", "shop", True),
        ("https://github.com/acme/shop.git", "evil/shop", False),
        ("https://github.com/acme/shop.git", "acme/other", False),
        ("https://github.com/acme/shop.git", "http://[", False),
        ("https://github.com/acme/shop.git", "", False),
        ("https://github.com/acme/shop.git", "///", False),
        ("/srv/git/shop.git", "acme/shop", True),
        ("/srv/git/origin.git", "acme/shop", True),
        ("/srv/git/origin.git", "acme/origin", True),
        ("/srv/git/shop.git", "acme/other", False),
        ("file:///srv/git/shop.git", "acme/shop", True),
    ],
)
def test_W8_whether_a_delivery_is_about_this_repository(url: str, said: str, same: bool) -> None:
    assert speaks_of(project(url), said) is same


def test_a_ref_is_named_as_people_say_it() -> None:
    assert [ref_name(push(ref=ref)) for ref in ("refs/heads/a/b", "refs/tags/v1", "refs/x")] == ["a/b", "v1", "refs/x"]
