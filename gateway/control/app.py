"""The admin API: what Litestar serves on the admin socket.

Nobody but a worker of the same user reaches that socket (mode 0600 in a directory of mode 0700), and a worker relays
only what its own authentication has let through. /api asks for the operator's token once more; /metrics, /docs and /ui
hold nothing that the worker's rule for their audience has not decided about.
"""

from __future__ import annotations

import logging
from typing import Any

from litestar import Litestar, Request, Response, Router, get
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.enums import MediaType
from litestar.exceptions import HTTPException, NotAuthorizedException
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import gateway
from gateway.admin_token import matches
from gateway.control.api import CONTROL_HANDLERS
from gateway.control.metrics import CONTENT_TYPE, Metrics
from gateway.control.state import ControlState

log = logging.getLogger("microgate.api")

MAX_DOCUMENT_BYTES = 8 << 20
"""A configuration document sent for a check; 10,000 routes are 2 MiB of YAML."""

_TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "invalid_request_error"}


def ask_for_token(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Guard of /api: the operator's token as a bearer token, compared in constant time."""
    scheme, _space, presented = connection.headers.get("authorization", "").partition(" ")
    state: ControlState = connection.app.state.control
    if scheme.lower() != "bearer" or not matches(state.admin_token, presented.strip()):
        raise NotAuthorizedException("the admin token is missing or wrong")


def error_body(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, dict[str, object]]]:
    """Every error in the one form that the gateway has; nothing internal is told."""
    if isinstance(error, HTTPException):
        status, message = error.status_code, str(error.detail)
        headers = dict(error.headers or {})
    else:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        status, message, headers = 500, "The control process failed on this request.", {}
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    code = "internal_error" if status == 500 else message.lower().replace(" ", "_") if status in (404, 405) else kind
    body: dict[str, dict[str, object]] = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Response(body, status_code=status, headers=headers, media_type=MediaType.JSON)


@get("/metrics", media_type=MediaType.TEXT, include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """All metrics in Prometheus' text format."""
    page: Metrics = request.app.state.metrics
    return Response(page.page(), media_type=CONTENT_TYPE)


_NOT_BUILT_UI = (
    "The web interface is not built into this version yet. The admin API answers under /api "
    "(its description: /api/schema/openapi.json), metrics under /metrics.\n"
)
_NOT_BUILT_DOCS = (
    "The documentation browser is not built into this version yet. The pages are the files under docs/ of the source; "
    "the admin API describes itself under /api/schema/openapi.json.\n"
)


@get(["/ui", "/ui/{rest:path}"], media_type=MediaType.TEXT, include_in_schema=False, status_code=501)
async def ui() -> str:
    return _NOT_BUILT_UI


@get(["/docs", "/docs/{rest:path}"], media_type=MediaType.TEXT, include_in_schema=False, status_code=501)
async def docs() -> str:
    return _NOT_BUILT_DOCS


def create_app(state: ControlState) -> Litestar:
    """The ASGI application over ``state``."""

    def carry(config: AppConfig) -> AppConfig:
        config.state["control"] = state
        config.state["metrics"] = Metrics(state)
        return config

    return Litestar(
        route_handlers=[
            metrics,
            ui,
            docs,
            Router("/api", route_handlers=list(CONTROL_HANDLERS), guards=[ask_for_token]),
        ],
        on_app_init=[carry],
        exception_handlers={Exception: error_body},
        openapi_config=OpenAPIConfig(
            title="microgate admin API",
            version=gateway.__version__,
            path="/api/schema",
            # A renderer would load its scripts from elsewhere.
            render_plugins=[JsonRenderPlugin(path="/openapi.json")],
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer")}),
            security=[{"token": []}],
        ),
        request_max_body_size=MAX_DOCUMENT_BYTES,
        logging_config=None,
        debug=False,
    )
