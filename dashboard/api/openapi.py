"""/openapi.json and /docs: the API described by its routes, their handlers' words, and the table of operations."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, current_app, jsonify, render_template
from flask.typing import ResponseReturnValue
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from dashboard.api import shapes
from dashboard.api.operations import ALWAYS, JSON, OPERATIONS, PATHS, PROBLEM, V1, Operation

NAMED = r"<(?:path:)?(\w+)>"
REF = "#/components/schemas/{model}"
ABOUT = (
    "Lists are `{items, next}`, newest first; `next` is the next page's `cursor`, and the header `Link` leads there. "
    "Ids are texts (`r87`, `d142`). Times are RFC 3339 in UTC. Errors are `application/problem+json`."
)
LISTED_AS = {"type": "object", "required": ["items", "next"], "additionalProperties": False}
NEXT = {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "the next page's `cursor`"}


def make_openapi(version: str) -> Blueprint:
    """Return the blueprint of the description, for programs and for people."""
    pages = Blueprint("openapi", __name__)

    @pages.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        """Describe the API (OpenAPI 3.1)."""
        return jsonify(document(current_app, version))

    @pages.get("/docs")
    def docs() -> ResponseReturnValue:
        """Show the description to people."""
        return render_template("docs.html", api=document(current_app, version), moving=False)

    return pages


def document(app: Flask, version: str) -> dict[str, Any]:
    """Return the description of every operation in the table."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, rule), operation in OPERATIONS.items():
        path = re.sub(NAMED, r"{\1}", rule)
        paths.setdefault(path, {})[method.lower()] = _operation(rule, _words(app, method, rule), operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Slipway", "version": version, "description": ABOUT},
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        # On the server's own machine nothing is needed; elsewhere the token is.
        "security": [{}, {"token": []}],
    }


def _words(app: Flask, method: str, rule: str) -> tuple[str, str]:
    """Return the name and the first line of what handles this."""
    for one in app.url_map.iter_rules():
        if one.rule == rule and method in (one.methods or ()):
            said = (app.view_functions[one.endpoint].__doc__ or "").strip().partition("\n")[0]
            return one.endpoint, said
    raise LookupError(f"nothing answers {method} {rule}")


def _operation(rule: str, words: tuple[str, str], operation: Operation) -> dict[str, Any]:
    name, summary = words
    found: dict[str, Any] = {
        "operationId": name,
        "summary": summary,
        "tags": [rule.removeprefix(V1).strip("/").partition("/")[0]],
        "parameters": list(_parameters(rule, operation)),
        "responses": {str(status): answer for status, answer in sorted(_answers(operation).items())},
    }
    content = {JSON: {"schema": _ref(operation.body)}} if operation.body else {kind: {} for kind in operation.raw}
    if content:
        found["requestBody"] = {"required": True, "content": content}
    return found


def _parameters(rule: str, operation: Operation) -> Iterator[dict[str, Any]]:
    for name in re.findall(NAMED, rule):
        yield _parameter("path", name, PATHS[name]) | {"required": True}
    for name, schema in operation.query.items():
        yield _parameter("query", name, schema)
    for name, schema in operation.headers.items():
        yield _parameter("header", name, schema)


def _parameter(place: str, name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    kind = {key: value for key, value in schema.items() if key != "description"}
    said = {"description": schema["description"]} if "description" in schema else {}
    return {"name": name, "in": place, "schema": kind} | said


def _answers(operation: Operation) -> dict[int, dict[str, Any]]:
    problem = {PROBLEM: {"schema": _ref(shapes.Problem)}}
    answers = {status: _answer(status, problem) for status in (*ALWAYS, *operation.errors)}
    for status, shape in operation.answers.items():
        content = {shape: {}} if isinstance(shape, str) else {JSON: {"schema": _shape(shape, operation)}}
        answers[status] = _answer(status, content | (problem if status in ALWAYS else {}))
    return answers


def _answer(status: int, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": content}


def _shape(shape: type[BaseModel], operation: Operation) -> dict[str, Any]:
    if not operation.listed:
        return _ref(shape)
    return LISTED_AS | {"properties": {"items": {"type": "array", "items": _ref(shape)}, "next": NEXT}}


def _ref(model: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": REF.format(model=model.__name__)}


def _schemas() -> dict[str, Any]:
    answered = {shapes.Problem: None} | {
        shape: None
        for operation in OPERATIONS.values()
        for shape in operation.answers.values()
        if not isinstance(shape, str)
    }
    read = {operation.body: None for operation in OPERATIONS.values() if operation.body}
    wanted: Any = [(model, "serialization") for model in answered] + [(model, "validation") for model in read]
    _, found = models_json_schema(wanted, ref_template=REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas
