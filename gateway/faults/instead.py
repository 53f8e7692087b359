"""Faults that come instead of the provider's answer."""

from __future__ import annotations

import asyncio
import math

from gateway.demo.connection import Request
from gateway.demo.faults import NEVER, PAGE
from gateway.faults import forms
from gateway.faults.reply import FaultyReply
from gateway.faults.schema import CallFault, ErrorEvent, Garbage, Html, Redirect, ResetPeer, Status, Timeout


async def answer(faults: tuple[CallFault, ...], request: Request, reply: FaultyReply, *, stream: bool) -> bool:
    """Act out the first such fault; whether there was one. Raises Stopped where it ends the connection."""
    for fault in faults:
        match fault:
            case Timeout():
                await asyncio.sleep(fault.close_after or NEVER)
                reply.stop("close")
            case ResetPeer(at="before_head"):
                reply.stop("reset")
            case Garbage(what="not_http"):
                await reply.raw(forms.NOT_HTTP)
                reply.stop("close")
            case Status():
                await _status(fault, request, reply)
            case ErrorEvent() if not stream:
                await forms.refuse(reply, request.path, 500)
            case Html():
                await reply.body(fault.status, "text/html", PAGE)
            case Redirect():
                reply.headers.append(("location", fault.location))
                await reply.body(fault.status, "text/plain", b"")
            case _:
                continue
        reply.ending = "failed"
        return True
    return False


async def _status(fault: Status, request: Request, reply: FaultyReply) -> None:
    if fault.retry_after is not None:
        reply.headers.append(("retry-after", str(math.ceil(fault.retry_after))))
    if fault.body is None:
        await forms.refuse(reply, request.path, fault.status)
    else:
        await reply.body(fault.status, "application/json", fault.body.encode())
