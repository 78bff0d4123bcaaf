"""Images on the engine: looked at, tagged, pushed, pulled."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

from docker.errors import APIError, NotFound

from pipeline.errors import Unavailable
from pipeline.ports import ImageFacts, Line
from pipeline.registries import Registry
from runtime.classic import pulled
from runtime.wire import BROKEN, Wire, said

PUSH_SECONDS = 900
PULL_SECONDS = 900
# Progress that says nothing once the layer is through.
PASSING = frozenset({"Preparing", "Waiting", "Pushing"})


class Images:
    """The images the engine has and the registry may have."""

    def __init__(self, wire: Wire, registry: Registry | None = None) -> None:
        self._wire = wire
        self._registry = registry

    def tag(self, image: str, reference: str) -> None:
        """Give an image another reference."""
        repository, tag = _split(reference)
        with self._wire.doing(f"tag {image} as {reference}"):
            self._wire.api.tag(image, repository, tag)

    def push(self, reference: str, line: Line) -> str:
        """Push a tagged image and return the digest the registry knows it by."""
        repository, tag = _split(reference)
        digest = ""
        for message in self._messages("push", repository, tag, PUSH_SECONDS, self._account(repository)):
            aux = message.get("aux")
            if isinstance(aux, dict):
                digest = str(aux.get("Digest", digest))
            elif "status" in message and message["status"] not in PASSING:
                line(pulled(message))
        if not digest:
            raise Unavailable(f"the registry gave no digest for {reference}", code="registry_unavailable")
        return digest

    def image(self, reference: str, *, as_anybody: bool = False) -> ImageFacts | None:
        """Return what an image says of itself, pulling it if only the registry has it; None if nobody has it."""
        found = self._inspect(reference)
        if found is None and _names_registry(reference) and self._pull(reference, as_anybody=as_anybody):
            found = self._inspect(reference)
        return _facts(found) if found else None

    def _inspect(self, reference: str) -> dict[str, Any] | None:
        with self._wire.doing(f"look at the image {reference}"):
            try:
                found: dict[str, Any] = self._wire.api.inspect_image(reference)  # type: ignore[no-untyped-call]
            except NotFound:
                return None
            return found

    def _pull(self, reference: str, *, as_anybody: bool) -> bool:
        repository, tag = _split(reference)
        # None would be whoever the engine's user has logged in as.
        account = {} if as_anybody else self._account(repository)
        try:
            for _message in self._messages("pull", repository, tag, PULL_SECONDS, account):
                pass
        except NotFound:
            return False
        return True

    def _account(self, repository: str) -> Mapping[str, str] | None:
        """Return as whom the engine is to speak to a registry: ours with what is set, others with what it knows."""
        ours = self._registry is not None and repository.startswith(f"{self._registry.host}/")
        return self._registry.account if self._registry and ours else None

    def _messages(
        self, verb: str, repository: str, tag: str, seconds: float, auth: Mapping[str, str] | None
    ) -> Iterator[dict[str, Any]]:
        """Yield what the engine says while it talks to the registry; NotFound if the registry has no such image."""
        deadline, what = time.monotonic() + seconds, f"{verb} {repository}"
        try:
            stream = iter(getattr(self._wire.api, verb)(repository, tag, stream=True, decode=True, auth_config=auth))
            error = ""
            while (message := next(stream, None)) is not None:
                # What follows is read to its end, or the connection would stay open for as long as anybody knows it.
                error = error or str(message.get("error", ""))
                if time.monotonic() > deadline:
                    raise _registry(f"{what} within {seconds:g} s")
                if not error:
                    yield message
            if error:
                raise _registry(f"{what}: {error}")
        except NotFound:
            raise
        except APIError as fault:
            raise _registry(f"{what}: {said(fault)}") from fault
        except BROKEN as fault:
            raise self._wire.gone(fault) from fault


def _registry(what: str) -> Unavailable:
    return Unavailable(f"the container engine could not {what}", code="registry_unavailable")


def _split(reference: str) -> tuple[str, str]:
    """Return repository and tag or digest; a colon before a slash belongs to the registry's port."""
    if "@" in reference:
        repository, _, digest = reference.partition("@")
        return repository, digest
    repository, colon, tag = reference.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (reference, "latest")


def _names_registry(reference: str) -> bool:
    """Tell whether a reference says which registry it is from: no other is asked, least of all a public one."""
    host, slash, _ = reference.partition("/")
    return bool(slash) and (host == "localhost" or "." in host or ":" in host)


def _facts(found: dict[str, Any]) -> ImageFacts:
    exposed = (found.get("Config") or {}).get("ExposedPorts") or {}
    ports = [int(port.removesuffix("/tcp")) for port in exposed if port.endswith("/tcp")]
    return ImageFacts(
        id=found["Id"],
        port=min(ports, default=None),
        size=found["Size"],
        labels=(found.get("Config") or {}).get("Labels") or {},
    )
