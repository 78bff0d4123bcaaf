"""Take from the engine what carries one home's label, and nothing else."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import docker
from docker.errors import APIError, NotFound

from pipeline.containers import HOME
from runtime.stack_api import engine_client

CONFLICT = 409
BASE = "slipway/base-"


def remove_all(engine: str, home_id: str, say: Callable[[str], None]) -> None:
    """Remove every container, network, image and volume of a home; say what was removed and what had to stay."""
    with engine_client(engine) as client:
        mine = {"label": f"{HOME}={home_id}"}
        containers = client.containers(all=True, filters=mine)
        for container in containers:
            _gone(partial(client.remove_container, container["Id"], force=True, v=True))
        networks = client.networks(filters=mine)
        for network in networks:
            _remove_network(client, network["Id"])
        images = _remove_images(client, mine, say) + _release_bases(client, home_id)
        volumes = client.volumes(filters=mine)["Volumes"] or []
        for volume in volumes:
            _gone(partial(client.remove_volume, volume["Name"]))
    counts = {"container": len(containers), "network": len(networks), "image": images, "volume": len(volumes)}
    say("removed " + ", ".join(f"{number} {what}{'' if number == 1 else 's'}" for what, number in counts.items()))


def other_homes(engine: str, home_id: str) -> tuple[str, ...]:
    """Return the homes, other than this one, that have a running container on an engine."""
    with engine_client(engine) as client:
        running = client.containers(filters={"label": HOME})
        return tuple(sorted({container["Labels"][HOME] for container in running} - {home_id}))


def _remove_network(client: docker.APIClient, key: str) -> None:
    """Remove a network; containers of somebody else that are on it are let go first, and live on."""
    facts: Mapping[str, Any] = client.inspect_network(key)
    for container in facts.get("Containers") or {}:
        _gone(partial(client.disconnect_container_from_network, container, key, force=True))
    _gone(partial(client.remove_network, key))


def _remove_images(client: docker.APIClient, mine: Mapping[str, str], say: Callable[[str], None]) -> int:
    """Remove each image by all its names; one that another's container uses loses its names and stays."""
    images = client.images(filters=mine)
    for image in images:
        names = [*(image["RepoTags"] or []), *(image["RepoDigests"] or [])]
        for name in names:
            if "<none>" not in name:
                _gone(partial(client.remove_image, name, force=True))
    left = [image["Id"] for image in client.images(filters=mine)]
    kept = [key for key in left if not _gone(partial(client.remove_image, key))]
    for key in kept:
        say(f"kept image {key[7:19]}: something that is not of this home uses it")
    return len({image["Id"] for image in images} - set(kept))


def home_tag(home_id: str) -> str:
    """Return the tag by which a home holds a base image that it shares with others."""
    return f"home-{home_id}"


def _release_bases(client: docker.APIClient, home_id: str) -> int:
    """Let go of the base images; return how many went, because no other home holds them."""
    went = 0
    for image in client.images():
        tags = [tag for tag in image["RepoTags"] or [] if tag.startswith(BASE)]
        mine = [tag for tag in tags if tag.endswith(f":{home_tag(home_id)}")]
        if not mine:
            continue
        others = [tag for tag in tags if ":home-" in tag and tag not in mine]
        for tag in mine if others else tags:
            _gone(partial(client.remove_image, tag, force=True))
        went += 0 if others else 1
    return went


def _gone(call: Callable[[], object]) -> bool:
    """Call the engine; True if the thing is gone, by us or before us, False if it is in use."""
    try:
        call()
    except NotFound:
        return True
    except APIError as fault:
        if fault.status_code == CONFLICT:
            return False
        raise
    return True
