"""The chat grammar: what parses, what is a mistake, and that nothing ever crashes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grammar import parse
from pipeline.grammar_words import ALIASES, USAGE
from pipeline.intents import Intent, Mistake, Target, Verb, as_json

DEPLOY, ROLLBACK = Verb.DEPLOY, Verb.ROLLBACK


def understood(line: str) -> Intent:
    intent = parse(line)
    assert isinstance(intent, Intent), intent
    return intent


def mistaken(line: str) -> Mistake:
    mistake = parse(line)
    assert isinstance(mistake, Mistake), mistake
    return mistake


def web(ref: str = "") -> tuple[Target, ...]:
    return (Target(name="web", ref=ref),)


EXAMPLES = {
    "deploy api": Intent(verb=DEPLOY, targets=(Target(name="api"),)),
    "deploy web to staging": Intent(verb=DEPLOY, targets=web(), environment="staging"),
    "deploy web on staging": Intent(verb=DEPLOY, targets=web(), environment="staging"),
    "deploy web in staging": Intent(verb=DEPLOY, targets=web(), environment="staging"),
    "Deploy WEB To Staging": Intent(verb=DEPLOY, targets=web(), environment="staging"),
    "deploy web@Feature/Login-2": Intent(verb=DEPLOY, targets=web("Feature/Login-2")),
    "deploy web@HEAD": Intent(verb=DEPLOY, targets=web("head")),
    "deploy shop/web@main": Intent(verb=DEPLOY, targets=(Target(name="shop/web", ref="main"),)),
    "deploy all to staging": Intent(verb=DEPLOY, targets=(Target(name="all"),), environment="staging"),
    "deploy api@feature/login-2 web@1a2b3c4 to staging": Intent(
        verb=DEPLOY,
        targets=(Target(name="api", ref="feature/login-2"), Target(name="web", ref="1a2b3c4")),
        environment="staging",
    ),
    "deploy api, web and jobs & mail": Intent(
        verb=DEPLOY, targets=tuple(Target(name=name) for name in ("api", "web", "jobs", "mail"))
    ),
    "deploy api,web@main,jobs": Intent(verb=DEPLOY, targets=(Target(name="api"), Target(name="web", ref="main,jobs"))),
    "deploy api@main,web@main": Intent(
        verb=DEPLOY, targets=(Target(name="api", ref="main"), Target(name="web", ref="main"))
    ),
    "deploy set 2026.11.21.3 to production: release 42": Intent(
        verb=DEPLOY, targets=(Target(set="2026.11.21.3"),), environment="production", reason="release 42"
    ),
    "deploy api to prod using canary 10%": Intent(
        verb=DEPLOY, targets=(Target(name="api"),), environment="prod", strategy="canary", percent=10
    ),
    "deploy! api@hotfix/x to production because sev1": Intent(
        verb=DEPLOY,
        targets=(Target(name="api", ref="hotfix/x"),),
        environment="production",
        reason="sev1",
        forced=True,
    ),
    "deploy web !": Intent(verb=DEPLOY, targets=web(), forced=True),
    "deploy web because it is late !": Intent(verb=DEPLOY, targets=web(), reason="it is late", forced=True),
    "deploy web because it is late!": Intent(verb=DEPLOY, targets=web(), reason="it is late!"),
    "ship web": Intent(verb=DEPLOY, targets=web()),
    "/deploy web to staging": Intent(verb=DEPLOY, targets=web(), environment="staging"),
    "/slipway deploy web": Intent(verb=DEPLOY, targets=web()),
    "@slipway deploy web": Intent(verb=DEPLOY, targets=web()),
    "/deploy stop": Intent(verb=DEPLOY, targets=(Target(name="stop"),)),
    "/deploy status staging": Intent(verb=Verb.STATUS, subject="staging"),
    "deploy status staging": Intent(verb=Verb.STATUS, subject="staging"),
    "deploy shop/status": Intent(verb=DEPLOY, targets=(Target(name="shop/status"),)),
    "rollback help": Intent(verb=Verb.HELP),
    "/deploy help": Intent(verb=Verb.HELP),
    "/slipway": Intent(verb=Verb.HELP),
    "": Intent(verb=Verb.HELP),
    "rollback production": Intent(verb=ROLLBACK, environment="production"),
    "/rollback staging": Intent(verb=ROLLBACK, environment="staging"),
    "undo staging: dull words": Intent(verb=ROLLBACK, environment="staging", reason="dull words"),
    "rollback web on staging": Intent(verb=ROLLBACK, targets=web(), environment="staging"),
    "rollback staging to 1a2b3c4": Intent(verb=ROLLBACK, environment="staging", back_to=Target(ref="1a2b3c4")),
    "rollback api web on production to set 2026.11.20.1 because 5xx": Intent(
        verb=ROLLBACK,
        targets=(Target(name="api"), Target(name="web")),
        environment="production",
        back_to=Target(set="2026.11.20.1"),
        reason="5xx",
    ),
    "promote api from staging to production: hotfix": Intent(
        verb=Verb.PROMOTE,
        targets=(Target(name="api"),),
        source="staging",
        environment="production",
        reason="hotfix",
    ),
    "promote staging to production": Intent(verb=Verb.PROMOTE, source="staging", environment="production"),
    "approve d142": Intent(verb=Verb.APPROVE, id="d142"),
    "lgtm #a-9": Intent(verb=Verb.APPROVE, id="a9"),
    "reject d142 because the migration is not reversible": Intent(
        verb=Verb.REJECT, id="d142", reason="the migration is not reversible"
    ),
    "advance d142 to 50%": Intent(verb=Verb.ADVANCE, id="d142", percent=50),
    "advance production": Intent(verb=Verb.ADVANCE, environment="production"),
    "abort D-142": Intent(verb=Verb.ABORT, id="d142"),
    "build shop@v1.2": Intent(verb=Verb.BUILD, targets=(Target(name="shop", ref="v1.2"),)),
    "build shop@main unit-web integration: why": Intent(
        verb=Verb.BUILD,
        targets=(Target(name="shop", ref="main"),),
        words=("unit-web", "integration"),
        reason="why",
    ),
    "cancel r87: wrong branch": Intent(verb=Verb.CANCEL, id="r87", reason="wrong branch"),
    "retry r87 integration": Intent(verb=Verb.RETRY, id="r87", subject="integration"),
    "lock api on staging for 2h: load test": Intent(
        verb=Verb.LOCK, targets=(Target(name="api"),), environment="staging", seconds=7200, reason="load test"
    ),
    "hold staging for 1h30m": Intent(verb=Verb.LOCK, environment="staging", seconds=5400),
    "unlock all": Intent(verb=Verb.UNLOCK, targets=(Target(name="all"),)),
    "unlock api on staging": Intent(verb=Verb.UNLOCK, targets=(Target(name="api"),), environment="staging"),
    "unlock staging": Intent(verb=Verb.UNLOCK, environment="staging"),
    "pause staging because freeze": Intent(verb=Verb.PAUSE, environment="staging", reason="freeze"),
    "unpin staging": Intent(verb=Verb.RESUME, environment="staging"),
    "status": Intent(verb=Verb.STATUS),
    "st r87": Intent(verb=Verb.STATUS, id="r87"),
    "where api": Intent(verb=Verb.WHERE, subject="api"),
    "sets 2026.11.21.3": Intent(verb=Verb.SETS, subject="2026.11.21.3"),
    "latest staging": Intent(verb=Verb.HISTORY, subject="staging"),
    "diff staging production": Intent(verb=Verb.DIFF, source="staging", environment="production"),
    "diff set 2026.1 set 2026.2": Intent(verb=Verb.DIFF, targets=(Target(set="2026.1"), Target(set="2026.2"))),
    "diff web v1.0..main": Intent(verb=Verb.DIFF, subject="web", words=("v1.0", "main")),
    "log r87 unit": Intent(verb=Verb.LOG, id="r87", subject="unit"),
    "locks": Intent(verb=Verb.LOCKS),
    "subscribe shop run.failed deployment.* env:production branch:main": Intent(
        verb=Verb.SUBSCRIBE, subject="shop", words=("run.failed", "deployment.*", "env:production", "branch:main")
    ),
    "unsubscribe shop": Intent(verb=Verb.UNSUBSCRIBE, subject="shop"),
    "link 123456": Intent(verb=Verb.LINK, subject="123456"),
    "me": Intent(verb=Verb.WHOAMI),
    "help ship": Intent(verb=Verb.HELP, subject="deploy"),
}


@pytest.mark.parametrize("line", EXAMPLES)
def test_examples_parse(line: str) -> None:
    assert parse(line) == EXAMPLES[line]


@pytest.mark.parametrize(
    "line",
    [
        "deploy `web@main` to `staging`",
        "deploy “web@main” to ‘staging’".replace("‘", "").replace("’", ""),
        "deploy <http://web|web>@main to staging",
        "deploy\u00a0web@main\tto  staging",
        "deploy \u202eweb@main\u200b to staging",
        '/slipway deploy "web@main" to staging',
        "deploy web@main to staging &amp;".removesuffix(" &amp;"),
    ],
)
def test_what_keyboards_and_slack_do_is_undone(line: str) -> None:
    assert understood(line) == Intent(verb=DEPLOY, targets=web("main"), environment="staging")


def test_an_escaped_ampersand_joins_targets() -> None:
    assert [str(target) for target in understood("deploy api &amp; web").targets] == ["api", "web"]


def test_a_long_dash_in_a_branch_is_the_two_that_were_typed() -> None:
    assert understood("deploy web@a—b").targets == web("a--b")


def test_a_people_mark_up_in_a_reason_becomes_its_label() -> None:
    assert understood("rollback staging because <@U12|ana> said so").reason == "@ana said so"


def test_a_call_to_everybody_does_not_survive() -> None:
    assert "!" not in understood("rollback staging because <!channel> look").reason


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("deplyo web", "Did you mean `deploy`"),
        ("xyzzy", "`help` lists"),
        ("deploy", "What should be deployed"),
        ("deploy to staging", "What should be deployed"),
        ("deploy web to", "Which environment"),
        ("deploy web to staging now", "did not expect `now`"),
        ("deploy --force", "cannot be the name"),
        ("deploy web@", "cannot be a branch"),
        ("deploy web@-x", "cannot be a branch"),
        ("deploy web@a..b", "cannot be a branch"),
        ("deploy web!", "cannot be the name"),
        ("deploy $(id)", "cannot be the name"),
        ("deploy web using hope", "No strategy `hope`"),
        ("deploy web using canary 0%", "not a share"),
        ("rollback", "which environment"),
        ("rollback api web", "which environment"),
        ("promote staging", "I expected `to`"),
        ("approve 87", "is not a run"),
        ("reject d142", "needs a reason"),
        ("build shop/web", "which project"),
        ("build", "which project"),
        ("cancel", "Which run"),
        ("cancel 87", "is not a run"),
        ("cancel r99999999999999999999", "is not a run"),
        ("lock staging for ever", "not a time"),
        ("lock staging for 900d", "not a time"),
        ("diff staging", "Which environment"),
        ("help deplyo", "Did you mean `deploy`"),
        ("status staging production", "did not expect"),
    ],
)
def test_mistakes_say_what_is_wrong(line: str, says: str) -> None:
    assert says in mistaken(line).sentence


def test_a_mistake_tells_how_the_verb_is_written() -> None:
    assert mistaken("cancel 87").usage == USAGE[Verb.CANCEL]
    assert mistaken("deplyo web").suggestions == ("deploy",)


def test_ten_thousand_characters_are_refused_by_their_number() -> None:
    assert "10000 characters" in mistaken("x" * 10_000).sentence


@given(st.text(max_size=400))
def test_any_text_gives_an_intent_or_a_mistake(line: str) -> None:
    assert isinstance(parse(line), Intent | Mistake)


JOINTS = ["to", "on", "in", "from", "for", "using", "because", "and", "all", "set", "!", ":", ",", "&"]
JOINTS += ["@", "@@", "2h", "50%", "canary", "r87", "d1"]
NAMES = ["web", "web@main", "shop/web", "staging", "<!channel>", "/deploy"]
WORDS = st.sampled_from([*Verb, *ALIASES, *JOINTS, *NAMES])


@given(st.lists(WORDS, max_size=12).map(" ".join))
def test_any_words_of_the_grammar_give_an_intent_or_a_mistake(line: str) -> None:
    found = parse(line)
    if isinstance(found, Intent):
        assert as_json(found)["verb"] == found.verb
    else:
        assert found.sentence


@given(st.sampled_from([line for line in EXAMPLES if "@" not in line and ":" not in line]))
def test_what_is_understood_does_not_depend_on_case_or_spaces(line: str) -> None:
    plain, loud = parse(line), parse("  " + line.replace(" ", "   ") + " ")
    assert plain == loud


def test_every_verb_has_a_usage_line_and_an_example() -> None:
    assert set(USAGE) == set(Verb)
    assert {intent.verb for intent in EXAMPLES.values()} == set(Verb)


def test_json_holds_what_was_said_and_nothing_else() -> None:
    assert as_json(understood("deploy web@main to staging because late")) == {
        "verb": "deploy",
        "targets": [{"name": "web", "ref": "main"}],
        "environment": "staging",
        "reason": "late",
    }
