"""The secrets that a stage's builds may mount, by name; a stranger's run gets none."""

from collections.abc import Iterable, Mapping

from pipeline.errors import StageFailed
from pipeline.spec_service import Service
from store import secrets
from workers.stage import Scene


def secrets_of(scene: Scene, services: Iterable[Service]) -> Mapping[str, str]:
    """Return the secrets that any of the services names, hidden from the transcript. Raises StageFailed."""
    named = [name for one in services for name in (*one.build.secrets, *(one.builder.secrets if one.builder else ()))]
    if not named:
        return {}
    if not scene.work.trusted:
        sentence = f"{named[0]} is a secret, and what comes from a fork gets none"
        raise StageFailed(sentence, code="no_secrets_for_forks")
    with scene.ctx.database.read() as session:
        known = secrets.given(session, scene.ctx.seal, named, project=scene.project.name)
    scene.transcript.hide(known.values())
    return known
