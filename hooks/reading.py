"""What a verified delivery of a project says."""

from collections.abc import Mapping

from hooks.forges import Door
from pipeline.decide import speaks_of
from pipeline.errors import Rejected
from pipeline.project import Project
from pipeline.push import Event


def read_events(door: Door, headers: Mapping[str, str], body: bytes, project: Project) -> tuple[Event, ...]:
    """Return what a verified delivery of a project says. Raises Rejected, also if it is about another repository."""
    events = door.parse(headers, body)
    for event in events:
        if event.repository and not speaks_of(project, event.repository):
            raise Rejected(
                f"this is about {event.repository}, and the hook is that of another repository",
                code="wrong_repository",
                fix=f"Add a project for it, or correct the URL of {project.name} if the repository was renamed.",
            )
    return events
