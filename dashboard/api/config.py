"""slipway.yml for editors and programs: its schema, and a look at one before it is pushed."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from dashboard.api.bodies import CheckConfig, read
from pipeline.errors import TooLarge
from pipeline.names import label
from pipeline.spec import SpecProblems, load, schema
from pipeline.spec_words import Problem

LARGEST = 64 * 1024
# What the web process takes a moment for: so many lines, values and brackets, so deep in each other.
MARKS, DEEPEST = 4_000, 64
MARK = re.compile(r"[\n,:\[\]{}]")
STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
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
        _check_size(said.files.values())
        try:
            load(_Given(said.files), project=label(said.project) if said.project else WITHOUT_A_NAME)
        except SpecProblems as error:
            return jsonify(problems=[_told(problem) for problem in error.problems])
        return jsonify(problems=[])

    return config


def _check_size(texts: Iterable[str]) -> None:
    """Raise TooLarge for what would keep the web process from its other answers."""
    if sum(map(len, texts)) > LARGEST:
        raise TooLarge(f"files of more than {LARGEST // 1024} KiB together are only checked by `slipway config`")
    marks = 0
    for text in texts:
        depth = 0
        for mark in MARK.finditer(text):
            marks += 1
            depth = max(0, depth + {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark[0], 0))
            if marks > MARKS or depth > DEEPEST:
                raise TooLarge(
                    "files with so many values in each other, or at all, are only checked by `slipway config`"
                )


def _told(problem: Problem) -> dict[str, str | int]:
    return {"file": problem.file, "line": problem.line, "where": problem.where, "sentence": problem.sentence}
