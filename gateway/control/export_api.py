"""GET /api/export: what is in force as one configuration file, as ``microgate export`` prints it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import ServiceUnavailableException

from gateway.config.export import as_yaml
from gateway.config.schema import Config
from gateway.control.state import ControlState
from gateway.snapshot.entities import Left

MEDIA_TYPE = "application/yaml"
"""RFC 9512."""


@get("/export", media_type=MEDIA_TYPE, operation_id="export_configuration", summary="File and database as one file")
async def export(request: Request[Any, Any, Any]) -> Response[str]:
    """Without secrets: those that came from a reference are that reference, others one to a variable that comments at
    the beginning name. So do they what of the database is not in force, and left out."""
    state: ControlState = request.app.state.control
    config = state.configuration.config
    if config is None:
        raise ServiceUnavailableException("an earlier configuration is in force, of which there is no text")
    text = await asyncio.to_thread(_text, config, state.configuration.left_out)
    fields = {"content-disposition": 'attachment; filename="microgate.yaml"', "cache-control": "no-store"}
    return Response(text, media_type=f"{MEDIA_TYPE}; charset=utf-8", headers=fields)


def _text(config: Config, left_out: Sequence[Left]) -> str:
    text, wanted = as_yaml(config)
    return "".join(f"# {line}\n" for line in _remarks(wanted, left_out)) + text


def _remarks(wanted: dict[str, str], left_out: Sequence[Left]) -> Iterator[str]:
    for name, path in wanted.items():
        yield f"{path} is not in it: set {name}"
    for left in left_out:
        yield " ".join(f"left out: {left.label} of the database: {left.why}".split())


EXPORT_HANDLERS = (export,)
