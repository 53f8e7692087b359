"""What the dashboard and the alert rules under deploy/ ask Prometheus for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
_QUOTED = re.compile(r'"[^"]*"')
_BY = re.compile(r"\bby \(([^)]*)\)")
_SELECTOR = re.compile(r"\{([^}]*)\}")


def dashboard_queries() -> Iterator[str]:
    dashboard = json.loads((DEPLOY / "grafana" / "microgate.json").read_text())
    for panel in dashboard["panels"]:
        assert panel["type"] == "row" or panel["targets"], panel["title"]
        for target in panel.get("targets", ()):
            yield target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield re.sub(r"label_values\((\w+), (\w+)\)", r"sum by (\2) (\1)", variable["query"])


def rule_queries() -> Iterator[str]:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            assert rule["annotations"]["summary"]
            assert rule["labels"]["severity"] in ("warning", "critical")
            yield rule["expr"]


def metrics_in(query: str) -> set[str]:
    return set(re.findall(r"\bmicrogate_\w+", _QUOTED.sub("", query)))


def labels_in(query: str) -> set[str]:
    """Of selectors and groupings."""
    bare = _QUOTED.sub('""', query)
    selectors = [each.partition('"')[0].rstrip("=~!") for part in _SELECTOR.findall(bare) for each in part.split(",")]
    groupings = [each.strip() for part in _BY.findall(bare) for each in part.split(",")]
    return {name.strip() for name in (*selectors, *groupings) if name.strip()}
