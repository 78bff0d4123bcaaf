"""Containers on the engine: started by name, so that twice is the same as once, looked at, stopped, removed."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound

from pipeline.containers import HOME, ContainerSpec, ContainerState
from pipeline.errors import StageFailed, Unavailable
from runtime.container_json import NAME, address_of, create_request, is_request, state_of
from runtime.lines import Output
from runtime.wire import Wire, said

ATTEMPTS = 5
GONE_WITHIN = 30.0
PAUSE = 0.05
BAD_REQUEST, CONFLICT = 400, 409
# The image names a user it does not have: the engine answers 500 as if it were its own fault, and no field tells.
NO_SUCH_USER = ("unable to find user ", "unable to find group ")


class Containers:
    """This home's containers. `have` brings an image here, or tells that nobody has it."""

    def __init__(self, wire: Wire, home: str, have: Callable[[str], object | None]) -> None:
        self._wire = wire
        self._home = home
        self._have = have

    def start(self, spec: ContainerSpec) -> ContainerState:
        """Start a container, or adopt the one of that name that runs the same image."""
        for _attempt in range(ATTEMPTS):
            container = self.create(spec) or self._adopted(spec)
            state = self._started(container, spec) if container else None
            if state:
                return state
            time.sleep(PAUSE)
        raise Unavailable(f"somebody else keeps taking the name {spec.name}", code="busy")

    def create(self, spec: ContainerSpec) -> str | None:
        """Create a container and return its id; None if the name is taken."""
        config = create_request(spec, self._home)
        with self._wire.doing(f"create {spec.name}"):
            try:
                return self._create(config, spec)
            except APIError as fault:
                if fault.status_code == CONFLICT:
                    return None
                if fault.status_code == BAD_REQUEST:
                    raise StageFailed(f"{spec.image} cannot start: {said(fault)}", code="cannot_start") from fault
                raise

    def begin(self, container: str, spec: ContainerSpec) -> bool:
        """Start what was created; False if somebody removed it in between. What cannot start is removed."""
        with self._wire.doing(f"start {spec.name}"):
            try:
                self._wire.api.start(container)
                return True
            except NotFound as fault:
                if self.inspect(container) is None:
                    return False
                self.destroy(container)
                raise Unavailable(f"{spec.name} cannot start: {said(fault)}", code="engine_error") from fault
            except APIError as fault:
                if fault.status_code == CONFLICT:
                    return False
                self.destroy(container)
                if fault.status_code == BAD_REQUEST or said(fault).startswith(NO_SUCH_USER):
                    raise StageFailed(f"{spec.image} cannot start: {said(fault)}", code="cannot_start") from fault
                raise

    def inspect(self, name: str) -> dict[str, Any] | None:
        """Return what the engine knows of a container, whoever's it is."""
        with self._wire.doing(f"look at {name}"):
            try:
                found: dict[str, Any] = self._wire.api.inspect_container(name)
            except NotFound:
                return None
            return found

    def look(self, name: str) -> ContainerState | None:
        """Return a container of this home as it is, or None."""
        found = self.inspect(name)
        return state_of(found) if found and self._is_ours(found) else None

    def list(self, labels: Mapping[str, str]) -> tuple[ContainerState, ...]:
        """Return the containers of this home that carry these labels too."""
        wanted = [f"{key}={value}" for key, value in {**labels, HOME: self._home}.items()]
        with self._wire.doing("list containers"):
            found = self._wire.api.containers(all=True, filters={"label": wanted})
        named = {one["Names"][0].lstrip("/"): one for one in found if one["Names"]}
        ours = [(name, one) for name, one in named.items() if one["Labels"].get(NAME) == name]
        return tuple(state for name, one in ours if (state := self._listed(name, one)))

    def tail(self, name: str, lines: int) -> tuple[str, ...]:
        """Return the last lines a container has written; none if it is not there."""
        if not lines:
            return ()
        with self._wire.doing(f"read what {name} wrote"):
            try:
                written = self._wire.get("/containers/{0}/logs", name, stdout=1, stderr=1, tail=lines)
            except NotFound:
                return ()
        output = Output()
        return (*output.feed(written), *output.flush())[-lines:]

    def remove(self, name: str, *, grace: int) -> None:
        """Stop a container, wait `grace` seconds before the kill, remove it; it is gone when this returns."""
        found = self.inspect(name)
        if found is None:
            return
        self._check_ours(found, name)
        if found["State"]["Running"] and grace > 0:
            self._stop(found["Id"], grace)
        self.destroy(found["Id"])

    def destroy(self, container: str) -> None:
        """Kill and remove a container by its id; another's removal under way is waited for."""
        deadline = time.monotonic() + GONE_WITHIN
        while not self._removed(container):
            if time.monotonic() > deadline:
                raise Unavailable(f"the container engine does not remove {container}", code="engine_error")
            time.sleep(PAUSE)

    def _create(self, config: dict[str, Any], spec: ContainerSpec) -> str:
        api: Any = self._wire.api
        try:
            return str(api.create_container_from_config(config, spec.name)["Id"])
        except ImageNotFound as fault:
            if not self._have(spec.image):
                raise Unavailable(f"the image {spec.image} is nowhere", code="image_lost") from fault
        return str(api.create_container_from_config(config, spec.name)["Id"])

    def _started(self, container: str, spec: ContainerSpec) -> ContainerState | None:
        """Start a container, which is nothing if it runs, and return it; None if somebody removed it meanwhile."""
        found = self.inspect(container) if self.begin(container, spec) else None
        return state_of(found, spec.network) if found else None

    def _adopted(self, spec: ContainerSpec) -> str | None:
        """Return the container that has the name if it will do; if not it is removed, unless it is another's.

        One that is created, of the same specification, is somebody's who is just about to start it.
        """
        found = self.inspect(spec.name)
        if found is None:
            return None
        self._check_ours(found, spec.name)
        created = found["State"]["Status"] == "created" and is_request(found, spec, self._home)
        if created or (found["State"]["Running"] and found["Image"] == self._image_id(spec.image)):
            return str(found["Id"])
        self.destroy(found["Id"])
        return None

    def _image_id(self, reference: str) -> str:
        return str(getattr(self._have(reference), "id", ""))

    def _listed(self, name: str, one: dict[str, Any]) -> ContainerState | None:
        """Return a listed container's state; how it ended only inspecting it tells."""
        if one["State"] != "running":
            return self.look(name)
        address = address_of(one)
        return ContainerState(
            id=one["Id"], name=name, running=True, exit_code=None, address=address, labels=one["Labels"]
        )

    def _stop(self, container: str, grace: int) -> None:
        with self._wire.doing("stop a container"):
            try:
                self._wire.api.stop(container, timeout=grace)
            except NotFound:
                return

    def _removed(self, container: str) -> bool:
        """Ask for the removal; False while somebody else's is under way."""
        with self._wire.doing("remove a container"):
            return self._wire.removed(partial(self._wire.api.remove_container, container, force=True, v=True))

    def _is_ours(self, found: dict[str, Any]) -> bool:
        labels = found["Config"]["Labels"] or {}
        return labels.get(HOME) == self._home and labels.get(NAME) == found["Name"].lstrip("/")

    def _check_ours(self, found: dict[str, Any], name: str) -> None:
        if not self._is_ours(found):
            raise Unavailable(
                f"a container that is not Slipway's has the name {name}",
                code="name_taken",
                fix=f"Rename it: docker rename {name} SOMETHING",
            )
