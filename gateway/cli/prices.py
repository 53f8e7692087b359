"""``microgate prices``: what models cost, and who says so."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any, TextIO

import msgspec
from rich.table import Table

from _speedups._cost import KINDS, Rates
from gateway.cli.models import EXIT_FAILED, EXIT_OK, EXIT_UNKNOWN, print_table
from gateway.config.loader import load
from gateway.config.problems import ConfigError
from gateway.pricing import PriceBook
from gateway.snapshot.model import Provider, Settings, Snapshot
from gateway.snapshot.plan import Plan, plan
from gateway.snapshot.prices import PriceList, price_lists
from providers.models.matching import files_of
from providers.prices.figures import PART_OF, usd
from providers.vendors import VENDORS

SHOWN = ("input", "output", "cache_read", "cache_write", "output_reasoning", "request")
"""Columns of the table; the rest of the kinds is in the JSON."""


def show(wanted: str, config: str, as_json: bool, out: TextIO) -> int:
    """The prices in force of a provider's models, or of one (``PROVIDER/MODEL``); returns the exit status. Without a
    configuration file the provider is a vendor's name."""
    name, _, model = wanted.partition("/")
    try:
        made = plan(load(config).config, b"\0" * 32) if config else _alone(name)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    if name and name not in made.providers:
        print(f"microgate: no provider is called {name!r}; there is: {', '.join(made.providers)}", file=sys.stderr)
        return EXIT_UNKNOWN
    providers = [made.providers[name]] if name else list(made.providers.values())
    lists, told = price_lists(sorted({provider.vendor for provider in providers}), {})
    for warning in told:
        print(f"microgate: {warning}", file=sys.stderr)
    snapshot = Snapshot(
        version=1,
        created_ns=0,
        providers=made.providers,
        routes=made.routes,
        settings=made.settings,
        price_lists=lists,
        price_rules=made.price_rules,
    )
    rows = list(_rows(snapshot, providers, model))
    if as_json:
        print(json.dumps(rows, indent=1), file=out)
    else:
        _print(rows, out)
    return EXIT_OK


def _alone(vendor: str) -> Plan:
    """What a file would come to that names this vendor only."""
    providers = {
        name: Provider(id=name, name=name, vendor=name, base_url="", dialects={}, paths={})
        for name in VENDORS
        if name == vendor or not vendor
    }
    return Plan(providers=providers, routes={}, rulesets=(), settings=Settings(), keys=(), names={})


def _rows(snapshot: Snapshot, providers: list[Provider], model: str) -> Iterator[dict[str, Any]]:
    book = PriceBook(snapshot)
    taken = {file: msgspec.json.decode(text, type=PriceList).taken for file, text in snapshot.price_lists.items()}
    for provider in providers:
        for name in [model] if model else _names(snapshot, provider):
            price = book.of(provider, name)
            source = price.source
            if source.startswith("list "):
                source += f" of {max(taken[file] for file in files_of(provider.vendor) if file in taken)}"
            yield {
                "provider": provider.name,
                "model": name,
                "source": source or "unknown",
                "prices": _dollars(price.rates) if price.known else {},
                "virtual_keys": len(price.special or ()),
            }


def _names(snapshot: Snapshot, provider: Provider) -> list[str]:
    """Models that the configuration names, or else all of the vendor's own list."""
    named = [*provider.models, *provider.aliases]
    for route in snapshot.routes.values():
        named += [target.model for target in (*route.targets, *route.fallbacks) if target.provider == provider.name]
    if named:
        return list(dict.fromkeys(named))
    own = files_of(provider.vendor)[0]
    return (
        list(msgspec.json.decode(snapshot.price_lists[own], type=PriceList).models)
        if own in snapshot.price_lists
        else []
    )


def _dollars(rates: Rates) -> dict[str, Any]:
    """Kind -> USD for a million tokens, or for one; those that cost what they are part of are left out."""
    exact = dict(zip(KINDS, rates.prices, strict=True))
    prices: dict[str, Any] = {}
    for kind, price in exact.items():
        whole = next((exact[other] for other in PART_OF.get(kind, ())), None)
        if price != whole and (price or kind in ("input", "output")):
            prices[kind] = usd(price, kind)
    if rates.over is not None:
        prices["above"] = {"tokens": rates.above, **_dollars(rates.over)}
    return prices


def _print(rows: list[dict[str, Any]], out: TextIO) -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    for heading in SHOWN:
        table.add_column(heading.replace("_", " "), justify="right", no_wrap=True)
    table.add_column("says", no_wrap=True)
    for row in rows:
        prices = row["prices"]
        above = f", else above {prices['above']['tokens']} tokens" if "above" in prices else ""
        keys = f", {row['virtual_keys']} keys have their own" if row["virtual_keys"] else ""
        figures = [str(prices.get(kind, "")) for kind in SHOWN]
        table.add_row(f"{row['provider']}/{row['model']}", *figures, row["source"] + above + keys)
    print_table(table, out)
    print("USD for a million tokens, or for one request; what is empty costs what it is part of.", file=out)
