"""Alerts over a SQL database: raised ones, and those that are over and still known."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.stores.database import Database

_SAVE = (
    "INSERT INTO alerts (id, gateway, since_us, body) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (id) DO UPDATE SET body = excluded.body"
)


class SqlAlerts:
    """Of one gateway, where several keep one database. All raise StoreUnavailable."""

    def __init__(self, database: Database, gateway: str) -> None:
        self._database = database
        self._gateway = gateway

    def load(self) -> list[bytes]:
        """Their bodies, oldest first."""
        with self._database.reading() as at:
            rows = at.rows("SELECT body FROM alerts WHERE gateway = ? ORDER BY since_us, id", (self._gateway,))
        return [str(body).encode() for (body,) in rows]

    def save(self, alerts: Iterable[tuple[str, int, bytes]], gone: Iterable[str] = ()) -> None:
        """Store (id, since, body), in place of what is there of an id, and forget those of ``gone``."""
        with self._database.writing() as at:
            at.many(_SAVE, [(alert_id, self._gateway, since_us, body.decode()) for alert_id, since_us, body in alerts])
            at.many("DELETE FROM alerts WHERE id = ?", [(alert_id,) for alert_id in gone])
