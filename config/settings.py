"""Every setting: from SLIPWAY_* variables, *_FILE, a secrets directory, `slipway.env`, and what `up` chose."""

import hashlib
import json
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline import registries
from pipeline.errors import Rejected
from pipeline.registries import address_of

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "SLIPWAY_"
# A socket's path has at most 107 bytes, and HAProxy appends its process id and `.tmp` while it opens one.
SOCKET_FOLDER_LIMIT = 70


class Web(BaseModel):
    """The web process: hooks, API and pages."""

    host: str = "127.0.0.1"
    port: int = 8070
    connections: int = 2000
    public_url: str | None = None
    hosts: tuple[str, ...] = ()
    token: SecretStr | None = None

    @property
    def local(self) -> bool:
        """Tell whether only this machine is meant to reach it."""
        return not self.public_url and (self.host == "localhost" or _is_loopback(self.host))


class Proxy(BaseModel):
    """HAProxy, which leads requests to containers by name."""

    address: str = "127.0.0.1"
    http_port: int = 8080


class Dns(BaseModel):
    """dnsmasq, which answers for the names of the domain."""

    host: str = "127.0.0.1"
    port: int = 10053


class Registry(BaseModel):
    """The image registry: our own on `port`, or another by `url` such as `registry.example.com:5000`.

    `ca` is a file with the certificates by which another one is known.
    """

    url: str | None = None
    port: int = 5100
    username: str = ""
    password: SecretStr = SecretStr("")
    ca: str = ""


class Publish(BaseModel):
    """Another registry that images can be published to, by the name it has in the variables."""

    url: str
    username: str = ""
    password: SecretStr = SecretStr("")
    ca: str = ""


class Hooks(BaseModel):
    """Webhooks: how many days a delivery is kept, by which its sender's second try is known, and a refused one."""

    keep_days: int = Field(default=30, ge=1)
    keep_refused_days: int = Field(default=7, ge=1)


class Source(BaseModel):
    """Repositories.

    How often they are looked at for pushes that nobody told of, in seconds, 0 is never; how many bytes one fetch may
    bring.
    """

    sweep: float = 180
    limit: int = Field(default=2 * 1024**3, gt=0)
    private_addresses: bool = True  # where it is not set: whether this web process is for this machine alone


class Forges(BaseModel):
    """Git hosts' own APIs, where commit statuses go. Seconds."""

    timeout: float = 10


class Slack(BaseModel):
    """Slack; without a bot token the recorder keeps what would have been said."""

    bot_token: SecretStr | None = None
    signing_secret: SecretStr | None = None
    api_url: str = "https://slack.com/api/"
    channel: str = "#deploys"
    team_id: str | None = None


class Docker(BaseModel):
    """The container engine, and the range its networks are cut from."""

    host: str = Field(default_factory=lambda: os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    networks: str = "10.213.0.0/16"


class Build(BaseModel):
    """How images are built, and how many at a time in one stage. Times in seconds.

    `ca_bundle` is a file of certificates that builds may trust; the proxies reach builds and leave no mark in images.
    """

    builder: Literal["auto", "buildkit", "classic"] = "auto"
    timeout: float = 1200
    silence: float = 300
    cache_limit: int = Field(default=20 * 1024**3, ge=0)
    parallel: int = Field(default=2, ge=1, le=32)
    ca_bundle: Path | None = None
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""

    @property
    def proxies(self) -> dict[str, str]:
        """The proxies as programs know them, by the names that builders take without being told."""
        known = {"HTTP_PROXY": self.http_proxy, "HTTPS_PROXY": self.https_proxy, "NO_PROXY": self.no_proxy}
        return {name: value for upper, value in known.items() if value for name in (upper, upper.lower())}


class Limits(BaseModel):
    """What anything may use at most. Sizes in bytes, times in seconds."""

    body: int = 25 * 1024**2
    body_seconds: float = Field(default=30, gt=0)
    transcript: int = 16 * 1024**2
    run_seconds: float = Field(default=6 * 3600, ge=0)
    test_timeout: float = 900
    test_silence: float = 300
    shards_at_once: int = Field(default=2, ge=1)
    artifacts: int = Field(default=100 * 1024**2, ge=0)
    artifact_count: int = Field(default=500, ge=0)
    interrupt: float = Field(default=2, ge=0)
    terminate: float = Field(default=5, ge=0)
    disk_free: int = Field(default=2 * 1024**3, ge=0)
    memory: int = 2 * 1024**3


class Settings(BaseSettings):
    """All of it; `config/reference.env` names every variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", extra="ignore")

    home: Path = ROOT / "var"
    database_url: str = ""
    redis_url: str = ""
    domain: str = "slipway.test"
    workers: int = 2
    local_paths: bool = True  # where it is not set: whether this web process is for this machine alone
    log_format: Literal["auto", "json", "pretty"] = "auto"
    secret_key: SecretStr | None = None
    web: Web = Web()
    proxy: Proxy = Proxy()
    dns: Dns = Dns()
    registry: Registry = Registry()
    hooks: Hooks = Hooks()
    source: Source = Source()
    forges: Forges = Forges()
    slack: Slack = Slack()
    docker: Docker = Field(default_factory=Docker)
    build: Build = Build()
    publish: dict[str, Publish] = Field(default_factory=dict)
    limits: Limits = Limits()

    def __init__(self, **values: Any) -> None:
        """Read every source. Raises Rejected, naming the variables, if a value is not of its kind."""
        try:
            super().__init__(**values)
        except ValidationError as fault:
            wrong = (f"{PREFIX}{'__'.join(map(str, at['loc'])).upper()}: {at['msg']}" for at in fault.errors())
            fix = "config/reference.env names every setting and its default."
            raise Rejected("; ".join(wrong), code="bad_setting", fix=fix) from fault

    def model_post_init(self, _context: object) -> None:
        """Fill in what follows from the home and from who can reach us."""
        if "local_paths" not in self.model_fields_set:
            self.local_paths = self.web.local
        if "private_addresses" not in self.source.model_fields_set:
            self.source = self.source.model_copy(update={"private_addresses": self.web.local})
        self.home = self.home.resolve()
        self.database_url = self.database_url or f"sqlite:///{self.home / 'slipway.db'}"
        self.redis_url = self.redis_url or f"unix://{self.run / 'redis.sock'}"
        for section, ports in _chosen_ports(self.home).items():
            part = getattr(self, section)
            free = {name: port for name, port in ports.items() if getattr(part, name) == 0}
            setattr(self, section, part.model_copy(update=free))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: arguments, variables, *_FILE and secrets directory, slipway.env, the ports of `up`."""
        return (init_settings, env_settings, FileSource(settings_cls), HomeSource(settings_cls))

    @property
    def home_id(self) -> str:
        """Eight hex digits that tell this home's containers and networks from another's."""
        return hashlib.sha256(str(self.home).encode()).hexdigest()[:8]

    @property
    def run(self) -> Path:
        """Where sockets are: in the home, or in /tmp where the home's path is too long for a socket's name."""
        inside = self.home / "run"
        short = len(os.fsencode(inside)) <= SOCKET_FOLDER_LIMIT
        return inside if short else Path("/tmp") / f"slipway-{self.home_id}"  # noqa: S108 - made 0700, owner checked

    @property
    def domains(self) -> tuple[str, str]:
        """The served zone, and the one browsers send to this machine without asking anybody."""
        return self.domain, f"{self.domain.split('.')[0]}.localhost"

    @property
    def registry_address(self) -> str:
        """The registry as image names carry it, without a scheme."""
        return address_of(self.registry.url or f"localhost:{self.registry.port}")

    @property
    def image_registry(self) -> registries.Registry:
        """The registry that images are kept in, and as whom it is spoken to."""
        known = self.registry
        return self._registry(known.url or self.registry_address, known, "SLIPWAY_REGISTRY")

    @property
    def published(self) -> dict[str, registries.Registry]:
        """The other registries that images can be published to, by name."""
        named = ((name, one, f"SLIPWAY_PUBLISH__{name.upper()}") for name, one in self.publish.items())
        return {name: self._registry(one.url, one, settings) for name, one, settings in named}

    def _registry(self, url: str, known: Registry | Publish, settings: str) -> registries.Registry:
        return registries.Registry(
            address=address_of(url),
            username=known.username,
            password=known.password.get_secret_value(),
            ca=known.ca or str(self.build.ca_bundle or ""),
            plain=url.startswith("http://"),
            settings=settings,
        )

    @property
    def web_url(self) -> str:
        """Where people and programs reach the web process."""
        return (self.web.public_url or f"http://{self.web.host}:{self.web.port}").rstrip("/")


class FileSource(PydanticBaseSettingsSource):
    """Values from files: `SLIPWAY_X_FILE=/path`, /run/secrets/SLIPWAY_X, $CREDENTIALS_DIRECTORY/SLIPWAY_X."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: all values come at once from `__call__`."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what the files hold, nested as the settings are."""
        found: dict[str, Any] = {}
        for folder in (Path("/run/secrets"), Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nonexistent"))):
            for path in sorted(folder.glob(f"{PREFIX}*")) if folder.is_dir() else ():
                _put(found, path.name, path.read_text().strip())
        for name, value in os.environ.items():
            if name.startswith(PREFIX) and name.endswith("_FILE"):
                _put(found, name.removesuffix("_FILE"), Path(value).read_text().strip())
        return found


class HomeSource(PydanticBaseSettingsSource):
    """Values the home keeps: `slipway.env`, a line a variable, and `run/ports.json`, the ports that `up` chose."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: all values come at once from `__call__`."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what the home keeps, nested as the settings are."""
        home = Path(self.current_state.get("home") or ROOT / "var")
        found: dict[str, Any] = _chosen_ports(home)
        env = home / "slipway.env"
        for line in env.read_text().splitlines() if env.is_file() else ():
            name, equals, value = line.strip().partition("=")
            if equals and name.startswith(PREFIX):
                _put(found, name.strip(), value.strip().strip("\"'"))
        return found


def _chosen_ports(home: Path) -> dict[str, Any]:
    """Return the ports that `up` chose, nested as the settings are; a port that is set to 0 means one of these."""
    path = home / "run" / "ports.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _put(found: dict[str, Any], name: str, value: str) -> None:
    """Set SLIPWAY_A__B in a nested dictionary."""
    *path, last = name.removeprefix(PREFIX).lower().split("__")
    for step in path:
        found = found.setdefault(step, {})
    found[last] = value
