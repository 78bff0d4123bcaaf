"""Which Slipway this is."""

import tomllib

from config.settings import ROOT


def version() -> str:
    """Return the version that the checkout's pyproject.toml names."""
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return str(facts["project"]["version"])
