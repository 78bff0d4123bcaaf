"""Image registries: where one is, and as whom it is spoken to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.errors import Rejected

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


class RegistryForbidden(Rejected):
    """The image registry does not let us in."""

    code = "registry_unauthorized"
    status = 403


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """A registry as image names carry it: host, port, and perhaps a path, no scheme.

    `settings` is the part of the settings that says all this, for sentences.
    """

    address: str
    username: str = ""
    password: str = field(default="", repr=False)
    ca: str = ""
    plain: bool = False
    settings: str = "SLIPWAY_REGISTRY"

    @property
    def host(self) -> str:
        """The host and port."""
        return self.address.partition("/")[0]

    @property
    def base_url(self) -> str:
        """Where its API is: as the engine does, plain HTTP is spoken with this machine and HTTPS with any other."""
        plain = self.plain or self.host.rsplit(":", 1)[0] in LOCAL
        return f"{'http' if plain else 'https'}://{self.host}"

    @property
    def account(self) -> Mapping[str, str] | None:
        """As whom the engine is to speak to it; None is as anybody."""
        return {"username": self.username, "password": self.password} if self.username else None

    def repository(self, name: str) -> str:
        """Return a repository's name in the registry's API, from its name in images or without the registry's."""
        inner = name.removeprefix(f"{self.address}/").strip("/")
        path = self.address.partition("/")[2]
        return f"{path}/{inner}" if path else inner

    def forbidden(self, repository: str) -> RegistryForbidden:
        """Return the error that says that we are not let in, and which settings to look at."""
        who = f"as {self.username}" if self.username else "without a name"
        sentence = f"the registry at {self.address} does not let us at {repository} {who}"
        return RegistryForbidden(sentence, fix=f"Set {self.settings}__USERNAME and {self.settings}__PASSWORD_FILE.")


def address_of(url: str) -> str:
    """Return a registry's address as image names carry it."""
    return url.removeprefix("http://").removeprefix("https://").rstrip("/")
