"""The one image of a commit on real databases: whose it is, and what strangers' runs make of it."""

from datetime import datetime

from pipeline.images import Image
from store import images
from store.images import Made
from store.schema import ImageRow
from store.session import Database
from tests import factories as make

MADE = Made(port=8000, builder="buildkit")


def built(database: Database, moment: datetime, run: int, word: str) -> str:
    """Have a run look its commit's image up, make one if there is none for it, and return its digest."""
    revision = make.revision("shared")
    with database.begin() as session:
        known = images.find(session, 1, "web", revision, by=run)
        if known is not None:
            return known.digest
        image = Image(service="web", name="reg/web", revision=revision, digest=make.digest(word), size=1)
        return images.record(session, 1, image, MADE, run_id=run, at=moment).digest


def runs(database: Database, *trusted: bool) -> list[int]:
    with database.begin() as session:
        shop = make.project(session)
        return [
            make.run(session, shop, word="shared", key=str(number), began=90 - number, trusted=one).id
            for number, one in enumerate(trusted)
        ]


def test_G17_what_a_strangers_run_has_built_is_built_again_for_one_of_ours(
    database: Database, moment: datetime
) -> None:
    theirs, ours, later = runs(database, False, True, True)
    assert built(database, moment, theirs, "theirs") == make.digest("theirs")
    assert built(database, moment, ours, "ours") == make.digest("ours")
    assert built(database, moment, later, "later") == make.digest("ours")
    with database.read() as session:
        row = session.query(ImageRow).one()
        assert (row.run_id, row.digest, row.tested) == (ours, make.digest("ours"), False)


def test_a_strangers_run_is_tested_with_the_image_that_is_there(database: Database, moment: datetime) -> None:
    ours, theirs, others = runs(database, True, False, False)
    assert built(database, moment, ours, "ours") == make.digest("ours")
    assert built(database, moment, theirs, "theirs") == make.digest("ours")
    assert built(database, moment, others, "others") == make.digest("ours")
