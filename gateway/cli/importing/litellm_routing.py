"""What LiteLLM says of all deployments of a name together: fallbacks, aliases, strategies, tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.cli.importing.litellm_models import Models
from gateway.cli.importing.tables import Job
from gateway.config.problems import Path

STRATEGIES: dict[str, tuple[str, str]] = {
    "simple-shuffle": ("weighted", ""),
    "least-busy": ("least-busy", ""),
    "latency-based-routing": ("least-latency", "of two drawn the faster one, by time to the first byte"),
    "usage-based-routing": ("least-busy", "requests under way count, not tokens of the last minute"),
    "usage-based-routing-v2": ("least-busy", "requests under way count, not tokens of the last minute"),
    "cost-based-routing": ("least-cost", ""),
}
"""LiteLLM's name -> (ours, the difference)."""


def strategy_of(document: dict[str, Any]) -> str:
    """As the file names it, or what holds without."""
    section = document.get("router_settings")
    found = section.get("routing_strategy") if isinstance(section, dict) else None
    return found if isinstance(found, str) else "simple-shuffle"


class Routing:
    """Settings about routes, taken over once there are routes."""

    def __init__(self, job: Job, models: Models) -> None:
        self.job = job
        self.models = models

    def strategy(self, path: Path, value: Any) -> None:
        if not isinstance(value, str) or value not in STRATEGIES:
            self.job.report.missing(path, value, f"there is: {', '.join(ours for ours, _ in STRATEGIES.values())}")
            return
        ours, note = STRATEGIES[value]
        for route in self._routes().values():
            if ours != "weighted":
                route["strategy"] = ours
        if note:
            self.job.report.changed(path, value, "routes.*.strategy", note)
        else:
            self.job.report.carried(path, value, "routes.*.strategy")

    def fallbacks(self, path: Path, value: Any) -> None:
        """``[{"a": ["b", {"model": "c"}]}, {"*": [...]}]``."""

        def add(name: str, here: Path, targets: Any) -> None:
            if name != "*":
                self._append(name, here, targets, {})
                return
            for each in list(self._routes()):
                self._append(each, here, targets, {}, quiet=True)
            self._say(here, targets)

        self._each(path, value, add)

    def default_fallbacks(self, path: Path, value: Any) -> None:
        for name in list(self._routes()):
            self._append(name, path, value, {}, quiet=True)
        self._say(path, value)

    def context_window_fallbacks(self, path: Path, value: Any) -> None:
        """Longer prompts than a model takes go to the others: told by an estimate, before anybody is asked."""

        def add(name: str, here: Path, targets: Any) -> None:
            size = self._context(name)
            route = self._route(name)
            if route is None or not size:
                why = "it is not known how much the model takes" if route else f"no model is called {name}"
                self.job.report.missing(
                    here, targets, f"{why}; a target's condition can say it: when: prompt_tokens > N"
                )
                return
            before = len(route.get("fallbacks", []))
            self._append(name, here, targets, {"when": f"prompt_tokens > {size}"}, quiet=True)
            if len(route.get("fallbacks", [])) == before:
                self.job.report.missing(here, targets, "none of them is in model_list")
                return
            for target in route["targets"]:
                _narrow(target, f"prompt_tokens <= {size}")
            note = (
                f"told beforehand by an estimate, four bytes a token, against {size}; errors of providers do not count"
            )
            self.job.report.changed(here, targets, f"routes.{name}.fallbacks[].when", note)

        self._each(path, value, add)

    def aliases(self, path: Path, value: Any) -> None:
        """``{"asked": "name"}`` or ``{"asked": {"model": "name", "hidden": true}}``."""
        if not isinstance(value, dict) or not value:
            self.job.report.missing(path, value, "says nothing")
            return
        for asked, said in value.items():
            here = (*path, str(asked))
            name = said.get("model") if isinstance(said, dict) else said
            route = self._route(str(name))
            if route is None or any(not "!" <= letter <= "~" for letter in str(asked)) or not asked:
                self.job.report.missing(here, said, f"no model is called {name}")
                continue
            self._routes()[str(asked)] = {**route, "targets": list(route["targets"])}
            if isinstance(said, dict):
                for member, detail in said.items():
                    if member == "model":
                        self.job.report.carried((*here, member), detail, f"routes.{asked}")
                    else:
                        self.job.report.missing((*here, member), detail, "every route is listed for who may use it")
            else:
                self.job.report.carried(here, said, f"routes.{asked}")

    def tag_filtering(self, path: Path, value: Any) -> None:
        if value is not True:
            self.job.report.carried(path, value, "")
            return
        for name, route in self._routes().items():
            for target in route["targets"] + route.get("fallbacks", []):
                tags = self._tags(name, target)
                asked = [f'headers["x-litellm-tags"].matches("^(.*,)? *{_literal(tag)} *(,.*)?$")' for tag in tags]
                free = ['!("x-litellm-tags" in headers)'] if "default" in tags or not tags else []
                if tags:
                    _narrow(target, " || ".join(asked + free))
        note = "by the header field x-litellm-tags alone; targets without tags serve every request"
        self.job.report.changed(path, value, "routes.*.targets[].when", note)

    def _tags(self, name: str, target: dict[str, Any]) -> tuple[str, ...]:
        for each in self.models.of(name):
            if (each.provider, each.model) == (target["provider"], target["model"]):
                return each.tags
        return ()

    def _context(self, name: str) -> int:
        from gateway.snapshot.facts import read
        from providers.models.matching import facts_of

        said = [each.context for each in self.models.of(name) if each.context]
        if said:
            return min(said)
        providers = self.job.draft.section("providers")
        sizes = []
        for target in (self._route(name) or {"targets": []})["targets"]:
            vendor = providers[target["provider"]].get("vendor", target["provider"])
            sizes.append((facts_of(read(vendor), target["model"]) or {}).get("context", 0))
        return min(sizes, default=0)

    def _route(self, name: str) -> dict[str, Any] | None:
        """The route of this name; one that a name with a star stands for is made."""
        routes = self._routes()
        if name in routes:
            return routes[name]
        first, slash, rest = name.partition("/")
        for each in self.models.deployments:
            if "*" in each.route and name != "*" and all("!" <= letter <= "~" for letter in name):
                if slash and rest and each.route == f"{first}/*":
                    routes[name] = {"targets": [{"provider": each.provider, "model": rest, "weight": 1}]}
                elif each.route == "*":
                    routes[name] = {"targets": [{"provider": each.provider, "model": name, "weight": 1}]}
        return routes.get(name)

    def _routes(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self.job.draft.section("routes")
        return found

    def _each(self, path: Path, value: Any, add: Callable[[str, Path, Any], None]) -> None:
        """Every (name, its place, those behind it) of such a list."""
        if not isinstance(value, list) or not value:
            self.job.report.missing(path, value, "says nothing")
            return
        for i, entry in enumerate(value):
            if not isinstance(entry, dict) or not entry:
                self.job.report.missing((*path, i), entry, "expected {model: [models]}")
                continue
            for name, targets in entry.items():
                add(str(name), (*path, i, str(name)), targets)

    def _append(self, name: str, path: Path, targets: Any, more: dict[str, Any], *, quiet: bool = False) -> None:
        route = self._route(name)
        if route is None:
            if not quiet:
                self.job.report.missing(path, targets, f"no model is called {name}")
            return
        behind = route.setdefault("fallbacks", [])
        for target in targets if isinstance(targets, list) else [targets]:
            wanted = target.get("model") if isinstance(target, dict) else target
            found = self._route(str(wanted))
            if found is None:
                continue
            for each in found["targets"]:
                copy = {"provider": each["provider"], "model": each["model"], **more}
                if copy not in behind and (more or not any(_same(copy, own) for own in route["targets"])):
                    behind.append(copy)
        if not behind:
            del route["fallbacks"]
        if not quiet:
            self._say(path, targets, f"routes.{name}.fallbacks")

    def _say(self, path: Path, targets: Any, to: str = "routes.*.fallbacks") -> None:
        """One row for each model that is fallen back to."""
        listed = targets if isinstance(targets, list) else [targets]
        for i, target in enumerate(listed):
            here = (*path, i) if isinstance(targets, list) else path
            if isinstance(target, dict) and target:
                known = self._route(str(target.get("model"))) is not None
                for member, detail in target.items():
                    if member == "model" and known:
                        self.job.report.carried((*here, member), detail, to)
                    else:
                        self.job.report.missing((*here, member), detail, "a fallback is a model of model_list")
            elif self._route(str(target)) is not None:
                self.job.report.carried(here, target, to)
            else:
                self.job.report.missing(here, target, f"no model is called {target}")
        if not listed:
            self.job.report.missing(path, targets, "says nothing")


def _narrow(target: dict[str, Any], condition: str) -> None:
    """Whatever else has to be true for it stays."""
    before = target.get("when")
    if before is None:
        target["when"] = condition
    elif condition not in before:
        target["when"] = f"({before}) && ({condition})"


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return (one["provider"], one["model"]) == (other["provider"], other["model"])


def _literal(tag: str) -> str:
    """A tag in a pattern in a text of a condition."""
    return "".join(
        letter if letter.isalnum() or letter in "-_ " else f"[{letter}]" for letter in tag if letter not in '"\\[]^'
    )
