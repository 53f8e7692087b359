"""The control API: what is set, what was served, on 127.0.0.1 alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import unquote

import msgspec

from gateway.config.problems import ConfigError
from gateway.demo.connection import Reply, Request
from gateway.faults.reading import faults_from_json
from gateway.faults.schema import plain
from gateway.faults.upstream import Upstream

_LOCAL = frozenset(("127.0.0.1", "localhost", "[::1]"))
_KINDS = ("faults", "meter", "calls")


class Control:
    """Answers the requests of the control API."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = upstreams

    async def handle(self, request: Request, reply: Reply) -> None:
        """``/faults``, ``/meter`` and ``/calls``, of all upstreams or of one (``/meter/NAME``)."""
        # A page in a browser on this machine can send requests here as well; it says so, or says another Host.
        if "origin" in request.headers or request.headers.get("host", "").rpartition(":")[0] not in _LOCAL:
            await _refuse(reply, 403, "only for programs on this machine")
            return
        kind, _, name = request.target.decode("latin-1").partition("?")[0].strip("/").partition("/")
        name = unquote(name)
        if kind == "upstreams" and not name and request.method == "GET":
            await reply.json(200, {each.name: {"url": each.url} for each in self._upstreams.values()})
            return
        if kind not in _KINDS:
            await _refuse(reply, 404, "there are /upstreams, /faults, /meter and /calls")
            return
        chosen = [each for each in self._upstreams.values() if not name or each.name == name]
        if not chosen:
            await _refuse(reply, 404, f"there is no upstream {name!r}; there are {', '.join(self._upstreams)}")
            return
        act = _ACTS.get((kind, request.method))
        if act is None:
            await _refuse(reply, 405, f"/{kind} takes {', '.join(m for k, m in _ACTS if k == kind)}")
            return
        try:
            answers = {each.name: await act(each, request.body) for each in chosen}
        except ConfigError as error:
            problems = [problem.render("body") for problem in error.problems]
            await reply.json(400, {"error": "; ".join(problems), "problems": problems})
            return
        except OSError as error:
            await _refuse(reply, 409, f"cannot listen: {error}")
            return
        await reply.body(200, "application/json", msgspec.json.encode(answers[name] if name else answers))


async def _refuse(reply: Reply, status: int, message: str) -> None:
    await reply.json(status, {"error": message})


async def _shown(upstream: Upstream, _: bytes) -> object:
    return plain(upstream.faults.all)


async def _replace(upstream: Upstream, body: bytes) -> object:
    await upstream.set(faults_from_json(body, "body"))
    return plain(upstream.faults.all)


async def _add(upstream: Upstream, body: bytes) -> object:
    await upstream.add(faults_from_json(body, "body"))
    return plain(upstream.faults.all)


async def _clear(upstream: Upstream, _: bytes) -> object:
    await upstream.set(())
    return []


async def _meter(upstream: Upstream, _: bytes) -> object:
    return upstream.meter.report()


async def _reset(upstream: Upstream, _: bytes) -> object:
    report = upstream.meter.report()
    upstream.meter.reset()
    return report


async def _calls(upstream: Upstream, _: bytes) -> object:
    return list(upstream.meter.calls)


_ACTS: Mapping[tuple[str, str], Callable[[Upstream, bytes], Awaitable[object]]] = {
    ("faults", "GET"): _shown,
    ("faults", "PUT"): _replace,
    ("faults", "POST"): _add,
    ("faults", "DELETE"): _clear,
    ("meter", "GET"): _meter,
    ("meter", "DELETE"): _reset,
    ("calls", "GET"): _calls,
}
"""(kind, method) -> what is done for each upstream; its value is the answer."""
