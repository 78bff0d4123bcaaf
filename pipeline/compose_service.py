"""One service of a Compose file in the words of slipway.yml."""

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import PydanticCustomError

from pipeline.spec_load import Scalar, plain
from pipeline.spec_types import is_null, seconds, written
from pipeline.spec_words import Flaw, Place, show

HERE = r"(?:localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0)"
LOCAL = re.compile(rf"(?:https?://{HERE}(?::\d+)?|{HERE}:\d+(?=/))(/[^\s'\"|;&)]*)?")
PORT = re.compile(r"(?:.*:)?(\d{1,5})(?:/tcp)?")
VOLUME = re.compile(r"(?:([A-Za-z0-9][\w.-]*):)?(/[^:]*)(?::\w+(?:,\w+)*)?")
HOST_PATH = "is a directory of one machine: put what it holds into the image, or name a volume"
FINISHED = "service_completed_successfully"
INTERVAL, RETRIES, LONGEST = 30.0, 3, 86400.0
EnvFile = Callable[[str, Place], Mapping[str, str]]


@dataclass(slots=True)
class Made:
    """A service in the making: its keys, from where in the Compose file each came, what cannot be."""

    place: Place
    value: dict[str, Any] = field(default_factory=dict)
    sources: dict[Place, Place] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)

    def put(self, key: str, value: Any, *source: str | int) -> None:
        """Note a key's value, and where it came from."""
        self.value[key] = value
        for step in _places(value):
            self.sources[key, *step] = (*self.place, *source, *step)

    def refuse(self, sentence: str, *source: str | int) -> None:
        """Note what cannot be."""
        self.flaws.append(Flaw((*self.place, *source), sentence))


def translate(name: str, service: Mapping[str, Any], *, base: str, env: Mapping[str, str], env_file: EnvFile) -> Made:
    """Return a service of a Compose file. `base` is the directory of its first file, `env` what .env gives."""
    made = Made(("services", name))
    _image(made, service, base)
    _command(made, service)
    _environment(made, service, env, env_file)
    _port(made, service)
    _health(made, service)
    _volumes(made, service)
    _others(made, service)
    return made


def _image(made: Made, service: Mapping[str, Any], base: str) -> None:
    build = service.get("build")
    if not isinstance(build, dict):
        if is_null(service.get("image")):
            made.refuse("a service has an `image` or a `build`")
        else:
            made.put("image", service["image"], "image")
        return
    context = str(build.get("context") or ".")
    inside = posixpath.normpath(posixpath.join(base, context))
    if "://" in context or context.startswith(("git@", "/", "~")) or inside.split("/")[0] == "..":
        made.refuse(f"`context` takes a directory of the repository, not {show(context)}", "build", "context")
    found = {key: build[key] for key in ("dockerfile", "target", "args") if not is_null(build.get(key))}
    if isinstance(args := found.get("args"), dict):
        found["args"] = {key: item for key, item in args.items() if not is_null(item)}
    if isinstance(secrets := build.get("secrets"), list):
        found["secrets"] = [one.get("source") if isinstance(one, dict) else one for one in secrets]
    made.put("build", {"context": Scalar(inside)} | found, "build")


def _command(made: Made, service: Mapping[str, Any]) -> None:
    command = service.get("command")
    if isinstance(command, list):
        made.put("command", command, "command")
    elif isinstance(command, str) and not is_null(command):
        try:
            made.put("command", [Scalar(word) for word in shlex.split(command)], "command")
        except ValueError:
            made.refuse(f"`command` has a quote that is not closed: {show(command)}", "command")


def _environment(made: Made, service: Mapping[str, Any], env: Mapping[str, str], env_file: EnvFile) -> None:
    found: dict[str, Any] = {}
    sources: dict[str, Place] = {}
    for index, one in enumerate(service.get("env_file") or ()):
        path = one.get("path") if isinstance(one, dict) else one
        required = not (isinstance(one, dict) and str(one.get("required")).lower() == "false")
        place = (*made.place, "env_file", index)
        try:
            given = env_file(str(path), place)
        except FileNotFoundError:
            if required:
                made.refuse(f"`env_file` names {show(path)}, which is not in this commit", "env_file", index)
            continue
        found |= {key: Scalar(item) for key, item in given.items()}
        sources |= dict.fromkeys(given, place)
    said = service.get("environment")
    for key, item in said.items() if isinstance(said, dict) else ():
        value = env.get(key) if is_null(item) else item
        if value is not None:
            found[key] = Scalar(value)
            sources[key] = (*made.place, "environment", key)
    if found:
        made.put("env", found, "environment")
        made.sources |= {("env", key): place for key, place in sources.items()}


def _port(made: Made, service: Mapping[str, Any]) -> None:
    """Note the first port of the container that is named; which port of the machine it gets is decided here."""
    for key in ("expose", "ports"):
        for index, one in enumerate(service.get(key) or ()):
            said = one.get("target") if isinstance(one, dict) else one
            port = PORT.fullmatch(str(said))
            if port is None:
                made.refuse(f"`{key}` takes one tcp port of the container, not {show(said)}", key, index)
            elif "port" not in made.value:
                made.put("port", plain(port[1]), key, index)


def _health(made: Made, service: Mapping[str, Any]) -> None:
    check = service.get("healthcheck")
    run = _probe(check.get("test")) if isinstance(check, dict) else []
    if not isinstance(check, dict) or not run or str(check.get("disable")).lower() == "true":
        if "image" in made.value and "port" in made.value and not isinstance(check, dict):
            made.put("ready", {"port": made.value["port"]}, "expose" if service.get("expose") else "ports")
        return
    within = Scalar(written(_within(made, check)))
    ready: dict[str, Any] = {"run": [Scalar(word) for word in run], "within": within}
    made.put("ready", ready, "healthcheck")
    if "build" not in made.value:
        return
    address = LOCAL.search(" ".join(run))
    health = {"path": Scalar(address[1] or "/")} if address else {}
    health |= {"timeout": check["timeout"]} if not is_null(check.get("timeout")) else {}
    made.put("health", health | {"within": within}, "healthcheck")


def _probe(test: Any) -> list[str]:
    """Return the command of a health check; nothing for one that is turned off."""
    if isinstance(test, str) and not is_null(test):
        return ["sh", "-c", str(test)]
    words = [str(word) for word in test] if isinstance(test, list) else []
    match words[:1]:
        case ["CMD"]:
            return words[1:]
        case ["CMD-SHELL"]:
            return ["sh", "-c", " ".join(words[1:])]
        case _:
            return []


def _within(made: Made, check: Mapping[str, Any]) -> float:
    """Return how long a container may take to become healthy; what the check leaves out is as Compose has it."""
    times = {"interval": INTERVAL, "start_period": 0.0}
    for key in [key for key in times if key in check]:
        try:
            times[key] = seconds(check[key])
        except PydanticCustomError:
            made.refuse(f"`{key}` takes a time like 5s, not {show(check[key])}", "healthcheck", key)
    retries = str(check.get("retries", RETRIES))
    count = int(retries) if retries.isascii() and retries.isdigit() and len(retries) < 6 else RETRIES
    return max(1.0, min(LONGEST, times["start_period"] + times["interval"] * count))


def _volumes(made: Made, service: Mapping[str, Any]) -> None:
    found: dict[str, Any] = {}
    for index, one in enumerate(service.get("volumes") or ()):
        if isinstance(one, dict):
            name, path, kind = one.get("source"), one.get("target"), str(one.get("type"))
            volume = VOLUME.fullmatch(f"{name}:{path}" if name else str(path)) if kind == "volume" else None
        else:
            volume = VOLUME.fullmatch(str(one))
        if volume is None or (str(one).startswith("/") and ":" in str(one)):
            said = one.get("source") or one.get("type") if isinstance(one, dict) else str(one).split(":", maxsplit=1)[0]
            made.refuse(f"{show(said)} {HOST_PATH}", "volumes", index)
            continue
        path = volume[2].rstrip("/") or "/"
        name = volume[1] or path.strip("/").replace("/", "-")
        found[name] = Scalar(path)
        made.sources["volumes", name] = (*made.place, "volumes", index)
    if found:
        made.value["volumes"] = found


def _others(made: Made, service: Mapping[str, Any]) -> None:
    depends = service.get("depends_on")
    if isinstance(depends, dict) and depends:
        for name, how in depends.items():
            if isinstance(how, dict) and how.get("condition") == FINISHED:
                hint = "run it as a stage, or in `restore` of one"
                made.refuse(f"waiting for {show(name)} to end is not supported: {hint}", "depends_on", name)
        made.put("depends_on", [Scalar(name) for name in depends], "depends_on")
        made.sources |= {("depends_on", index): (*made.place, "depends_on", name) for index, name in enumerate(depends)}
    if profiles := service.get("profiles"):
        made.put("profiles", profiles, "profiles")
    if not is_null(service.get("stop_grace_period")):
        made.put("drain", service["stop_grace_period"], "stop_grace_period")


def _places(value: Any) -> Iterator[Place]:
    yield ()
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        for place in _places(item):
            yield (key, *place)
