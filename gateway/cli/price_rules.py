"""``microgate prices set``: a price rule of the running gateway, beside those of its file."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from gateway.cli.running import Unreachable, ask
from gateway.config.prices import NO_FIGURES, PriceEntry

PATH = "/api/prices"
EXIT_OK = 0
EXIT_FAILED = 1
FIGURES = tuple(field for field in PriceEntry.__struct_fields__ if field not in NO_FIGURES)
"""What a rule can say of money, as options have it: ``--cache-read``."""


def set_price(
    wanted: str, figures: Mapping[str, str], keys: Sequence[str], remove: bool, data_dir: str, out: TextIO
) -> int:
    """Make, change or remove the rule for ``PROVIDER/MODEL`` (either may end with a ``*``) and these virtual keys;
    returns the exit status once all workers go by it."""
    provider, slash, model = wanted.partition("/")
    name = "+".join([wanted, *sorted(keys)])
    spec = {"provider": provider, "model": model, "virtual_keys": sorted(keys), **figures}
    try:
        if not (provider and slash and model):
            raise Unreachable(f"{wanted!r} is no PROVIDER/MODEL; * stands for any")
        found = _rule(data_dir, name)
        if remove:
            if found is None:
                raise Unreachable(f"no rule was set for {name}; those of the file are changed there")
            ask(data_dir, "DELETE", found["path"], None, found["version"])
        elif not {"input", "output"} <= figures.keys():
            raise Unreachable("--input and --output are needed: a rule says all that a model costs")
        elif found is None:
            _judged(ask(data_dir, "POST", PATH, {"name": name, "spec": spec}))
        else:
            _judged(ask(data_dir, "PUT", found["path"], {"spec": spec}, found["version"]))
    except Unreachable as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_FAILED
    print(f"{name}: {'removed' if remove else 'set'}", file=out)
    return EXIT_OK


def _rule(data_dir: str, name: str) -> Any:
    """The rule of this name that was set here; None: there is none. Raises Unreachable."""
    cursor = ""
    while True:
        page = ask(data_dir, "GET", f"{PATH}?limit=200{cursor}", None)
        for entry in page["entries"]:
            if entry["source"] == "database" and entry["name"] == name:
                return entry
        if page["next"] is None:
            return None
        cursor = f"&cursor={page['next']}"


def _judged(shown: Mapping[str, Any]) -> None:
    """Raises Unreachable when the rule is there and does not count."""
    if shown["state"] != "in_force":
        raise Unreachable(f"the rule is kept and does not count: {shown['problem']}")
