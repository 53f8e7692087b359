"""Who may do what, as it is meant: the least role of every route and method, written down a second time on purpose.

A change of ``gateway/control/permissions.py`` has to be made here as well; a route that is in neither fails.
"""

from __future__ import annotations

from gateway.operators.roles import Role

TABLE = """
anyone   POST   /api/setup
anyone   POST   /api/login
viewer   POST   /api/logout
viewer   GET    /api/me
viewer   POST   /api/me/password
viewer   GET    /api/health
viewer   GET    /api/config
viewer   POST   /api/config/check
viewer   GET    /api/logs
viewer   GET    /api/logs/export
viewer   GET    /api/logs/{request_id}
viewer   GET    /api/views
viewer   POST   /api/views
viewer   PUT    /api/views/{view_id}
viewer   DELETE /api/views/{view_id}
viewer   GET    /api/usage
viewer   GET    /api/series
viewer   GET    /api/live
viewer   GET    /api/models
operator POST   /api/playground
admin    GET    /api/export
viewer   GET    /api/cache
operator POST   /api/cache/clear
viewer   GET    /api/alerts
operator POST   /api/alerts/test/{webhook}
admin    GET    /api/audit
viewer   GET    /api/tokens
viewer   POST   /api/tokens
viewer   DELETE /api/tokens/{token_id}
viewer   GET    /api/customers
operator POST   /api/customers
viewer   GET    /api/customers/{entity_id}
operator PUT    /api/customers/{entity_id}
operator DELETE /api/customers/{entity_id}
viewer   GET    /api/customers/{entity_id}/limits
viewer   GET    /api/teams
operator POST   /api/teams
viewer   GET    /api/teams/{entity_id}
operator PUT    /api/teams/{entity_id}
operator DELETE /api/teams/{entity_id}
viewer   GET    /api/teams/{entity_id}/limits
viewer   GET    /api/virtual-keys
operator POST   /api/virtual-keys
viewer   GET    /api/virtual-keys/{entity_id}
operator PUT    /api/virtual-keys/{entity_id}
operator DELETE /api/virtual-keys/{entity_id}
viewer   GET    /api/virtual-keys/{entity_id}/limits
operator POST   /api/virtual-keys/{entity_id}/renew
viewer   GET    /api/routes
operator POST   /api/routes
viewer   GET    /api/routes/{entity_id}
operator PUT    /api/routes/{entity_id}
operator DELETE /api/routes/{entity_id}
viewer   POST   /api/routes/explain
viewer   GET    /api/prices
operator POST   /api/prices
viewer   GET    /api/prices/effective
viewer   GET    /api/prices/{entity_id}
operator PUT    /api/prices/{entity_id}
operator DELETE /api/prices/{entity_id}
viewer   GET    /api/providers
admin    POST   /api/providers
viewer   GET    /api/providers/{entity_id}
admin    PUT    /api/providers/{entity_id}
admin    DELETE /api/providers/{entity_id}
viewer   GET    /api/providers/{entity_id}/keys
admin    POST   /api/providers/{entity_id}/keys
viewer   GET    /api/providers/{entity_id}/keys/{key_name}
admin    PUT    /api/providers/{entity_id}/keys/{key_name}
admin    DELETE /api/providers/{entity_id}/keys/{key_name}
admin    POST   /api/providers/test
admin    POST   /api/providers/{entity_id}/keys/{key_name}/test
viewer   GET    /api/deployments
viewer   GET    /api/vendors
viewer   GET    /api/settings
viewer   GET    /api/settings/accounting
admin    PUT    /api/settings/accounting
admin    DELETE /api/settings/accounting
viewer   GET    /api/settings/retry
admin    PUT    /api/settings/retry
admin    DELETE /api/settings/retry
viewer   GET    /api/settings/timeouts
admin    PUT    /api/settings/timeouts
admin    DELETE /api/settings/timeouts
viewer   GET    /api/settings/health
admin    PUT    /api/settings/health
admin    DELETE /api/settings/health
viewer   GET    /api/settings/server
admin    PUT    /api/settings/server
admin    DELETE /api/settings/server
viewer   GET    /api/settings/server.limits
admin    PUT    /api/settings/server.limits
admin    DELETE /api/settings/server.limits
viewer   GET    /api/settings/server.overload
admin    PUT    /api/settings/server.overload
admin    DELETE /api/settings/server.overload
viewer   GET    /api/settings/alerts
admin    PUT    /api/settings/alerts
admin    DELETE /api/settings/alerts
viewer   GET    /api/settings/cache
admin    PUT    /api/settings/cache
admin    DELETE /api/settings/cache
viewer   GET    /api/settings/compat
admin    PUT    /api/settings/compat
admin    DELETE /api/settings/compat
viewer   GET    /api/settings/log
admin    PUT    /api/settings/log
admin    DELETE /api/settings/log
viewer   GET    /api/settings/log.rollups
admin    PUT    /api/settings/log.rollups
admin    DELETE /api/settings/log.rollups
viewer   GET    /api/settings/model_lists
admin    PUT    /api/settings/model_lists
admin    DELETE /api/settings/model_lists
admin    GET    /api/secrets
admin    POST   /api/secrets/rotate
admin    GET    /api/operators
admin    POST   /api/operators
admin    GET    /api/operators/{operator_id}
admin    PATCH  /api/operators/{operator_id}
admin    DELETE /api/operators/{operator_id}
"""


def rows() -> dict[tuple[str, str], Role | None]:
    """(path, method) -> least role; None: anybody."""
    split = (line.split() for line in TABLE.strip().splitlines())
    return {(path, method): None if least == "anyone" else Role.named(least) for least, method, path in split}
