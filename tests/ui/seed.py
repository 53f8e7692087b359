"""Something of everything, so that no page is empty."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gateway.demo.main import DemoServer
from tests.ui.browser import NAME, PASSWORD, Admin


@contextmanager
def vendors() -> Iterator[int]:
    """The demo upstream at a TCP port, which stands for every vendor."""
    port: list[int] = []
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = DemoServer()
        port.append(await server.listen_tcp())
        ready.set()
        await stop.wait()
        await server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield port[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def provider(admin: Admin, name: str, base_url: str, *keys: tuple[str, float], **spec: object) -> None:
    entries = [{"name": key, "value": f"sk-{name}-{key}-0123456789", "weight": weight} for key, weight in keys]
    whole = {"base_url": base_url, "keys": entries, "list_models": False, **spec}
    admin.ask("POST", "/api/providers", {"name": name, "spec": whole, "allow_private": True})


def seed(admin: Admin, port: int, *, requests: int = 30) -> dict[str, str]:
    """Operators, customers, teams, keys, providers behind ``vendors``, routes, a price and requests; the virtual keys
    that were made, by name."""
    admin.ask("POST", "/api/operators", {"name": NAME, "role": "admin", "password": PASSWORD})
    admin.ask("POST", "/api/operators", {"name": "reader", "role": "viewer", "password": PASSWORD})
    admin.make("customers", "acme", limits=[{"requests": 5000, "per": "1h"}])
    admin.make("teams", "research", customer="acme", budgets=[{"usd": 250, "per": "month"}])
    admin.make("teams", "support", budgets=[{"usd": 40, "per": "month"}])
    provider(admin, "openai", f"http://127.0.0.1:{port}/v1", ("eu", 3), ("us", 1))
    provider(admin, "anthropic", f"http://127.0.0.1:{port}/anthropic", ("main", 1))
    admin.make("routes", "fast", targets=["openai/gpt-4o-mini"], fallbacks=["anthropic/claude-3-5-haiku-20241022"])
    admin.make("routes", "steady", targets=["openai/error-503"], fallbacks=["openai/gpt-4o-mini"])
    admin.make("prices", "house-rate", provider="openai", model="gpt-4o-mini", input=0.15, output=0.6)
    admin.make("prices", "made-to-fail", provider="openai", model="error-*", input=0, output=0)
    specs: dict[str, dict[str, Any]] = {
        "bob": {"team": "research", "budgets": [{"usd": 20, "per": "month"}]},
        "chatbot": {"team": "support", "limits": [{"requests": 600, "per": "1m"}]},
        "nightly": {
            "customer": "acme",
            "models": ["fast", "steady", "openai/gpt-4o-mini"],
            "budgets": [{"usd": 0.0003, "per": "day"}],
        },
    }
    keys = {name: str(admin.make("virtual-keys", name, **spec)["key"]) for name, spec in specs.items()}
    ask_around(admin, keys, requests)
    if requests:
        admin.chat(keys["bob"], "openai/error-500")
        admin.chat(keys["chatbot"], "openai/error-429")
        admin.chat("sk-nobody-knows-this-key", "fast")
    return keys


def ask_around(admin: Admin, keys: dict[str, str], requests: int) -> None:
    texts = ("What is a gateway?", "Summarise the minutes of Monday", "Translate this into Finnish", "Write a haiku")
    models = ("fast", "openai/gpt-4o-mini", "steady", "anthropic/claude-3-5-haiku-20241022", "fast")
    for number in range(requests):
        name = ("bob", "chatbot", "nightly")[number % 3]
        admin.chat(keys[name], models[number % 5], texts[number % 4], stream=number % 4 == 0, max_tokens=200)
