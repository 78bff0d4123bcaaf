"""Which keys of a Compose file mean something here, which mean nothing, and what to do instead of the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.spec_words import Flaw, Place, show

IN_DOCKERFILE = "say it in the Dockerfile"
NO_RIGHTS = "containers get no rights on the machine"
OWN_NETWORK = "each run and each environment has a network of its own, where services have their names"
SETTINGS = "limits are settings of Slipway"


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """The keys of one kind of place: what is read, what is for `docker compose` alone, and hints about the rest."""

    read: frozenset[str]
    idle: frozenset[str] = frozenset()
    hints: Mapping[str, str] = field(default_factory=dict)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


FILE = Keys(
    read=_words("services"),
    idle=_words("version name networks volumes secrets"),
    hints={"include": "name the files in `compose` of slipway.yml", "configs": "put the file into the image"},
)
SERVICE = Keys(
    read=_words("image build command environment env_file expose ports healthcheck depends_on profiles volumes")
    | {"stop_grace_period"},
    idle=_words("attach container_name deploy develop init labels logging networks pull_policy restart stdin_open tty"),
    hints={
        **dict.fromkeys(("entrypoint", "user", "working_dir", "stop_signal"), IN_DOCKERFILE),
        **dict.fromkeys(
            _words("privileged cap_add cap_drop devices security_opt pid ipc userns_mode sysctls use_api_socket"),
            NO_RIGHTS,
        ),
        **dict.fromkeys(_words("network_mode links external_links extra_hosts dns hostname mac_address"), OWN_NETWORK),
        **dict.fromkeys(_words("mem_limit mem_reservation memswap_limit cpus pids_limit ulimits shm_size"), SETTINGS),
        "extends": "write it out, or share it with an anchor and `<<`",
        "secrets": "name it in `secrets` of a stage in slipway.yml",
        "configs": "put the file into the image",
        "label_file": "write the labels out",
        "tmpfs": "a container's own files are gone with it: leave it out",
        "volumes_from": "name the same volume in both services",
        "scale": "leave it out",
        "platform": "images are built for the machine that Slipway runs on",
    },
)
BUILD = Keys(
    read=_words("context dockerfile target args secrets"),
    idle=_words("cache_from cache_to labels tags pull no_cache provenance sbom"),
    hints={
        "dockerfile_inline": "put it into a file of the repository",
        "additional_contexts": "one context holds all that the image is made of",
        "ssh": "use `secrets`",
        "platforms": "images are built for the machine that Slipway runs on",
        "network": "builds choose no network",
        "privileged": NO_RIGHTS,
        "entitlements": NO_RIGHTS,
    },
)
HEALTHCHECK = Keys(read=_words("test interval timeout retries start_period disable"), idle=_words("start_interval"))
DEPENDENCY = Keys(read=_words("condition"), idle=_words("restart required"))
DEPLOY = Keys(
    read=_words(""),
    idle=_words("replicas update_config rollback_config restart_policy labels mode endpoint_mode"),
    hints={"resources": SETTINGS, "placement": "environments choose their machines"},
)
VOLUME = Keys(
    read=_words("type source target"),
    idle=_words("read_only volume consistency"),
    hints={"bind": "name a volume", "tmpfs": "leave it out"},
)
NAMED = Keys(
    read=_words(""),
    idle=_words("name labels driver"),
    hints={"external": "volumes belong to one run or one environment", "driver_opts": "leave it out"},
)


def check_keys(value: Mapping[str, Any]) -> Iterator[Flaw]:
    """Yield every key that Compose knows and this does not."""
    yield from _check((), value, FILE)
    for name, volume in _mapping(value.get("volumes")).items():
        yield from _check(("volumes", name), volume, NAMED)
    for name, service in _mapping(value.get("services")).items():
        at = ("services", name)
        yield from _check(at, service, SERVICE)
        said = _mapping(service)
        for key, keys in (("build", BUILD), ("healthcheck", HEALTHCHECK), ("deploy", DEPLOY)):
            yield from _check((*at, key), said.get(key), keys)
        for other, condition in _mapping(said.get("depends_on")).items():
            yield from _check((*at, "depends_on", other), condition, DEPENDENCY)
        volumes = said.get("volumes")
        for index, volume in enumerate(volumes if isinstance(volumes, list) else ()):
            yield from _check((*at, "volumes", index), volume, VOLUME)


def _check(place: Place, value: Any, keys: Keys) -> Iterator[Flaw]:
    for key in _mapping(value):
        if key not in keys.read | keys.idle:
            hint = keys.hints.get(key)
            yield Flaw((*place, key), f"`{show(key)}` is not supported{f': {hint}' if hint else ''}")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
