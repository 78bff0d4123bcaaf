"""The services of a project as a Compose file, which reads back as the same services."""

import io
from collections.abc import Mapping
from typing import Any

from ruamel.yaml import YAML

from pipeline.spec import Spec
from pipeline.spec_service import Service
from pipeline.spec_types import written

FIRST_LINE = "# Made by `slipway config show --compose`.\n"
USUAL_DRAIN = 10.0


def export(spec: Spec, images: Mapping[str, str] | None = None) -> str:
    """Return a Compose file. Services that `images` names are those images; the others are built where it is used."""
    images = images or {}
    services = {name: _service(spec, service, images.get(name, "")) for name, service in spec.services.items()}
    volumes: dict[str, Any] = {volume: {} for service in spec.services.values() for volume in service.volumes}
    value: dict[str, Any] = {"name": spec.name, "services": services}
    if volumes:
        value["volumes"] = volumes
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 4096
    yaml.dump(value, text)
    return FIRST_LINE + text.getvalue()


def _service(spec: Spec, service: Service, image: str) -> dict[str, Any]:
    found: dict[str, Any] = {"image": image} if image else _origin(service)
    if service.command is not None:
        found["command"] = [_plain(word) for word in service.command]
    if service.env:
        found["environment"] = {name: _plain(item) for name, item in service.env.items()}
    if service.port:
        found["expose"] = [str(service.port)]
    if check := _check(service):
        found["healthcheck"] = check
    if service.depends_on:
        found["depends_on"] = {name: {"condition": _condition(spec.services[name])} for name in service.depends_on}
    if service.volumes:
        found["volumes"] = [f"{name}:{path}" for name, path in service.volumes.items()]
    if service.profiles:
        found["profiles"] = list(service.profiles)
    if service.drain != USUAL_DRAIN:
        found["stop_grace_period"] = written(service.drain)
    return found


def _origin(service: Service) -> dict[str, Any]:
    if service.image:
        return {"image": _plain(service.image)}
    build = service.build
    found: dict[str, Any] = {"context": "." if build.context == "." else f"./{_plain(build.context)}"}
    if build.dockerfile != "Dockerfile":
        found["dockerfile"] = _plain(build.dockerfile)
    if build.target:
        found["target"] = _plain(build.target)
    if build.args:
        found["args"] = {name: _plain(item) for name, item in build.args.items()}
    if build.secrets:
        found["secrets"] = list(build.secrets)
    return {"build": found}


def _check(service: Service) -> dict[str, Any]:
    """Return a health check that may fail for as long as the service has time to become healthy."""
    ready = service.ready
    if ready is None and service.image and service.port:
        # Without a word a backing service with a port would be waited for.
        return {"disable": True}
    if ready is None or ready.run is None:
        return {}
    interval = min(1.0, ready.within)
    found: dict[str, Any] = {
        "test": ["CMD", *(_plain(word) for word in ready.run)],
        "interval": written(interval),
        "retries": 1,
    }
    if ready.within > interval:
        found["start_period"] = written(ready.within - interval)
    if not service.image:
        found["timeout"] = written(service.health.timeout)
    return found


def _condition(service: Service) -> str:
    healthy = service.ready is not None and service.ready.run is not None
    return "service_healthy" if healthy else "service_started"


def _plain(text: str) -> str:
    """Return a text in which nothing is a variable."""
    return text.replace("$", "$$")
