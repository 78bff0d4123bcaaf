"""Secrets through the API: names go out, values only come in."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from dashboard.api.bodies import Nothing, SetSecret, read
from dashboard.vault import Vault


def make_secrets(vault: Vault) -> Blueprint:
    """Return the blueprint of /api/v1/secrets."""
    api = Blueprint("secrets", __name__, url_prefix="/api/v1/secrets")

    @api.get("")
    def secrets() -> ResponseReturnValue:
        """List secrets: their names, for whom they are, who set them and when."""
        return jsonify({"items": vault.listed(), "next": None})

    @api.put("/<scope>/<name>")
    def put(scope: str, name: str) -> ResponseReturnValue:
        """Set a secret, or give it another value."""
        said = read(SetSecret)
        return jsonify(vault.put(scope, name, said.value, by=said.who))

    @api.delete("/<scope>/<name>")
    def drop(scope: str, name: str) -> ResponseReturnValue:
        """Remove a secret."""
        read(Nothing)
        vault.drop(scope, name)
        return jsonify({"detail": f"{name} is gone"})

    return api
