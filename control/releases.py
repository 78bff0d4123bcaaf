"""Releases: what a service would be deployed as, from its image and the configuration of its revision."""

from collections.abc import Iterable, Mapping

from sqlalchemy.orm import Session

from pipeline.deployment import Release
from pipeline.errors import Rejected
from pipeline.names import short
from pipeline.release import release_of
from pipeline.spec import Service, from_json
from store import catalog, images
from store.catalog import Known


def release(session: Session, known: Known, revision: str) -> Release:
    """Return how a service's image of a revision is to serve. Raises Rejected if there is no such image."""
    image = images.find(session, known.project_id, known.service, revision)
    if image is None:
        raise Rejected(f"{known.service} `{short(revision)}` has no image.", code="no_image")
    exposed = images.port(session, known.project_id, known.service, revision)
    return release_of(_service(session, known, revision), image, exposed)


def merged(live: Iterable[Release], new: Mapping[str, Release]) -> tuple[Release, ...]:
    """Return the complete set: what runs, with the new in place of the old, and what was not there at the end."""
    kept = [new.get(one.service, one) for one in live]
    there = {one.service for one in kept}
    return (*kept, *(one for name, one in new.items() if name not in there))


def _service(session: Session, known: Known, revision: str) -> Service:
    """Return the service's configuration; an image without one has the defaults."""
    config = catalog.config(session, known.project_id, revision)
    services = from_json(config).services if config else {}
    return services.get(known.service) or Service()
