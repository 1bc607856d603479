"""Errors as the API says them: one shape for all, never a traceback."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import falcon

from vmpath_service.model.errors import (
    CloudDenied,
    CloudError,
    CloudUnreachable,
    Conflict,
    EngineUnreachable,
    InvalidInput,
    NoDecision,
    NotFound,
    Outdated,
    StoreError,
    VmpathError,
)

LOG = logging.getLogger(__name__)

_LONGEST = 2000
"""Characters of a sentence: what somebody sent may be quoted in it."""
_CODES: tuple[tuple[type[VmpathError], HTTPStatus], ...] = (
    (NotFound, HTTPStatus.NOT_FOUND),
    (InvalidInput, HTTPStatus.BAD_REQUEST),
    (Outdated, HTTPStatus.PRECONDITION_FAILED),
    (Conflict, HTTPStatus.CONFLICT),
    (CloudDenied, HTTPStatus.BAD_GATEWAY),
    (CloudUnreachable, HTTPStatus.BAD_GATEWAY),
    (NoDecision, HTTPStatus.SERVICE_UNAVAILABLE),
    (CloudError, HTTPStatus.BAD_GATEWAY),
    (EngineUnreachable, HTTPStatus.SERVICE_UNAVAILABLE),
    (StoreError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def install(app: falcon.App[Any, Any]) -> None:
    """Let every error leave the application in our shape."""
    app.set_error_serializer(_serialize)
    app.add_error_handler(Exception, _unexpected)
    app.add_error_handler(falcon.HTTPError, _http_error)
    app.add_error_handler(VmpathError, _vmpath_error)


def _vmpath_error(
    request: falcon.Request, response: falcon.Response, error: VmpathError, parameters: dict[str, Any]
) -> None:
    found = (code for kind, code in _CODES if isinstance(error, kind))
    code = next(found, HTTPStatus.INTERNAL_SERVER_ERROR)
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        LOG.warning("%s %s: %s (%s)", request.method, request.path, error, request.context.request_id)
    _write(request, response, code, str(error))


def _http_error(
    request: falcon.Request, response: falcon.Response, error: falcon.HTTPError, parameters: dict[str, Any]
) -> None:
    _serialize(request, response, error)
    response.set_headers(error.headers or {})


def _serialize(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    code = HTTPStatus(error.status_code)
    message = error.description
    if code == HTTPStatus.NOT_FOUND and not message:
        message = f"there is nothing at {request.path}"
    elif code == HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.method} is not possible at {request.path}"
    _write(request, response, code, message or error.title or code.phrase)


def _unexpected(
    request: falcon.Request, response: falcon.Response, error: Exception, parameters: dict[str, Any]
) -> None:
    LOG.error("%s %s failed (request %s)", request.method, request.path, request.context.request_id, exc_info=error)
    _write(
        request,
        response,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "something went wrong in vmpath; the log of vmpath-service has it under this request_id",
    )


def _write(request: falcon.Request, response: falcon.Response, code: HTTPStatus, message: str) -> None:
    response.status = f"{code.value} {code.phrase}"
    response.text = None
    response.data = None
    response.media = {
        "error": {
            "code": code.value,
            "title": code.phrase,
            "message": message if len(message) <= _LONGEST else f"{message[:_LONGEST]} ...",
            "request_id": request.context.request_id,
        }
    }
