"""What is kept and what may go."""

from pipeline.retention import FRESH, Built, InUse, Shelf, Stored, spare, tags, toolchains, unknown_tags, unwanted

WEB = "reg:5000/shop/web"
SHA = "{:040x}".format


def built(number: int, *, name: str = WEB, digest: str = "") -> Built:
    digests = frozenset({digest or f"sha256:{number}"})
    return Built(id=number, project_id=1, name=name, revision=SHA(number), digests=digests)


def ids(found: list[Built]) -> list[int]:
    return [one.id for one in found]


def test_the_newest_of_each_service_stay_and_older_ones_go() -> None:
    images = [built(number) for number in (1, 2, 3, 4)] + [built(9, name="reg:5000/shop/api")]
    assert ids(spare(images, {1: 2}, InUse())) == [2, 1]


def test_what_serves_or_may_be_gone_back_to_stays_however_old() -> None:
    used = InUse(references=frozenset({f"{WEB}@sha256:1"}))
    assert ids(spare([built(number) for number in (1, 2, 3)], {1: 1}, used)) == [2]


def test_an_image_shared_by_two_commits_stays_with_either() -> None:
    images = [built(1, digest="sha256:same"), built(2, digest="sha256:same"), built(3)]
    used = InUse(references=frozenset({f"{WEB}@sha256:same"}))
    assert ids(spare(images, {1: 1}, used)) == []


def test_the_images_of_a_commit_at_work_stay() -> None:
    assert ids(spare([built(1), built(2)], {1: 1}, InUse(revisions=frozenset({(1, SHA(1))})))) == []


def test_a_project_that_nobody_knows_loses_nothing() -> None:
    assert ids(spare([built(1), built(2)], {}, InUse())) == []


def test_only_tags_of_commits_that_nobody_knows_go() -> None:
    tags = [SHA(1), SHA(2), f"{SHA(3)}-release", "latest", "main", "main-7"]
    assert list(unknown_tags(tags, Shelf(revisions=frozenset({SHA(1)})))) == [SHA(2), f"{SHA(3)}-release"]


def test_an_image_on_the_engine_goes_with_all_its_names_or_not_at_all() -> None:
    shelves = {WEB: Shelf(revisions=frozenset({SHA(1)}), digests=frozenset({"sha256:1"}))}

    def goes(*references: str) -> tuple[str, ...]:
        return unwanted(Stored(id="x", references=references, size=1, age=2 * FRESH), shelves)

    gone = (f"{WEB}:{SHA(2)}", f"{WEB}:main", f"{WEB}@sha256:2")
    assert goes(*gone) == gone
    assert goes(f"{WEB}:{SHA(2)}", f"{WEB}:{SHA(1)}") == ()
    assert goes(f"{WEB}:{SHA(2)}", f"{WEB}@sha256:1") == ()
    assert goes(f"{WEB}:main") == ()
    assert goes("slipway/base-busybox:local") == ()


def test_a_toolchain_goes_once_no_commit_is_at_work_with_it() -> None:
    name = "slipway-h/toolchain/shop/web"
    old, new = (Stored(id=f"{n}", references=(f"{name}:{SHA(n)}",), size=1, age=2 * FRESH) for n in (1, 2))
    other = Stored(id="3", references=(f"{WEB}:{SHA(1)}",), size=1, age=2 * FRESH)
    shelves = toolchains([old, new, other], "slipway-h/toolchain/", InUse(revisions=frozenset({(1, SHA(2))})))
    assert [unwanted(one, shelves) for one in (old, new, other)] == [(f"{name}:{SHA(1)}",), (), ()]


def test_an_image_is_called_by_its_commit_first() -> None:
    stored = Stored(
        id="x", references=(f"{WEB}:main", f"{WEB}@sha256:1", f"{WEB}:{SHA(1)}", "else:x"), size=1, age=2 * FRESH
    )
    assert tags(stored, WEB) == [f"{WEB}:{SHA(1)}", f"{WEB}:main"]


def test_F42_what_was_made_just_now_is_somebodys_work() -> None:
    young, old = (Stored(id="x", references=(f"{WEB}:{SHA(9)}",), size=1, age=age) for age in (FRESH - 1, FRESH + 1))
    assert (unwanted(young, {WEB: Shelf()}), unwanted(old, {WEB: Shelf()})) == ((), (f"{WEB}:{SHA(9)}",))
