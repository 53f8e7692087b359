"""Families of /metrics about budgets, deployments, alerts, roll-ups, and what is told of requests elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.alerts.providers import is_watched

if TYPE_CHECKING:
    from gateway.control.state import ControlState

MOST_BUDGETS = 500
"""Budgets with series of their own: three each, some 20 ms of a scrape. Customers come first, then teams, then keys."""
MOST_DEPLOYMENTS = 1000
KINDS = {"budget": ("warning", "critical"), "provider_down": ("critical",), "error_rate": ("warning", "critical")}


def families(state: ControlState) -> Iterator[Metric]:
    yield from _budgets(state)
    yield _deployments(state)
    yield from _alerts(state)
    yield from _told(state)
    yield from _rollups(state)


def _budgets(state: ControlState) -> Iterator[Metric]:
    labels = ["level", "name", "window"]
    limit = GaugeMetricFamily("microgate_budget_limit_dollars", "Budgets.", labels=labels)
    spent = GaugeMetricFamily("microgate_budget_spent_dollars", "What is spent of them.", labels=labels)
    reserved = GaugeMetricFamily(
        "microgate_budget_reserved_dollars", "What requests under way may take of them.", labels=labels
    )
    budgets = state.alerting.budgets
    for budget, standing in budgets.standings(MOST_BUDGETS):
        values = [budget.kind, budget.name, budget.window or "total"]
        limit.add_metric(values, standing.limit / 1e9)
        spent.add_metric(values, standing.spent / 1e9)
        reserved.add_metric(values, standing.reserved / 1e9)
    yield from (limit, spent, reserved)
    yield GaugeMetricFamily("microgate_budgets", "Budgets in force.", budgets.count)


def _deployments(state: ControlState) -> Metric:
    family = GaugeMetricFamily(
        "microgate_deployment_usable", "0 while a model at a provider is out.", labels=["provider", "model"]
    )
    now_ns = time.monotonic_ns()
    count = 0
    for name, provider in state.configuration.snapshot.providers.items():
        if not is_watched(provider):
            continue
        for model, slot in provider.deployments.items():
            count += 1
            if count > MOST_DEPLOYMENTS:
                return family
            family.add_metric([name, model or "other"], int(slot < 0 or state.arena.used(slot, now_ns) == 0))
    return family


def _alerts(state: ControlState) -> Iterator[Metric]:
    alerting = state.alerting
    active = Counter((alert.kind, alert.level) for alert in alerting.active())
    family = GaugeMetricFamily("microgate_alerts", "Alerts that are raised and not over.", labels=["kind", "level"])
    for kind, levels in KINDS.items():
        for level in levels:
            family.add_metric([kind, level], active[kind, level])  # type: ignore[index]  # the table's words
    yield family
    yield CounterMetricFamily(
        "microgate_alerts_suppressed",
        "Looks that would have raised an alert beyond the most.",
        alerting.book.suppressed,
    )
    deliveries = CounterMetricFamily("microgate_alert_deliveries", "Tries to tell a webhook.", labels=["result"])
    for result, count in alerting.deliveries.sent.items():
        deliveries.add_metric([result], count)
    yield deliveries


def _told(state: ControlState) -> Iterator[Metric]:
    telling = state.telling
    access_log = telling.access_log
    yield CounterMetricFamily("microgate_access_log_lines", "Lines of the access log.", access_log.written)
    yield CounterMetricFamily("microgate_access_log_lines_lost", "Lines that were given up.", access_log.dropped)
    yield CounterMetricFamily("microgate_otel_spans", "Spans that a collector took.", telling.sent_spans)
    yield CounterMetricFamily(
        "microgate_otel_dropped", "Spans, or records of which none were made, that were given up.", telling.lost_spans
    )


def _rollups(state: ControlState) -> Iterator[Metric]:
    rollups = state.rollups
    yield GaugeMetricFamily(
        "microgate_rollups_available",
        "1 while roll-ups of the request log can be stored.",
        int(not rollups.store.problem()),
    )
    yield GaugeMetricFamily(
        "microgate_rollups_filling", "1 while older rows of the log are added to them.", int(rollups.filling)
    )
