"""The admin API: what Litestar serves on the admin socket.

Nobody but a worker of the same user reaches that socket (mode 0600 in a directory of mode 0700), and a worker relays
only what its own door (``gateway/admin_door.py``) has let through. /api asks who it is once more (``callers.py``);
/metrics and /docs hold nothing that the worker's rule for their audience has not decided about; /ui (``web.py``) is
anybody's.
"""

from __future__ import annotations

from typing import Any

from litestar import Litestar, Request, Response, Router, asgi, get
from litestar.config.app import AppConfig
from litestar.enums import MediaType
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

import gateway
from gateway.control.alerts_api import ALERTS_HANDLERS
from gateway.control.api import CONTROL_HANDLERS
from gateway.control.cache_api import CACHE_HANDLERS
from gateway.control.callers import ask_who
from gateway.control.deployments_api import DEPLOYMENT_HANDLERS
from gateway.control.description import Rendered
from gateway.control.docs_pages import Pages
from gateway.control.docs_site import DocsSite
from gateway.control.dry_run_api import DRY_RUN_HANDLERS
from gateway.control.entity_api import ENTITY_HANDLERS
from gateway.control.errors import error_answer
from gateway.control.export_api import EXPORT_HANDLERS
from gateway.control.key_trial_api import KEY_TRIAL_HANDLERS
from gateway.control.limits_api import LIMITS_HANDLERS
from gateway.control.live_api import LIVE_HANDLERS
from gateway.control.login_api import LOGIN_HANDLERS
from gateway.control.logs_api import LOG_HANDLERS
from gateway.control.metrics import CONTENT_TYPE, Metrics
from gateway.control.models_api import MODELS_HANDLERS
from gateway.control.operators_api import OPERATOR_HANDLERS
from gateway.control.playground_api import PLAYGROUND_HANDLERS
from gateway.control.provider_keys_api import PROVIDER_KEY_HANDLERS
from gateway.control.secrets_api import SECRETS_HANDLERS
from gateway.control.series_api import SERIES_HANDLERS
from gateway.control.settings_api import SETTINGS_HANDLERS
from gateway.control.state import ControlState
from gateway.control.usage_api import USAGE_HANDLERS
from gateway.control.vendors_api import VENDOR_HANDLERS
from gateway.control.views_api import VIEW_HANDLERS
from gateway.control.web import Web
from gateway.operator_ticket import COOKIE

MAX_DOCUMENT_BYTES = 8 << 20
"""A configuration document sent for a check; 10,000 routes are 2 MiB of YAML."""


@get("/metrics", media_type=MediaType.TEXT, include_in_schema=False)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """All metrics in Prometheus' text format."""
    page: Metrics = request.app.state.metrics
    return Response(await page.page(), media_type=CONTENT_TYPE)


def api_router() -> Router:
    """All of /api, behind its guard."""
    return Router(
        "/api",
        route_handlers=[
            *CONTROL_HANDLERS,
            *LOG_HANDLERS,
            *VIEW_HANDLERS,
            *LOGIN_HANDLERS,
            *OPERATOR_HANDLERS,
            *ENTITY_HANDLERS,
            *MODELS_HANDLERS,
            *PLAYGROUND_HANDLERS,
            *EXPORT_HANDLERS,
            *LIMITS_HANDLERS,
            *PROVIDER_KEY_HANDLERS,
            *KEY_TRIAL_HANDLERS,
            *DEPLOYMENT_HANDLERS,
            *VENDOR_HANDLERS,
            *DRY_RUN_HANDLERS,
            *SETTINGS_HANDLERS,
            *SECRETS_HANDLERS,
            *USAGE_HANDLERS,
            *SERIES_HANDLERS,
            *LIVE_HANDLERS,
            *CACHE_HANDLERS,
            *ALERTS_HANDLERS,
        ],
        guards=[ask_who],
    )


def create_app(state: ControlState) -> Litestar:
    """The ASGI application over ``state``."""

    def carry(config: AppConfig) -> AppConfig:
        config.state["control"] = state
        config.state["metrics"] = Metrics(state)
        return config

    def described() -> dict[str, Any]:
        return app.openapi_schema.to_schema()

    app = Litestar(
        route_handlers=[
            metrics,
            asgi("/ui", is_mount=True)(Web.built()),
            asgi("/docs", is_mount=True)(DocsSite(Pages.built(), described)),
            api_router(),
        ],
        on_app_init=[carry],
        exception_handlers={Exception: error_answer},
        openapi_config=OpenAPIConfig(
            title="microgate admin API",
            version=gateway.__version__,
            path="/api/schema",
            # A renderer would load its scripts from elsewhere.
            render_plugins=[Rendered(path="/openapi.json")],
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer"),
                    "session": SecurityScheme(type="apiKey", security_scheme_in="cookie", name=COOKIE),
                }
            ),
            security=[{"token": []}, {"session": []}],
        ),
        request_max_body_size=MAX_DOCUMENT_BYTES,
        logging_config=None,
        debug=False,
    )
    return app
