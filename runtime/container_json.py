"""How the engine writes containers down: what it is asked to create, and what it tells of one.

https://docs.docker.com/engine/api/v1.41/#tag/Container
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from pipeline.containers import HOME, ContainerSpec, ContainerState

# Set on containers only, never on images: a container somebody else makes of our image inherits the image's labels.
NAME = "dev.slipway.container"
# What tells a container that was made by the same request from one that only has its name.
REQUEST = "dev.slipway.request"
# A volume outlives the run that first needed it, so it carries only what stays true.
VOLUME_LABELS = ("dev.slipway.project", "dev.slipway.service")
LOG = {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}}


def create_request(spec: ContainerSpec, home: str) -> dict[str, Any]:
    """Return what the engine is asked to create."""
    host = {
        "Init": True,  # or the command is process 1, which ignores SIGTERM
        "LogConfig": LOG,
        "Memory": spec.memory,
        "MemorySwap": spec.memory,
        "PidsLimit": spec.pids,
        "SecurityOpt": ["no-new-privileges"],
        "NetworkMode": f"container:{spec.joins}" if spec.joins else spec.network or "none",
        "ExtraHosts": [f"{name}:{address}" for name, address in spec.hosts.items()],
        "RestartPolicy": {"Name": "unless-stopped" if spec.keep_running else "no"},
    }
    config: dict[str, Any] = {
        "Image": spec.image,
        "Env": [f"{name}={value}" for name, value in spec.env.items()],
        "Labels": {**spec.labels, HOME: home, NAME: spec.name},
        "HostConfig": host,
    }
    if spec.command is not None:
        config["Cmd"] = list(spec.command)
    if spec.workdir:
        config["WorkingDir"] = spec.workdir
    if spec.caches:
        host["Mounts"] = [_volume(name, target, spec.labels, home) for name, target in spec.caches.items()]
    if spec.network and spec.aliases:
        config["NetworkingConfig"] = {"EndpointsConfig": {spec.network: {"Aliases": list(spec.aliases)}}}
    config["Labels"][REQUEST] = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]
    return config


def is_request(found: dict[str, Any], spec: ContainerSpec, home: str) -> bool:
    """Tell whether an inspected container was created by just this request."""
    labels = found["Config"]["Labels"] or {}
    return bool(labels.get(REQUEST) == create_request(spec, home)["Labels"][REQUEST])


def state_of(found: dict[str, Any], network: str | None = None) -> ContainerState:
    """Return an inspected container in our words; its address is the one on `network`."""
    state = found["State"]
    running = bool(state["Running"]) and not state["Restarting"]
    return ContainerState(
        id=found["Id"],
        name=found["Name"].lstrip("/"),
        running=running,
        exit_code=None if running or state["Status"] == "created" else state["ExitCode"],
        address=address_of(found, network) if running else "",
        labels=found["Config"]["Labels"] or {},
        health=str((state.get("Health") or {}).get("Status", "")).removeprefix("none"),
    )


def _volume(name: str, target: str, labels: Mapping[str, str], home: str) -> dict[str, Any]:
    marks = {key: labels[key] for key in VOLUME_LABELS if key in labels} | {HOME: home}
    return {"Type": "volume", "Source": name, "Target": target, "VolumeOptions": {"Labels": marks}}


def address_of(found: dict[str, Any], network: str | None = None) -> str:
    """Return the address on `network`, else on the network the container was made with, else on any."""
    networks = found["NetworkSettings"]["Networks"] or {}
    first = (network, found["HostConfig"]["NetworkMode"])
    return next(_addresses([networks[name] for name in first if name in networks] + [*networks.values()]), "")


def _addresses(endpoints: list[dict[str, Any]]) -> Iterator[str]:
    return (one["IPAddress"] for one in endpoints if one.get("IPAddress"))
