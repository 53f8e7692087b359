"""POST /api/routes/explain."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, post

from gateway.config.schema import Config
from gateway.control.dry_run_types import RouteExplanation, RouteQuestion
from gateway.control.entity_desk import id_in
from gateway.control.entity_kinds import VIRTUAL_KEY
from gateway.control.entity_secrets import Unfit
from gateway.control.state import ControlState


@post("/routes/explain", status_code=200, operation_id="explain_route", summary="Where would this request go?")
async def explain(request: Request[Any, Any, Any], data: RouteQuestion) -> RouteExplanation:
    """Nobody is asked, nothing is counted. With ``route`` the way is chosen as if that route were stored."""
    # Here and not above: what chooses the way of requests takes memory that most control processes never need.
    from gateway.control.dry_run import Scene, answer

    state: ControlState = request.app.state.control
    configuration = state.configuration
    key = None
    if data.virtual_key is not None:
        shown = await state.desk.get(VIRTUAL_KEY, id_in(data.virtual_key))
        key = shown.id, shown.name
    scene = Scene(
        configuration.snapshot,
        configuration.config or Config(),
        state.arena,
        state.context.paths.runtime_dir,
        configuration.names,
        asyncio.get_running_loop(),
    )
    try:
        return await asyncio.to_thread(answer, scene, data, key)
    except LookupError:
        raise Unfit("the virtual key is not in force") from None


DRY_RUN_HANDLERS = (explain,)
