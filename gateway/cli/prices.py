"""``microgate prices``: what models cost, and who says so."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO

from rich.table import Table

from gateway.cli.models import EXIT_FAILED, EXIT_OK, EXIT_UNKNOWN, print_table
from gateway.config.loader import load
from gateway.config.problems import ConfigError
from gateway.prices_in_force import prices_in_force
from gateway.snapshot.model import Provider, Settings, Snapshot
from gateway.snapshot.plan import Plan, plan
from gateway.snapshot.prices import price_lists
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
    rows = [row.shown() for row in prices_in_force(snapshot, providers, model)]
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
