"""What the API and the pages read with: the database, the transcripts, and ids as people write them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from dashboard.events import Streams
from dashboard.logs import Reader, Transcript
from dashboard.words import parsed
from pipeline.errors import NotFound
from pipeline.outcome import State
from store import views, views_deliveries, views_places, views_tests
from store.links import Links
from store.session import Database
from store.views import View

# PostgreSQL's integers; it would refuse to look for a bigger one.
BIGGEST_ID = 2**31 - 1
# So long a worker may take to write the end of a transcript, once its stage is over.
PATIENCE = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """The means of reading; `artifacts` is the folder where those lie, `now` the clock."""

    database: Database
    links: Links
    transcripts: Reader
    streams: Streams
    artifacts: Path
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Read in one transaction, so that a page never contradicts itself."""
        with self.database.read() as session:
            yield session

    def run(self, name: str) -> View:
        """Return a run by what people call it. Raises NotFound."""
        with self.session() as session:
            found = views.run(session, self.links, number(name, "r"))
        if found is None:
            raise NotFound(f"there is no run {name}")
        return found

    def deployment(self, name: str) -> View:
        """Return a deployment by what people call it. Raises NotFound."""
        with self.session() as session:
            found = views_places.deployment(session, self.links, number(name, "d"))
        if found is None:
            raise NotFound(f"there is no deployment {name}")
        return found

    def delivery(self, name: str) -> View:
        """Return a delivery by its number. Raises NotFound."""
        with self.session() as session:
            found = views_deliveries.delivery(session, number(name, ""))
        if found is None:
            raise NotFound(
                f"there is no delivery {name}", fix="A delivery is kept for a month, a refused one for a week."
            )
        return found

    def test(self, name: str) -> View:
        """Return a test by the number of any of its results. Raises NotFound."""
        with self.session() as session:
            found = views_tests.test(session, self.links, number(name, ""))
        if found is None:
            raise NotFound(f"there is no test {name}")
        return found

    def transcript(self, name: str, stage: str) -> Transcript:
        """Return the transcript of a stage that this run has. Raises NotFound."""
        run = self.run(name)
        if all(one["name"] != stage for one in run["stages"]):
            raise NotFound(f"{run['id']} has no stage {stage}")
        return Transcript(
            reader=self.transcripts,
            run=number(run["id"], "r"),
            stage=stage,
            over=lambda: self._over(run["id"], stage) is not None,
            long_over=lambda: (self._over(run["id"], stage) or 0.0) > PATIENCE,
        )

    def _over(self, run: str, stage: str) -> float | None:
        """Return for how many seconds a stage has been over, None if it is not."""
        found = next((one for one in self.run(run)["stages"] if one["name"] == stage), None)
        if found is None or not State(found["state"]).ended:
            return None
        since = parsed(found["finished_at"])
        return (self.now() - since).total_seconds() if since else PATIENCE * 2


def number(name: str, letter: str) -> int:
    """Return the number in `r87` or `87`. Raises NotFound: nothing is called anything else."""
    found = re.fullmatch(rf"(?:{letter})?([0-9]{{1,19}})", name, re.ASCII)
    if found is None or int(found[1]) > BIGGEST_ID:
        raise NotFound(f"there is no {name[:80]}")
    return int(found[1])
