"""Secrets at rest: sealed with a key that is kept beside the database, not in it."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from pydantic import SecretStr

from pipeline.errors import Rejected, Unavailable

KEY_FILE = "secrets.key"
SHORTEST = 32
PRIVATE = 0o600


class Seal:
    """Seals and opens; what was sealed for one owner opens for no other. The key is asked for when it is needed."""

    def __init__(self, key: Callable[[], bytes]) -> None:
        self._key = key

    def close(self, secret: str, *, owner: str) -> str:
        """Return a secret as it may be kept."""
        return self._fernet.encrypt(json.dumps([owner, secret]).encode()).decode()

    def open(self, sealed: str, *, owner: str) -> str:
        """Return what was sealed for this owner. Raises Rejected if it was not, or with another key."""
        try:
            whose, secret = json.loads(self._fernet.decrypt(sealed.encode()))
        except InvalidToken as fault:
            raise _wrong_key() from fault
        if whose != owner:
            raise _wrong_key()
        return str(secret)

    @cached_property
    def _fernet(self) -> Fernet:
        return Fernet(self._key())


def seal_of(home: Path, setting: SecretStr | None = None) -> Seal:
    """Return the seal of a home, whose key file is made when it is first needed, or that of a key that is set."""
    if setting is None:
        return Seal(lambda: _key(home / KEY_FILE))
    given = setting.get_secret_value()
    if len(given) < SHORTEST:
        raise Rejected(
            f"SLIPWAY_SECRET_KEY has fewer than {SHORTEST} characters",
            code="bad_setting",
            fix="Make one: openssl rand -base64 32",
        )
    return Seal(lambda: base64.urlsafe_b64encode(hashlib.sha256(given.encode()).digest()))


def _key(path: Path) -> bytes:
    """Return the key in a file that only its owner can read; whoever comes first makes it."""
    if not path.exists():
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(beside, path)
        beside.unlink()
    if path.stat().st_mode & 0o077:
        raise Unavailable(f"others may read {path}", code="key_not_private", fix=f"chmod 600 {path}")
    return path.read_bytes().strip()


def _wrong_key() -> Rejected:
    return Rejected(
        "the secret was sealed with another key than this home's",
        code="wrong_key",
        fix="Set SLIPWAY_SECRET_KEY to that key, or give the token anew: ./slipway project token NAME",
    )
