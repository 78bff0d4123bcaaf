"""The doors that deliveries come in by: one table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hooks import git, github
from pipeline.project import Forge
from pipeline.push import Event

JSON = "application/json"

Headers = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """How one kind of sender speaks: its header of identity, its content types, and its pure functions.

    `serves` are the kinds of project it is open for; `headers` are those kept with the delivery.
    """

    name: str
    id_header: str
    event_header: str
    types: frozenset[str]
    serves: frozenset[Forge]
    headers: tuple[str, ...]
    verify: Callable[[Headers, bytes, str], bool]
    parse: Callable[[Headers, bytes], tuple[Event, ...]]
    repository: Callable[[Headers, bytes], str]


DOORS = {
    door.name: door
    for door in (
        Door(
            name="github",
            id_header="x-github-delivery",
            event_header="x-github-event",
            types=frozenset({JSON, github.FORM}),
            serves=frozenset({Forge.GITHUB}),
            headers=("x-github-event", "x-github-delivery", "x-github-hook-id", "x-hub-signature-256"),
            verify=github.verify,
            parse=github.parse,
            repository=github.repository,
        ),
        # A repository of any kind may also have the hook that `slipway hook install` writes.
        Door(
            name="git",
            id_header="webhook-id",
            event_header="",
            types=frozenset({JSON}),
            serves=frozenset(Forge),
            headers=("webhook-id", "webhook-timestamp", "webhook-signature"),
            verify=git.verify,
            parse=git.parse,
            repository=git.repository,
        ),
    )
}
