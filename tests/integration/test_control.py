"""What people say, done on a real database: deploy, roll back, look, pause, build, cancel."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from control.speak import Spoken, say
from pipeline.spec import load, to_json
from store import deployments, environments, schema
from store.session import Database
from tests import factories as make

CONFIG = b"""
services:
  web: {build: {context: ./web}, port: 9000, health: {path: /healthz}, main: true, drain: 3s}
  api: {build: {context: ./api}}
"""


class Shop:
    """A project whose services were pushed, built and deployed, and somebody who talks about it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.begin() as session:
            self.project = make.project(session).id

    def say(self, line: str, actor: str = "ana@example.com") -> Spoken:
        return say(self.database, line, actor=actor, channel="#deploys", at=make.NOW)

    def told(self, line: str) -> str:
        return self.say(line).reply.text

    def push(self, word: str, *, ref: str = "refs/heads/main", tested: bool = True, **images: Any) -> str:
        """Push a commit whose services were built; return its revision."""
        with self.database.begin() as session:
            project = session.get_one(schema.ProjectRow, self.project)
            config = to_json(load({"slipway.yml": CONFIG}, project="shop"))
            began = 1000 - session.query(schema.RunRow).count()
            values: dict[str, Any] = {
                "key": f"{ref}@{word}",
                "ref": ref,
                "config": config,
                "revision": make.revision(word),
            }
            run = make.run(session, project, word=word, began=began, **values)
            for service in images.get("services", ("web", "api")):
                make.image(session, run, service, tested=tested)
            return run.revision

    def deployed(self, *, place: str = "staging", **services: str) -> int:
        """Make a deployment of words that were pushed live; return its number."""
        with self.database.begin() as session:
            row = self._place(session, place)
            return make.deployment(session, row, {name: make.revision(word) for name, word in services.items()}).id

    def finish(self, number: int) -> None:
        """Carry a deployment out, as its worker would."""
        with self.database.begin() as session:
            row = session.get_one(schema.DeploymentRow, number)
            row.state, row.finished_at = "deployed", make.NOW
            session.get_one(schema.EnvironmentRow, row.environment_id).live_deployment_id = number

    def releases(self, number: int) -> dict[str, str]:
        with self.database.read() as session:
            return {one.service: one.revision for one in deployments.get(session, number).releases}

    def get(self, number: int) -> deployments.Deployment:
        with self.database.read() as session:
            return deployments.get(session, number)

    def environment(self, name: str = "staging") -> environments.Environment:
        with self.database.read() as session:
            found = environments.find(session, self.project, name)
            assert found is not None
            return found

    def rows(self, table: Any) -> list[Any]:
        with self.database.read() as session:
            return list(session.scalars(select(table).order_by(table.id)))

    @staticmethod
    def _place(session: Any, name: str) -> Any:
        known = session.query(schema.EnvironmentRow).filter_by(name=name).one_or_none()
        return known or make.environment(session, session.query(schema.ProjectRow).first(), name)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = make.database(tmp_path)
    yield Shop(database)
    database.engine.dispose()


def one(spoken: Spoken) -> int:
    (number,) = spoken.reply.deployments
    return number


def test_deploy_makes_a_deployment_its_job_and_its_message_in_one_commit(shop: Shop) -> None:
    new = shop.push("new")
    spoken = shop.say("deploy web to staging because it is time")
    made = shop.get(one(spoken))
    assert (made.cause, made.actor, made.reason, made.state) == ("chat", "ana@example.com", "it is time", "queued")
    assert [(job.kind, job.ref_id) for job in shop.rows(schema.JobRow)] == [("deployment", made.id), ("message", 1)]
    assert [(row.kind, row.ref_id, row.channel) for row in shop.rows(schema.MessageRow)] == [
        ("deployment", made.id, "#deploys")
    ]
    assert spoken.reply.everyone
    assert spoken.reply.text == (
        f"🚢 *web* `{new[:7]}` goes to *staging* as d{made.id}, asked for by @ana: “it is time”."
    )


def test_a_release_serves_as_its_own_revision_was_configured(shop: Shop) -> None:
    shop.push("new")
    (web,) = shop.get(one(shop.say("deploy web to staging"))).releases
    assert (web.port, web.health.path, web.main, web.drain) == (9000, "/healthz", True, 3.0)
    assert "@sha256:" in web.image


def test_a_release_without_a_configuration_has_the_image_s_own_port(shop: Shop) -> None:
    shop.push("new")
    with shop.database.begin() as session:
        session.query(schema.RunRow).update({"config": None})
        make.environment(session, session.get_one(schema.ProjectRow, shop.project))
    (web,) = shop.get(one(shop.say("deploy web to staging"))).releases
    assert (web.port, web.health.path) == (8000, None)


def test_services_that_are_not_named_stay_as_they_are(shop: Shop) -> None:
    old, new = shop.push("old"), shop.push("new")
    shop.deployed(web="old", api="old")
    assert shop.releases(one(shop.say("deploy web to staging"))) == {"web": new, "api": old}


def test_without_an_environment_it_is_staging_and_the_reply_says_so(shop: Shop) -> None:
    shop.push("new")
    assert "(to staging, as no environment was named)" in shop.told("deploy web")


def test_an_abbreviated_environment_is_echoed(shop: Shop) -> None:
    shop.push("new")
    assert "(`sta` as staging)" in shop.told("deploy web to sta")


def test_production_is_never_meant_by_silence(shop: Shop) -> None:
    shop.push("new")
    with shop.database.begin() as session:
        session.query(schema.RunRow).update({"config": None})
        for name in ("ci", "production"):
            make.environment(session, session.get_one(schema.ProjectRow, shop.project), name)
    assert shop.told("deploy web") == "Say which environment, with `to`. There are: ci, production."


def test_without_a_ref_it_is_the_newest_tested_revision_of_the_default_branch(shop: Shop) -> None:
    tested = shop.push("tested")
    shop.push("untested", tested=False)
    shop.push("elsewhere", ref="refs/heads/feature")
    assert shop.releases(one(shop.say("deploy web"))) == {"web": tested}


def test_a_run_made_again_does_not_make_an_old_revision_new(shop: Shop) -> None:
    shop.push("old")
    new = shop.push("new")
    with shop.database.begin() as session:
        project = session.get_one(schema.ProjectRow, shop.project)
        make.run(session, project, word="old", key="again", began=1)
    assert shop.releases(one(shop.say("deploy web"))) == {"web": new}


def test_head_is_the_newest_built_one_and_says_it_is_not_tested(shop: Shop) -> None:
    shop.push("tested")
    untested = shop.push("untested", tested=False)
    spoken = shop.say("deploy web@head")
    assert shop.releases(one(spoken)) == {"web": untested}
    assert "Not tested: web." in spoken.reply.text


def test_with_nothing_tested_the_reply_says_what_there_is(shop: Shop) -> None:
    untested = shop.push("untested", tested=False)
    told = shop.told("deploy web")
    assert "has passed its tests yet" in told
    assert f"`deploy web@head` takes the newest built one, `{untested[:7]}`" in told


def test_force_takes_the_untested_and_wants_a_reason(shop: Shop) -> None:
    untested = shop.push("untested", tested=False)
    assert shop.say("deploy! web").reply.code == "no_reason"
    assert shop.releases(one(shop.say("deploy! web because sev1"))) == {"web": untested}


@pytest.mark.parametrize("ref", ["feature", "v1.0", "ci", "SHA"])
def test_a_ref_is_an_environment_a_tag_a_branch_or_a_revision(shop: Shop, ref: str) -> None:
    shop.push("main")
    wanted = {
        "feature": shop.push("feature", ref="refs/heads/feature"),
        "v1.0": shop.push("v1", ref="refs/tags/v1.0"),
        "ci": shop.push("ci"),
    }
    shop.push("newest")
    shop.deployed(place="ci", web="ci")
    wanted["SHA"] = wanted["feature"]
    line = f"deploy web@{wanted['SHA'][:7] if ref == 'SHA' else ref} to staging"
    assert shop.releases(one(shop.say(line))) == {"web": wanted[ref]}


def test_G15_a_branch_named_like_a_revision_is_not_taken_for_it(shop: Shop) -> None:
    meant = shop.push("main")
    shop.push("trap", ref=f"refs/heads/{meant[:7]}")
    told = shop.say(f"deploy web@{meant[:7]}")
    assert told.reply.code == "ambiguous_ref"
    assert f"the branch {meant[:7]}" in told.reply.text
    assert f"the commit {meant[:12]}" in told.reply.text


def test_a_beginning_of_two_revisions_lists_both(shop: Shop) -> None:
    with shop.database.begin() as session:
        project = session.get_one(schema.ProjectRow, shop.project)
        for end in "12":
            run = make.run(session, project, word=end, key=end, revision=f"abcdef0{end * 33}")
            make.image(session, run)
        make.environment(session, project)
    told = shop.told("deploy web@abcdef0")
    assert "abcdef011111" in told
    assert "abcdef022222" in told


def test_a_revision_is_never_meant_by_fewer_than_seven_digits(shop: Shop) -> None:
    revision = shop.push("main")
    assert shop.say(f"deploy web@{revision[:6]}").reply.code == "no_image"


def test_an_unknown_ref_is_met_with_what_may_be_meant(shop: Shop) -> None:
    shop.push("main")
    shop.push("feature", ref="refs/heads/feature/login", services=())
    assert "Did you mean `feature/login`?" in shop.told("deploy web@feature/logn")
    assert shop.told("deploy web@feature/login") == "`feature/login` has no image of web yet."


def test_deploying_a_project_or_all_is_deploying_its_services_at_once(shop: Shop) -> None:
    new = shop.push("new")
    assert shop.releases(one(shop.say("deploy shop to staging"))) == {"api": new, "web": new}
    assert shop.releases(one(shop.say("deploy all to ci"))) == {"api": new, "web": new}


def test_a_service_the_configuration_no_longer_has_is_not_deployed_with_all(shop: Shop) -> None:
    shop.push("old", services=("gone",))
    new = shop.push("new")
    assert shop.releases(one(shop.say("deploy all"))) == {"api": new, "web": new}


def test_a_name_two_projects_have_wants_the_project_s(shop: Shop) -> None:
    shop.push("new")
    with shop.database.begin() as session:
        blog = make.project(session, "blog")
        make.image(session, make.run(session, blog), "web")
        make.environment(session, blog)
    assert shop.told("deploy web") == "`web` is a service of several projects: write `blog/web` or `shop/web`."
    assert len(shop.say("deploy shop/web").reply.deployments) == 1
    both = shop.say("deploy shop/web blog/web to staging")
    assert len(both.reply.deployments) == 1
    assert "on its way to *staging* already" in both.reply.text


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("deploy wbe", "unknown_service", "Did you mean `web`?"),
        ("deploy web staging", "unknown_service", "`staging` is an environment"),
        ("deploy web to stagin", "unknown_environment", "Did you mean `staging`?"),
        ("deploy set 1 to staging", "not_yet", "Version sets"),
        ("deploy web using canary", "not_yet", "rolling"),
        ("promote staging to production", "not_yet", "`promote` is not there yet"),
        ("deplyo web", "not_understood", "Did you mean `deploy`"),
        ("deploy", "not_understood", "Usage: `deploy SERVICE"),
        ("rollback web", "unknown_environment", "`rollback web on ENVIRONMENT`"),
        ("rollback staging", "nothing_live", "Nothing was ever deployed"),
        ("rollback web@main on staging", "bad_ref", "goes to the end"),
        ("cancel r99", "unknown_run", "no run r99"),
        ("cancel d1", "not_yet", "rollback"),
        ("retry r99", "unknown_run", "no run r99"),
        ("retry r1 unit", "unknown_stage", "No stage `unit`"),
        ("retry d1", "not_yet", "`deploy SERVICE to ENVIRONMENT`"),
        ("build shpo", "unknown_project", "Did you mean `shop`?"),
        ("build shop@nowhere", "never_pushed", "never pushed"),
        ("status d99", "unknown_deployment", "no deployment d99"),
        ("status a9", "unknown_approval", "no approval a9"),
        ("where nothing", "unknown_service", "No service `nothing`"),
        ("where r1", "bad_service", "takes a service"),
        ("pause stagin", "unknown_environment", "Did you mean `staging`?"),
    ],
)
def test_refusals_say_why_and_change_nothing(shop: Shop, line: str, code: str, says: str) -> None:
    shop.push("new")
    spoken = shop.say(line)
    assert spoken.reply.code == code
    assert says in spoken.reply.text
    assert not spoken.reply.everyone
    assert shop.rows(schema.DeploymentRow) == []
    assert shop.rows(schema.JobRow) == []


def test_S8_the_same_deploy_twice_is_one(shop: Shop) -> None:
    shop.push("new")
    first = one(shop.say("deploy web"))
    second = shop.say("deploy web")
    assert second.reply.code == "already_started"
    assert f"(d{first})" in second.reply.text
    assert len(shop.rows(schema.DeploymentRow)) == 1


def test_the_same_images_can_be_deployed_again(shop: Shop) -> None:
    shop.push("new")
    shop.finish(one(shop.say("deploy web")))
    assert shop.say("deploy web").reply.deployments


def test_a_person_may_deploy_into_a_pinned_environment_and_it_stays_pinned(shop: Shop) -> None:
    shop.push("new")
    shop.say("pause staging because freeze", actor="bo@example.com")
    assert "staging stays pinned by @bo" in shop.told("deploy web")
    assert shop.environment().pinned


def test_a_verb_that_is_refused_half_way_leaves_nothing_behind(shop: Shop) -> None:
    shop.push("new")
    shop.push("other", services=("web",))
    with shop.database.begin() as session:
        blog = make.project(session, "blog")
        make.image(session, make.run(session, blog, revision=make.revision("blog")), "blog", tested=False)
        make.environment(session, blog)
    assert shop.say("deploy web blog to staging").reply.code == "no_image"
    assert shop.rows(schema.DeploymentRow) == []
    assert [person.email for person in shop.rows(schema.PersonRow)] == ["ana@example.com"]


def test_rollback_restores_what_ran_before_pins_and_says_all_of_it(shop: Shop) -> None:
    old, new = shop.push("old"), shop.push("new")
    before = shop.deployed(web="old", api="old")
    shop.deployed(web="new", api="old")
    spoken = shop.say("rollback staging because the new words are dull", actor="bo@example.com")
    made = shop.get(one(spoken))
    assert (made.cause, made.restores_id, made.reason) == ("rollback", before, "the new words are dull")
    assert {release.service: release.revision for release in made.releases} == {"web": old, "api": old}
    assert (shop.environment().pinned_by, shop.environment().pin_reason) == (
        "bo@example.com",
        "the new words are dull",
    )
    assert spoken.reply.text == (
        f"⏪ @bo rolls *staging* back from *web* `{new[:7]}` to *web* `{old[:7]}` as d{made.id}:"
        " “the new words are dull”. Automatic deploys are off until `resume staging`."
    )


def test_a_second_rollback_while_one_is_under_way_is_the_same_one(shop: Shop) -> None:
    shop.deployed(web="old")
    shop.deployed(web="new")
    first = one(shop.say("rollback staging"))
    again = shop.say("rollback staging")
    assert again.reply.text == f"A rollback of *staging* is already under way (d{first})."
    assert again.reply.deployments == ()


def test_rolling_back_twice_goes_back_two_steps(shop: Shop) -> None:
    for word in ("first", "second", "third"):
        shop.deployed(web=word)
    shop.finish(one(shop.say("rollback staging")))
    assert shop.releases(one(shop.say("rollback staging"))) == {"web": make.revision("first")}


def test_with_nothing_before_there_is_nothing_to_go_back_to(shop: Shop) -> None:
    shop.deployed(web="only")
    spoken = shop.say("rollback staging")
    assert spoken.reply.code == "nothing_before"
    assert "is the first that served there" in spoken.reply.text
    assert not shop.environment().pinned


def test_one_service_goes_back_and_the_others_stay(shop: Shop) -> None:
    shop.push("a")
    for web, api in (("a", "a"), ("b", "a"), ("b", "b")):
        shop.deployed(web=web, api=api)
    made = one(shop.say("rollback web on staging"))
    assert shop.releases(made) == {"web": make.revision("a"), "api": make.revision("b")}


def test_after_one_service_s_rollback_the_whole_goes_further_back_and_not_forth(shop: Shop) -> None:
    shop.push("a")
    for web, api in (("a", "a"), ("b", "a"), ("b", "b")):
        shop.deployed(web=web, api=api)
    shop.finish(one(shop.say("rollback api on staging")))
    assert shop.releases(one(shop.say("rollback staging"))) == {"web": make.revision("a"), "api": make.revision("a")}


def test_a_service_that_ran_nothing_else_cannot_go_back(shop: Shop) -> None:
    shop.push("a")
    shop.deployed(web="a", api="a")
    shop.deployed(web="b", api="a")
    assert shop.told("rollback api on staging") == "api ran nothing else on *staging* before."


@pytest.mark.parametrize("ref", ["SHA", "D", "main", "v1"])
def test_a_rollback_may_name_a_revision_a_deployment_a_branch_or_a_tag(shop: Shop, ref: str) -> None:
    shop.push("first", ref="refs/tags/v1")
    shop.push("first2", ref="refs/heads/other")
    first = shop.deployed(web="first")
    main = shop.push("second")
    shop.deployed(web="second")
    shop.deployed(web="third")
    word = {"SHA": make.revision("first")[:8], "D": f"d{first}"}.get(ref, ref)
    wanted = main if ref == "main" else make.revision("first")
    assert shop.releases(one(shop.say(f"rollback staging to {word}"))) == {"web": wanted}


def test_what_never_served_cannot_be_gone_back_to(shop: Shop) -> None:
    shop.deployed(web="old")
    shop.deployed(web="new")
    spoken = shop.say("rollback staging to abcdef1")
    assert spoken.reply.code == "never_ran"
    assert "`deploy SERVICE@abcdef1 to staging`" in spoken.reply.text
    assert shop.say("rollback staging to d99").reply.code == "never_ran"


def test_F55_what_was_asked_for_and_has_not_begun_does_not_undo_a_rollback(shop: Shop) -> None:
    shop.push("newer")
    shop.deployed(web="old")
    shop.deployed(web="new")
    waiting = one(shop.say("deploy web"))
    made = one(shop.say("rollback staging"))
    assert shop.get(waiting).state == "superseded"
    assert "rolled staging back" in shop.get(waiting).reason
    assert shop.get(made).state == "queued"


def test_an_environment_of_several_projects_goes_back_as_one_place(shop: Shop) -> None:
    shop.deployed(web="old")
    shop.deployed(web="new")
    with shop.database.begin() as session:
        place = make.environment(session, make.project(session, "blog"))
        make.deployment(session, place, {"blog": make.revision("one")})
        make.deployment(session, place, {"blog": make.revision("two")})
        make.environment(session, make.project(session, "wiki"))
    spoken = shop.say("rollback staging")
    assert len(spoken.reply.deployments) == 2
    lines = spoken.reply.text.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["blog", "shop", "wiki"]
    assert lines[2] == "wiki: Nothing runs on *staging*."


def test_pause_and_resume_are_for_the_whole_place(shop: Shop) -> None:
    shop.push("new")
    assert shop.told("resume staging") == "*staging* is not paused: automatic deploys are on."
    told = shop.told("pause staging because freeze")
    assert told == "⏸ @ana paused *staging*: “freeze”. Automatic deploys are off until `resume staging`."
    assert shop.environment().pinned
    assert shop.told("resume staging") == (
        "@ana resumed *staging*, off since @ana: “freeze”. Automatic deploys are on again."
    )
    assert not shop.environment().pinned


def test_status_tells_what_runs_what_is_under_way_and_what_is_paused(shop: Shop) -> None:
    assert "Nothing runs anywhere yet" in shop.told("status")
    revision = shop.push("new")
    number = shop.deployed(web="new")
    with shop.database.begin() as session:
        make.run(session, session.get_one(schema.ProjectRow, shop.project), state="running", key="x", began=5)
    shop.say("pause staging: freeze")
    shop.say("deploy api")
    told = shop.told("status")
    assert f"*staging* · shop: *web* `{revision[:7]}` — for 45 s as d{number}, by @ana" in told
    assert "🚢 d2 queued: *web*" in told
    assert "⏸ automatic deploys are off since @ana: “freeze”; `resume staging` turns them on" in told
    assert "🔨 *shop r2*" in told
    assert "running “Let the basket survive a restart”" in told


def test_status_of_a_place_a_service_a_run_or_a_deployment_is_that_alone(shop: Shop) -> None:
    shop.push("new")
    number = shop.deployed(web="new", api="new")
    shop.deployed(place="ci", api="new")
    assert "*ci*" not in shop.told("status staging")
    assert "*web*" not in shop.told("status api")
    assert shop.told("status r1").startswith("*shop r1*")
    assert shop.told(f"status d{number}").startswith(f"d{number} *staging* · shop:")
    assert "Did you mean `staging`?" in shop.told("status stagin")


def test_where_tells_each_service_s_places(shop: Shop) -> None:
    revision = shop.push("new")[:7]
    assert shop.told("where") == "Nothing runs anywhere yet."
    assert shop.told("where web") == "web runs nowhere yet."
    shop.deployed(place="ci", web="new", api="new")
    shop.deployed(web="new")
    assert shop.told("where web") == f"*web*: ci `{revision}`, staging `{revision}`"
    assert len(shop.told("where").splitlines()) == 2


def test_history_tells_the_newest_first(shop: Shop) -> None:
    shop.push("old")
    shop.push("new")
    first = shop.deployed(web="old")
    second = shop.deployed(web="new", api="new")
    shop.deployed(place="ci", web="new")
    assert [line.split()[0] for line in shop.told("history staging").splitlines()] == [f"d{second}", f"d{first}"]
    assert [line.split()[0] for line in shop.told("history api").splitlines()] == [f"d{second}"]
    assert len(shop.told("history").splitlines()) == 3


def test_build_runs_the_newest_push_again(shop: Shop) -> None:
    shop.push("old")
    new = shop.push("new")
    spoken = shop.say("build shop because flaky")
    (run,) = spoken.reply.runs
    row = shop.rows(schema.RunRow)[-1]
    assert (row.id, row.revision, row.trigger, row.asked_reason, row.state) == (run, new, "chat", "flaky", "queued")
    assert spoken.reply.text == f"🔨 shop `{new[:7]}` on `main` is built again as r{run}."
    again = shop.say("build shop")
    assert again.reply.code == "already_started"
    assert len(shop.rows(schema.RunRow)) == 3


def test_build_takes_a_tag_or_a_revision(shop: Shop) -> None:
    tagged = shop.push("tagged", ref="refs/tags/v1")
    shop.push("new")
    assert tagged[:7] in shop.told("build shop@v1")
    with shop.database.begin() as session:
        session.query(schema.RunRow).update({"state": "failed"})
    assert "on `v1`" in shop.told(f"build shop@{tagged[:9]}")


def test_build_of_a_branch_is_a_run_of_that_branch_whatever_else_has_its_commit(shop: Shop) -> None:
    shared = shop.push("shared", ref="refs/heads/feature")
    shop.push("shared", ref="refs/heads/main", services=())
    shop.say("build shop@feature")
    last = shop.rows(schema.RunRow)[-1]
    assert (last.id, last.ref, last.revision) == (3, "refs/heads/feature", shared)


def test_retry_runs_the_ref_and_the_revision_of_that_run(shop: Shop) -> None:
    tagged = shop.push("tagged", ref="refs/tags/v1")
    shop.push("tagged", ref="refs/heads/main", services=())
    shop.push("newer", ref="refs/tags/v1")
    spoken = shop.say("retry r1 because flaky")
    last = shop.rows(schema.RunRow)[-1]
    assert spoken.reply.runs == (last.id,)
    assert (last.ref, last.revision, last.asked_reason, last.state) == ("refs/tags/v1", tagged, "flaky", "queued")
    assert "on `v1` is built again" in spoken.reply.text
    again = shop.say("rerun r1")
    assert (again.reply.code, len(shop.rows(schema.RunRow))) == ("already_started", 4)


def test_cancel_asks_a_run_to_stop_and_says_who(shop: Shop) -> None:
    with shop.database.begin() as session:
        project = session.get_one(schema.ProjectRow, shop.project)
        running = make.run(session, project, {"unit": "running"}, state="running", key="a").id
        ended = make.run(session, project, state="passed", key="b").id
    assert shop.told(f"cancel r{running}: wrong branch") == f"🚫 @ana cancels r{running}: “wrong branch”."
    assert shop.rows(schema.RunRow)[0].cancel_requested
    assert shop.told(f"cancel r{running}") == f"r{running} is being cancelled already."
    assert shop.told(f"cancel r{ended}") == f"r{ended} has ended already: passed."


def test_whoami_and_help(shop: Shop) -> None:
    assert shop.told("whoami") == "You are ana@example.com."
    assert "`deploy SERVICE[@REF]" in shop.told("help")
    assert "promote" not in shop.told("help")
    assert shop.told("help rollback").endswith("Also: revert, undo.")
    assert "`promote` is not there yet." in shop.told("help promote")


def test_json_tells_programs_what_people_are_told(shop: Shop) -> None:
    shop.push("new")
    told = shop.say("deploy web").as_json()
    assert told["intent"] == {"verb": "deploy", "targets": [{"name": "web"}]}
    assert (told["code"], told["deployments"], told["runs"], told["everyone"]) == ("ok", ["d1"], [], True)
    assert shop.say("xyzzy").as_json()["intent"] is None
