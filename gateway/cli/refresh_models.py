"""Makes the files of ``providers/models`` from packages that carry the facts with them; nothing is fetched.

The same packages and the same date give the same bytes.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from operator import itemgetter
from pathlib import Path
from typing import Any

import providers.models
from gateway.cli.model_sources import (
    ABILITIES,
    CAPABILITIES_OF,
    CAPABLE,
    COSTS,
    INPUTS,
    KINDS,
    MISTAKES,
    NO_MODELS,
    NO_WORDS,
    OUTPUTS,
    PRICE_NAMES,
    PRICES_OF,
    PROFILES_OF,
)
from providers.models.matching import PRICED, Index, spellings

HOME = Path(providers.models.__file__).parent

Rows = Mapping[str, dict[str, Any]]


PLACES = 8
"""Of USD per million tokens: a hundred-billionth of a dollar a token is finer than any price list."""


class SourceError(Exception):
    """A package that the facts come from is not installed; the message says which."""


def refresh(taken: date, home: Path = HOME) -> list[Path]:
    """Write all files anew, as of the day ``taken``; returns those that changed. Raises SourceError, OSError."""
    changed = []
    for file, text in render(taken).items():
        path = home / f"{file}.json"
        if not path.exists() or path.read_text() != text:
            # Replaced, so that a running instance never reads half of one, and notices.
            made = path.with_suffix(".new")
            made.write_text(text)
            made.replace(path)
            changed.append(path)
    return changed


def render(taken: date) -> dict[str, str]:
    """File -> its text."""
    try:
        from genai_prices.data import providers as priced

        map_file = _inside("litellm", "model_prices_and_context_window_backup.json")
        profiles = {file: _profiles(_inside(package, "data/_profiles.py")) for file, package in PROFILES_OF.items()}
    except ImportError as error:
        raise SourceError(f"{error.name or error} is not installed: pip install 'microgate[facts]'") from None
    litellm = json.loads(map_file.read_text())
    by_id = {provider.id: provider for provider in priced}
    files = {}
    for file, names in PRICES_OF.items():
        models: dict[str, dict[str, Any]] = {}
        for name in names:
            suffix = ":" + name.removeprefix("huggingface_") if name.startswith("huggingface_") else ""
            for model in by_id[name].models:
                models[model.id + suffix] = _priced(model, taken, suffix)
        _describe(file, models, profiles.get(file, {}), litellm)
        sources = [f"genai-prices {version('genai-prices')}"] if names else []
        sources += [f"{PROFILES_OF[file]} {version(PROFILES_OF[file])} (models.dev)"] if file in profiles else []
        sources += [f"litellm {version('litellm')}"] if file in CAPABILITIES_OF else []
        files[file] = _text(file, taken, sources, models)
    return files


def _inside(package: str, name: str) -> Path:
    """A file of an installed package, which is not imported."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ImportError(package, name=package)
    return Path(spec.origin).parent / name


def _profiles(path: Path) -> dict[str, dict[str, Any]]:
    """The one dictionary of a generated module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            profiles: dict[str, dict[str, Any]] = ast.literal_eval(node.value)
            return profiles
    raise ImportError(str(path), name=path.parent.parent.name)


# -- prices


def _priced(model: Any, taken: date, suffix: str) -> dict[str, Any]:
    """The entry of one model of genai-prices."""
    names = {literal.lower() + suffix for literal in _literals(model.match)} - {(model.id + suffix).lower()}
    entry: dict[str, Any] = {"names": sorted(names)}
    if model.name:
        entry["name"] = model.name
    if model.context_window:
        entry["context"] = model.context_window
    if model.deprecated:
        entry["deprecated"] = True
    if isinstance(model.prices, list):
        _timed(entry, model.prices, taken)
    elif prices := _figures(vars(model.prices)):
        entry["prices"] = prices
    if variants := _variants(model.price_variants or (), taken):
        entry["variants"] = variants
    return entry


def _variants(given: Iterable[Any], taken: date) -> list[dict[str, Any]]:
    """Prices of certain requests. Of those in force the first that names a price decides it; those to come follow."""
    current: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    later = []
    for variant in given:
        prices = {key: value for key, value in vars(variant.prices).items() if value is not None}
        day = getattr(variant.constraint, "start_date", None)
        if day is not None and day > taken:
            later.append({"from": day.isoformat(), "when": variant.when, "prices": _figures(prices)})
        else:
            when = tuple(sorted(variant.when.items()))
            current[when] = {**prices, **current.get(when, {})}
    return [{"when": dict(when), "prices": _figures(prices)} for when, prices in current.items() if prices] + later


def _literals(clause: Any) -> Iterator[str]:
    """Names that a clause of genai-prices tells; what it says by a pattern is left to the rules of ``matching``."""
    parts = getattr(clause, "or_", None)
    if parts is not None:
        for part in parts:
            yield from _literals(part)
    for kind in ("equals", "starts_with", "contains"):
        literal = getattr(clause, kind, None)
        if literal is not None and literal.isprintable() and not literal.endswith(("-", "@", "/")):
            yield literal


def _timed(entry: dict[str, Any], conditional: list[Any], taken: date) -> None:
    """Prices in force, those that take over on a day to come, and those of certain hours of the day (UTC)."""
    current: Any = conditional[0].prices
    later, hours = [], []
    for row in conditional:
        prices = _figures(vars(row.prices))
        day, start = getattr(row.constraint, "start_date", None), getattr(row.constraint, "start_time", None)
        if start is not None:
            hours.append({"between": [f"{start:%H:%M}", f"{row.constraint.end_time:%H:%M}"], "prices": prices})
        elif day is None or day <= taken:
            current = row.prices
        else:
            later.append({"from": day.isoformat(), "prices": prices})
    parts = {"prices": _figures(vars(current)), "later": later, "hours": hours}
    entry.update({name: value for name, value in parts.items() if value})


def _figures(prices: Mapping[str, Any]) -> dict[str, Any]:
    """Prices as text; what holds above a number of input tokens under ``above``."""
    found: dict[str, Any] = {}
    above: dict[int, dict[str, str]] = {}
    for name, value in sorted(((PRICE_NAMES.get(key, key), value) for key, value in prices.items()), key=itemgetter(0)):
        if value is None:
            continue
        found[name] = _decimal(getattr(value, "base", value))
        for tier in getattr(value, "tiers", ()):
            above.setdefault(tier.start, {})[name] = _decimal(tier.price)
    if above:
        found["above"] = [{"tokens": start, **above[start]} for start in sorted(above)]
    return found


def _decimal(value: Any) -> str:
    """The source's own digits; the tail that a float left behind (0.18000000000000002) is no part of a price."""
    text = f"{value:.{PLACES}f}" if value != round(value, PLACES) else f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# -- sizes and capabilities


def _describe(file: str, models: dict[str, dict[str, Any]], profiles: Rows, litellm: Rows) -> None:
    """Add what the two other sources say, and the models that only LiteLLM's map has."""
    own = dict(CAPABILITIES_OF.get(file, ()))
    rows = {
        key.removeprefix(own[row["litellm_provider"]]): row
        for key, row in sorted(litellm.items())
        if row.get("litellm_provider") in own and key not in MISTAKES
    }
    take_row = _take_row if PRICES_OF[file] else _take_priced_row
    sources = (Index(file, profiles), _take_profile), (Index(file, rows), take_row)
    for index, _ in sources:
        for name in index.models:
            # A dated entry tells what the model can where no other does.
            index.ids.setdefault(min((spelt for spelt, _ in spellings(file, name)), key=len), name)
    used: set[str] = set()

    def described(entry: dict[str, Any], *names: str) -> dict[str, Any]:
        for index, take in sources:
            found = next(filter(None, map(index.find, names)), None)
            if found is not None:
                used.add(found[0])
                take(entry, index.models[found[0]])
        return entry

    for identity, entry in list(models.items()):
        # Bedrock's models cost more inside a region, and can the same.
        anywhere = identity.removeprefix("regional.").removeprefix("global.")
        described(entry, identity, anywhere, *entry["names"])
        for name in entry["names"]:
            if any(name in index.ids for index, _ in sources):
                money = {key: value for key, value in entry.items() if key in PRICED or key == "deprecated"}
                apart = described({"names": [], **money}, name)
                # One price does not make one model: gpt-5 takes tools, gpt-5-chat at the same price does not.
                if any(apart.get(key) != entry.get(key) for key in CAPABLE):
                    models.setdefault(name, apart)
        entry["names"] = [name for name in entry["names"] if name not in models]
    known = Index(file, models)
    slashed = file not in ("azure", "bedrock", "google", "openai")
    for name, row in rows.items():
        if name in used or name.startswith(NO_MODELS) or ("/" in name and not slashed) or known.find(name):
            continue
        entry = {"names": []}
        take_row(entry, row)
        if len(entry) > 1:
            models[name] = entry
            known.ids.setdefault(name.lower(), name)


def _take_profile(entry: dict[str, Any], profile: Mapping[str, Any]) -> None:
    if profile.get("max_input_tokens"):
        entry.setdefault("context", profile["max_input_tokens"])
    if profile.get("max_output_tokens"):
        entry["max_output"] = profile["max_output_tokens"]
    entry["can"] = _abilities({name for name, _, theirs in ABILITIES if theirs and profile.get(theirs)})
    entry["input"] = ["text", *(name for name, _, theirs in INPUTS if profile.get(theirs))]
    text = ["text"] if profile.get("text_outputs") else []
    if outputs := text + [name for name, _, theirs in OUTPUTS if profile.get(theirs)]:
        entry["output"] = outputs


def _take_row(entry: dict[str, Any], row: Mapping[str, Any]) -> None:
    """What LiteLLM's map says and nobody before it did."""
    size, output = row.get("max_input_tokens"), row.get("max_output_tokens")
    kind = KINDS.get(row.get("mode") or "")
    if isinstance(size, int) and size > 0:
        entry.setdefault("context", size)
    # Equal sizes are how the map writes that the provider names no bound of its own.
    if isinstance(output, int) and 0 < output != size and kind in ("chat", "completion"):
        entry.setdefault("max_output", output)
    if kind:
        entry["kind"] = kind
    if kind in NO_WORDS:
        # models.dev has no words for what they make, and calls it text.
        entry.pop("output", None)
        entry.pop("can", None)
        # Of an embedding models.dev tells the dimensions here.
        entry.pop("max_output", None)
    if kind == "chat":
        # Where models.dev has spoken, only what it has no word for.
        known = "can" in entry
        said = {name for name, theirs, other in ABILITIES if row.get(theirs) is True and not (known and other)}
        entry["can"] = _abilities(said | set(entry.get("can", ())))
        told = row.get("supported_modalities") or ()
        inputs = ["text", *(name for name, theirs, _ in INPUTS if row.get(theirs) is True or name in told)]
        entry.setdefault("input", inputs)
        outputs = ["text", *(name for name, theirs, _ in OUTPUTS if theirs and row.get(theirs) is True)]
        entry.setdefault("output", outputs)


def _take_priced_row(entry: dict[str, Any], row: Mapping[str, Any]) -> None:
    """The same with what it costs, of a vendor whose prices nobody else has."""
    _take_row(entry, row)
    # Tiers are written in several ways there: no price is better than half of one.
    if row.get("source") and row.get("input_cost_per_token") and "tiered_pricing" not in row:
        told = {name: Decimal(repr(row[theirs])).scaleb(6) for name, theirs in COSTS.items() if row.get(theirs)}
        entry["prices"] = {name: _decimal(price) for name, price in told.items()}


def _abilities(names: set[str]) -> list[str]:
    """In the order of the table; ways of using tools count only with tools."""
    without = set() if "tools" in names else {"tool_choice", "parallel_tools"}
    return [name for name, *_ in ABILITIES if name in names - without]


# -- text


def _text(file: str, taken: date, sources: list[str], models: dict[str, dict[str, Any]]) -> str:
    """One line a model, in the order of their ids."""
    ordered = dict(sorted(models.items()))
    lean = {identity: {**entry, "names": []} for identity, entry in ordered.items()}
    index = Index(file, lean)
    rows = []
    for identity, entry in ordered.items():
        # A name that the rules lead to this entry need not be written down.
        names = [name for name in entry["names"] if (index.find(name) or ("",))[0] != identity]
        kept = {key: value for key, value in sorted(entry.items()) if key != "names" and value not in ([], {})}
        if not kept:
            continue
        if names:
            kept["names"] = names
        rows.append(f"  {json.dumps(identity)}: {json.dumps(kept, separators=(',', ':'))}")
    head = {"sources": sources, "taken": taken.isoformat()}
    return json.dumps(head)[:-1] + ', "models": {\n' + ",\n".join(rows) + "\n}}\n"
