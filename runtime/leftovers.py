"""Everything on the engine that carries a home's label, and how each kind of it is taken away."""

import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from pipeline.containers import HOME
from pipeline.leftovers import Owned, Thing
from runtime.container_json import NAME
from runtime.containers import Containers
from runtime.networks import Networks
from runtime.wire import Wire

GRACE = 5


class Leftovers:
    """What there is of `home`, whoever made it and however it was left."""

    def __init__(self, wire: Wire, home: str, containers: Containers, networks: Networks) -> None:
        self._wire = wire
        self._home = home
        self._containers = containers
        self._networks = networks

    def inventory(self) -> tuple[Owned, ...]:
        """Return this home's containers, networks and volumes."""
        mine: Any = {"label": f"{HOME}={self._home}"}
        with self._wire.doing("list what is there"):
            containers = self._wire.api.containers(all=True, filters=mine)
            networks = self._wire.api.networks(filters=mine)
            volumes = self._wire.api.volumes(filters=mine)["Volumes"] or []
        return (*_containers(containers), *_networks(networks), *_volumes(volumes))

    def discard(self, owned: Owned) -> bool:
        """Take a thing away; False if something that is not ours still uses it. Not being there is fine."""
        if owned.kind is Thing.CONTAINER:
            self._containers.remove(owned.id, grace=GRACE)
        elif owned.kind is Thing.NETWORK:
            self._networks.remove_network(owned.name)
        else:
            return self._remove_volume(owned.name)
        return True

    def _remove_volume(self, name: str) -> bool:
        with self._wire.doing(f"remove the volume {name}"):
            return self._wire.removed(partial(self._wire.api.remove_volume, name))


def _containers(found: list[dict[str, Any]]) -> Iterator[Owned]:
    """Yield ours: what somebody else makes of our image inherits the home's label, but not that of its name."""
    for one in found:
        name = (one["Names"] or ["/"])[0].lstrip("/")
        if one["Labels"].get(NAME) == name:
            age = time.time() - one["Created"]
            yield Owned(kind=Thing.CONTAINER, id=one["Id"], name=name, age=age, labels=one["Labels"])


def _networks(found: list[dict[str, Any]]) -> Iterator[Owned]:
    for one in found:
        age = _age(one["Created"])
        yield Owned(kind=Thing.NETWORK, id=one["Id"], name=one["Name"], age=age, labels=one["Labels"] or {})


def _volumes(found: list[dict[str, Any]]) -> Iterator[Owned]:
    for one in found:
        age, name = _age(one.get("CreatedAt", "")), one["Name"]
        yield Owned(kind=Thing.VOLUME, id=name, name=name, age=age, labels=one["Labels"] or {})


def _age(written: str) -> float:
    """Return how many seconds ago that was; what does not say is new. The engine writes nanoseconds."""
    head, _, rest = written.partition(".")
    zone = rest.lstrip("0123456789") if rest else ""
    try:
        return time.time() - datetime.fromisoformat((head + zone).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0
