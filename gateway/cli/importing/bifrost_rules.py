"""Bifrost's routing rules: conditions (CEL) of targets, for the models that the file names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.cli.importing.bifrost_governance import Governance
from gateway.cli.importing.bifrost_providers import Provider
from gateway.cli.importing.tables import Job
from gateway.config.problems import Path

_TOKENS = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(\.?[A-Za-z_]\w*)""")
_NAMES: Mapping[str, str] = {
    "model": "model",
    "headers": "headers",
    "virtual_key_name": "principal.name",
    "request_type": "operation",
    "true": "true",
    "false": "false",
    "in": "in",
}
"""Bifrost's variables -> ours; methods and what is not here is judged by the compiler."""
_OPERATIONS = {
    "chat_completion": "chat",
    "chat": "chat",
    "text_completion": "completions",
    "embedding": "embeddings",
    "responses": "responses",
    "image_generation": "image_generation",
    "speech": "speech",
    "transcription": "transcription",
    "rerank": "rerank",
}
_NOT_HERE = "a condition cannot look at {name}; it can at model, headers, principal.name, operation, prompt_tokens"


@dataclass
class _Rule:
    path: Path
    entry: dict[str, Any]
    condition: str
    priority: int


def condition_of(expression: str, governance: Governance) -> str:
    """The same in our subset. Raises ValueError, which says what is not there."""
    from gateway.routing.cel import ConditionError, compile_condition

    asked_operation = "request_type" in expression

    def instead(match: re.Match[str]) -> str:
        text, name = match[1], match[2]
        if text:
            inner = text[1:-1]
            if asked_operation and inner in _OPERATIONS:
                inner = _OPERATIONS[inner]
            elif "virtual_key_name" in expression and inner in governance.keys:
                inner = governance.keys[inner]
            return f"{text[0]}{inner}{text[0]}"
        if name.startswith("."):
            return name
        if expression[match.end() : match.end() + 1] == "(":
            return name
        if name not in _NAMES:
            raise ValueError(_NOT_HERE.format(name=name))
        return _NAMES[name]

    condition = _TOKENS.sub(instead, expression)
    try:
        compile_condition(condition)
    except ConditionError as error:
        raise ValueError(f"the condition is not in the subset of CEL here: {error}") from None
    return condition


def names_in(section: Any) -> list[str]:
    """Models that rules compare with or lead to."""
    found = []
    for entry in _listed(section):
        found += re.findall(r"""\bmodel\s*==\s*["']([!-~]+?)["']""", str(entry.get("cel_expression", "")))
    return list(dict.fromkeys(found))


def _listed(section: Any) -> list[dict[str, Any]]:
    rules = section.get("routing_rules") if isinstance(section, dict) else None
    return [entry for entry in rules if isinstance(entry, dict)] if isinstance(rules, list) else []


def rules(job: Job, section: Any, providers: dict[str, Provider], governance: Governance) -> None:
    """Every rule of ``governance.routing_rules``, on the routes that there are by now."""
    listed = section.get("routing_rules") if isinstance(section, dict) else None
    if not isinstance(section, dict) or "routing_rules" not in section:
        return
    top: Path = ("governance", "routing_rules")
    if not isinstance(listed, list) or not listed:
        job.report.missing(top, listed, "says nothing")
        return
    usable: list[_Rule] = []
    for i, entry in enumerate(listed):
        path: Path = (*top, i)
        try:
            if not isinstance(entry, dict) or not entry:
                raise ValueError("says nothing")
            usable.append(_usable(job, path, entry, providers, governance))
        except ValueError as error:
            job.report.missing(path, entry, str(error))
    usable.sort(key=lambda rule: rule.priority)
    routes = {
        name: route for name, route in job.draft.section("routes").items() if name.partition("/")[0] not in providers
    }
    for name, route in routes.items():
        _onto(job, name, route, usable, providers)
    for rule in usable:
        _told(job, rule, list(routes))


def _usable(
    job: Job, path: Path, entry: dict[str, Any], providers: dict[str, Provider], governance: Governance
) -> _Rule:
    """A rule that can be said here. Raises ValueError with what is in the way."""
    condition = condition_of(str(entry.get("cel_expression") or "true"), governance)
    scope = entry.get("scope", "global")
    if scope == "virtual_key":
        key = governance.keys.get(str(entry.get("scope_id")))
        if key is None:
            raise ValueError("no virtual key of the file has the rule's scope_id")
        condition = f'principal.name == "{key}" && ({condition})'
    elif scope != "global":
        raise ValueError(f"a condition cannot look at a {scope}")
    targets = entry.get("targets")
    if not isinstance(targets, list) or not targets or not all(isinstance(each, dict) for each in targets):
        raise ValueError("the rule has no targets")
    for target in targets:
        if target.get("provider") not in providers:
            raise ValueError(f"the file has no provider called {target.get('provider')}")
    if not job.draft.section("routes"):
        raise ValueError("the file names no model that the rule could hold for")
    priority = entry.get("priority", 0)
    enabled = entry.get("enabled", True) is not False
    return _Rule(path, entry, condition if enabled else "false", priority if isinstance(priority, int) else 0)


def _onto(job: Job, name: str, route: dict[str, Any], usable: list[_Rule], providers: dict[str, Provider]) -> None:
    """The first rule that is true decides; without one the targets that were there."""
    before: list[str] = []
    chosen: list[dict[str, Any]] = []
    behind: list[dict[str, Any]] = []
    for rule in usable:
        if rule.condition == "false":
            continue
        when = " && ".join([*before, f"({rule.condition})"])
        before.append(f"!({rule.condition})")
        for target in rule.entry["targets"]:
            for where in providers[str(target["provider"])].here:
                model = str(target.get("model") or name)
                weight = target.get("weight", 1)
                share = weight / len(providers[str(target["provider"])].here)
                chosen.append({"provider": where, "model": model, "weight": share, "when": when})
        for fallback in rule.entry.get("fallbacks") or []:
            provider, _, model = str(fallback).partition("/")
            places = providers[provider].here if provider in providers else []
            behind += [{"provider": where, "model": model or name, "when": when} for where in places]
    if not chosen:
        return
    otherwise = " && ".join(before)
    for target in route["targets"]:
        target["when"] = otherwise
    if len(max((*chosen, *route["targets"]), key=lambda each: len(each["when"]))["when"]) > 4096:
        job.report.remark(f"the rules together are too long for conditions of {name}, which is left without them")
        for target in route["targets"]:
            del target["when"]
        return
    route["targets"] = [*chosen, *route["targets"]]
    if behind:
        route["fallbacks"] = [*behind, *route.get("fallbacks", [])]


def _told(job: Job, rule: _Rule, names: list[str]) -> None:
    note = f"for the models that the file names: {', '.join(names[:6])}{', …' if len(names) > 6 else ''}"
    for name, value in rule.entry.items():
        here = (*rule.path, name)
        if name in ("cel_expression", "targets", "scope", "scope_id", "priority", "enabled"):
            job.report.changed(here, value, "routes.*.targets[].when", note)
        elif name == "fallbacks":
            job.report.changed(here, value, "routes.*.fallbacks[].when", note)
        else:
            job.report.missing(here, value, "a rule is a condition of a target, which has no name of its own")
