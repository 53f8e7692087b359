"""What each request to /api needs: the one table of authorisation. What is not in it is refused.

A test holds it against every route of the application.
"""

from __future__ import annotations

from gateway.operators.roles import Role

ANYONE = None
"""The body has to hold a secret: the password, the one-time secret."""

_READ: dict[str, Role | None] = {"GET": Role.VIEWER}

_CHANGED_BY_OPERATORS: tuple[dict[str, Role | None], dict[str, Role | None]] = (
    {"GET": Role.VIEWER, "POST": Role.OPERATOR},
    {"GET": Role.VIEWER, "PUT": Role.OPERATOR, "DELETE": Role.OPERATOR},
)

_CHANGED_BY_ADMINS: tuple[dict[str, Role | None], dict[str, Role | None]] = (
    {"GET": Role.VIEWER, "POST": Role.ADMIN},
    {"GET": Role.VIEWER, "PUT": Role.ADMIN, "DELETE": Role.ADMIN},
)

PERMISSIONS: dict[str, dict[str, Role | None]] = {
    "/api/setup": {"POST": ANYONE},
    "/api/login": {"POST": ANYONE},
    "/api/logout": {"POST": Role.VIEWER},
    "/api/me": _READ,
    "/api/me/password": {"POST": Role.VIEWER},
    "/api/health": _READ,
    "/api/config": _READ,
    "/api/config/check": {"POST": Role.VIEWER},
    "/api/logs": _READ,
    "/api/logs/export": _READ,
    "/api/logs/{request_id}": _READ,
    # One's own; an admin changes those of others, and an operator shares them.
    "/api/views": {"GET": Role.VIEWER, "POST": Role.VIEWER},
    "/api/views/{view_id}": {"PUT": Role.VIEWER, "DELETE": Role.VIEWER},
    "/api/usage": _READ,
    "/api/models": _READ,
    "/api/playground": {"POST": Role.OPERATOR},
    # It has what only whoever starts the gateway says, which nothing else here shows.
    "/api/export": {"GET": Role.ADMIN},
    "/api/series": _READ,
    "/api/live": _READ,
    "/api/cache": _READ,
    "/api/cache/clear": {"POST": Role.OPERATOR},
    "/api/alerts": _READ,
    "/api/alerts/test/{webhook}": {"POST": Role.OPERATOR},
    "/api/audit": {"GET": Role.ADMIN},
    # One's own; of others only an admin lists and revokes.
    "/api/tokens": {"GET": Role.VIEWER, "POST": Role.VIEWER},
    "/api/tokens/{token_id}": {"DELETE": Role.VIEWER},
    "/api/customers": _CHANGED_BY_OPERATORS[0],
    "/api/customers/{entity_id}": _CHANGED_BY_OPERATORS[1],
    "/api/customers/{entity_id}/limits": _READ,
    "/api/teams": _CHANGED_BY_OPERATORS[0],
    "/api/teams/{entity_id}": _CHANGED_BY_OPERATORS[1],
    "/api/teams/{entity_id}/limits": _READ,
    "/api/virtual-keys": _CHANGED_BY_OPERATORS[0],
    "/api/virtual-keys/{entity_id}": _CHANGED_BY_OPERATORS[1],
    "/api/virtual-keys/{entity_id}/limits": _READ,
    "/api/virtual-keys/{entity_id}/renew": {"POST": Role.OPERATOR},
    "/api/routes": _CHANGED_BY_OPERATORS[0],
    "/api/routes/{entity_id}": _CHANGED_BY_OPERATORS[1],
    "/api/routes/explain": {"POST": Role.VIEWER},
    "/api/prices": _CHANGED_BY_OPERATORS[0],
    "/api/prices/effective": _READ,
    "/api/prices/{entity_id}": _CHANGED_BY_OPERATORS[1],
    "/api/providers": _CHANGED_BY_ADMINS[0],
    "/api/providers/{entity_id}": _CHANGED_BY_ADMINS[1],
    "/api/providers/{entity_id}/keys": _CHANGED_BY_ADMINS[0],
    "/api/providers/{entity_id}/keys/{key_name}": _CHANGED_BY_ADMINS[1],
    # A key is used, and whoever names an address has it asked.
    "/api/providers/test": {"POST": Role.ADMIN},
    "/api/providers/{entity_id}/keys/{key_name}/test": {"POST": Role.ADMIN},
    "/api/deployments": _READ,
    "/api/vendors": _READ,
    "/api/settings": _READ,
    "/api/settings/accounting": _CHANGED_BY_ADMINS[1],
    "/api/settings/retry": _CHANGED_BY_ADMINS[1],
    "/api/settings/timeouts": _CHANGED_BY_ADMINS[1],
    "/api/settings/health": _CHANGED_BY_ADMINS[1],
    "/api/settings/server": _CHANGED_BY_ADMINS[1],
    "/api/settings/server.limits": _CHANGED_BY_ADMINS[1],
    "/api/settings/server.overload": _CHANGED_BY_ADMINS[1],
    "/api/settings/cache": _CHANGED_BY_ADMINS[1],
    "/api/settings/compat": _CHANGED_BY_ADMINS[1],
    "/api/settings/alerts": _CHANGED_BY_ADMINS[1],
    "/api/settings/log": _CHANGED_BY_ADMINS[1],
    "/api/settings/log.rollups": _CHANGED_BY_ADMINS[1],
    "/api/settings/model_lists": _CHANGED_BY_ADMINS[1],
    "/api/secrets": {"GET": Role.ADMIN},
    "/api/secrets/rotate": {"POST": Role.ADMIN},
    "/api/operators": {"GET": Role.ADMIN, "POST": Role.ADMIN},
    "/api/operators/{operator_id}": {"GET": Role.ADMIN, "PATCH": Role.ADMIN, "DELETE": Role.ADMIN},
}
"""Path as declared -> method -> least role."""

WITH_A_ONE_TIME_PASSWORD = ("/api/me", "/api/me/password", "/api/logout")
"""All that a session may whose password somebody else made."""


def is_declared(path: str, method: str) -> bool:
    """Whether somebody may do this: nobody may do what is not declared."""
    return method in PERMISSIONS.get(path.replace(":str}", "}"), {})


def least_role(path: str, method: str) -> Role | None:
    """The least role that may do this; None: anybody. Raises KeyError for what is not declared."""
    return PERMISSIONS[path.replace(":str}", "}")][method]
