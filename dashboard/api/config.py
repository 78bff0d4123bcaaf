"""slipway.yml for editors and programs: its schema, and a look at one before it is pushed."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from dashboard.api.bodies import CheckConfig, read
from pipeline.errors import TooLarge
from pipeline.names import label
from pipeline.spec import SpecProblems, load, schema
from pipeline.spec_words import Problem

LARGEST = 64 * 1024
WITHOUT_A_NAME = "project"


@dataclass(frozen=True, slots=True)
class _Given:
    """Files that came with a request."""

    files: Mapping[str, str]

    def get(self, path: str, /) -> bytes | None:
        """Return a file, or None."""
        text = self.files.get(path)
        return None if text is None else text.encode(errors="replace")


def make_config() -> Blueprint:
    """Return the blueprint of what is known about slipway.yml without any project."""
    config = Blueprint("config", __name__)

    @config.get("/schema/slipway.json")
    def of_slipway_yml() -> ResponseReturnValue:
        """Return the JSON Schema of slipway.yml, for editors."""
        answer = jsonify(schema())
        answer.headers["Access-Control-Allow-Origin"] = "*"
        return answer

    @config.post("/api/v1/config/check")
    def check() -> ResponseReturnValue:
        """Say everything that is wrong with a configuration, before it is pushed."""
        said = read(CheckConfig)
        if sum(map(len, said.files.values())) > LARGEST:
            raise TooLarge(f"files of more than {LARGEST // 1024} KiB together are only checked by `slipway config`")
        try:
            load(_Given(said.files), project=label(said.project) if said.project else WITHOUT_A_NAME)
        except SpecProblems as error:
            return jsonify(problems=[_told(problem) for problem in error.problems])
        return jsonify(problems=[])

    return config


def _told(problem: Problem) -> dict[str, str | int]:
    return {"file": problem.file, "line": problem.line, "where": problem.where, "sentence": problem.sentence}
