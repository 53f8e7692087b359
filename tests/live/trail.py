"""What the gateway has written down about its exchanges."""

from __future__ import annotations

from pathlib import Path

from gateway.records import Kind
from gateway.stores.protocols import LogQuery, LogRow
from gateway.stores.urls import open_log
from tests.live.instance import Gateway
from tests.waiting import wait_for


def trail_of(gateway: Gateway, kind: Kind = Kind.EXCHANGE) -> dict[str, LogRow]:
    """Stop the instance, if it runs, and read its request log: request id (as in the response header) -> row."""
    if gateway.running:
        # Control keeps the log. Asked, it would import what serves the admin API first.
        wait_for(Path(gateway.paths.admin_socket).exists, "the control process")
        gateway.stop()
    log = open_log(f"sqlite:///{gateway.paths.log_dir}")
    rows: dict[str, LogRow] = {}
    cursor = None
    try:
        while True:
            page = log.page(LogQuery(kind=int(kind), limit=1000, cursor=cursor))
            rows.update((row.request_id.hex(), row) for row in page.rows)
            cursor = page.next
            if cursor is None:
                return rows
    finally:
        log.close()
