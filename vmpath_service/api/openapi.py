"""The OpenAPI document, made of the table of routes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from importlib import metadata
from typing import Any

import falcon
import msgspec

from vmpath_service.api import answers, bodies
from vmpath_service.api.routes import OPERATIONS, Operation

_REF = "#/components/schemas/{name}"


def document() -> dict[str, Any]:
    """OpenAPI 3.1, as plain data."""
    types: dict[Any, None] = {answers.Failure: None}
    for operations in OPERATIONS.values():
        for operation in operations.values():
            types |= {each: None for each in (operation.answer, operation.body) if _has_name(each)}
    schemas, components = msgspec.json.schema_components(list(types), ref_template=_REF)
    refs = dict(zip(types, schemas, strict=True))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vmpath",
            "version": metadata.version("vmpath"),
            "description": "Finds and walks the path of live migrations from one placement of virtual machines "
            "to another.",
            "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            path: {
                **_path_parameters(path),
                **{method.lower(): _operation(path, method, each, refs) for method, each in operations.items()},
            }
            for path, operations in OPERATIONS.items()
        },
        "components": {
            "schemas": components,
            "securitySchemes": {
                "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


class OpenApi:
    def __init__(self) -> None:
        self._text = msgspec.json.encode(document())

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        bodies.only(request)
        response.content_type = falcon.MEDIA_JSON
        response.data = self._text


def _has_name(kind: Any) -> bool:
    return isinstance(kind, type) and kind is not type(None)


def _path_parameters(path: str) -> dict[str, Any]:
    names = re.findall(r"{(\w+)}", path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}} for name in names
    ]
    return {"parameters": parameters} if parameters else {}


def _operation(path: str, method: str, operation: Operation, refs: Mapping[Any, Any]) -> dict[str, Any]:
    words = re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-") or "root"
    made: dict[str, Any] = {
        "operationId": f"{method.lower()}-{words}",
        "summary": operation.summary,
        "responses": {str(code.value): answer for code, answer in _responses(operation, refs)},
    }
    if operation.rule is None:
        made["security"] = []
    else:
        made["description"] = f"Rule: {operation.rule}."
        made["security"] = [{"token": []}, {"basic": []}, {}]
    parameters = [
        {"name": each.name, "in": "query", "description": each.summary, "schema": dict(each.schema)}
        for each in operation.query
    ]
    if operation.versioned:
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The version (ETag) that is known: refused if there is another one by now.",
                "schema": {"type": "string"},
            }
        )
    if parameters:
        made["parameters"] = parameters
    if operation.body is not None:
        made["requestBody"] = {"required": True, "content": {falcon.MEDIA_JSON: {"schema": refs[operation.body]}}}
    return made


def _responses(operation: Operation, refs: Mapping[Any, Any]) -> Iterator[tuple[HTTPStatus, dict[str, Any]]]:
    fine: dict[str, Any] = {"description": "As asked."}
    if operation.answer is not None:
        schema = refs.get(operation.answer, {"type": "object"})
        fine["content"] = {falcon.MEDIA_JSON: {"schema": schema}}
    elif operation.text is not None:
        fine["content"] = {operation.text: {"schema": {"type": "string"}}}
    yield operation.status, fine
    failure = {falcon.MEDIA_JSON: {"schema": refs[answers.Failure]}}
    for code, why in _failures(operation):
        content = fine["content"] if operation.answer is answers.Health else failure
        yield code, {"description": why, "content": content}


def _failures(operation: Operation) -> Iterator[tuple[HTTPStatus, str]]:
    yield HTTPStatus.BAD_REQUEST, "The request is wrong; the message says where and what was expected."
    if operation.rule is not None:
        yield HTTPStatus.UNAUTHORIZED, "Nobody knows who asks."
        yield HTTPStatus.FORBIDDEN, "Whoever asks may not do this."
    if operation.missing:
        yield HTTPStatus.NOT_FOUND, "There is no such thing."
    if operation.conflict:
        yield HTTPStatus.CONFLICT, "Not possible in its present state."
    if operation.versioned:
        yield HTTPStatus.PRECONDITION_FAILED, "It has changed: If-Match names another version."
    if operation.body is not None:
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large."
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "The body is not JSON."
    if operation.cloud:
        yield HTTPStatus.BAD_GATEWAY, "The cloud did not answer as it should."
    yield HTTPStatus.SERVICE_UNAVAILABLE, "A part of the service, or of the cloud, does not answer now."
