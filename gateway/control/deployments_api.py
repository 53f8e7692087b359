"""GET /api/deployments."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from litestar import Request, get

from gateway.control.deployments import Deployments, standing
from gateway.control.state import ControlState


@get("/deployments", summary="How provider keys and deployments stand")
async def deployments(request: Request[Any, Any, Any]) -> Deployments:
    state: ControlState = request.app.state.control
    snapshot, directory = state.configuration.snapshot, state.context.paths.runtime_dir
    now_ns, wall_s = time.monotonic_ns(), time.time()
    found = await asyncio.to_thread(standing, snapshot, state.arena, state.aggregates, directory, now_ns, wall_s)
    return Deployments(found)


DEPLOYMENT_HANDLERS = (deployments,)
