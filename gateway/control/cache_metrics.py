"""Families of /metrics about the cache. How requests fared with it is the label ``cache`` of their own families."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from gateway.control.cache_process import Figures


def families(configured: bool, figures: Figures | None) -> Iterator[Metric]:
    """Without a value where no cache is configured, or (all but the first) its process does not answer."""
    up = GaugeMetricFamily("microgate_cache_up", "1 while the cache process answers; absent without a cache.")
    entries = GaugeMetricFamily("microgate_cache_entries", "Answers that are kept.")
    size = GaugeMetricFamily("microgate_cache_size_bytes", "What they take.")
    most = GaugeMetricFamily("microgate_cache_max_size_bytes", "The most that they may take.")
    available = GaugeMetricFamily("microgate_cache_store_available", "1 while the store of the answers can be used.")
    answers = CounterMetricFamily(
        "microgate_cache_answers", "Answers to keep, by what became of them.", labels=["result"]
    )
    would_hit = CounterMetricFamily("microgate_cache_would_hit", "Similar questions whose answer was not told.")
    dollars = CounterMetricFamily("microgate_cache_saved_dollars", "What the answers had cost that were told again.")
    seconds = CounterMetricFamily("microgate_cache_saved_seconds", "How long their providers had taken.")
    vectors = GaugeMetricFamily("microgate_cache_vectors", "Questions in the index.")
    audited = CounterMetricFamily(
        "microgate_cache_audited", "Would-be hits that were asked afresh, by what came of it.", labels=["result"]
    )
    wrong = GaugeMetricFamily(
        "microgate_cache_wrong_hit_ratio_upper", "Share of similar hits that are wrong, at most (95 % confidence)."
    )
    if configured:
        up.add_metric([], int(figures is not None))
    if figures is not None:
        store, totals = figures.store, figures.totals
        if store.entries is not None:
            entries.add_metric([], store.entries)
        size.add_metric([], store.bytes)
        most.add_metric([], store.max_bytes)
        available.add_metric([], int(store.ok))
        answers.add_metric(["kept"], totals.kept)
        answers.add_metric(["lost"], figures.lost)
        would_hit.add_metric([], totals.would_hit)
        dollars.add_metric([], totals.saved_nanodollars / 1e9)
        seconds.add_metric([], totals.saved_us / 1e6)
        if (semantic := figures.semantic) is not None:
            vectors.add_metric([], sum(index.entries or 0 for index in semantic.indexes.values()))
            audited.add_metric(["right"], semantic.audited - semantic.wrong)
            audited.add_metric(["wrong"], semantic.wrong)
            wrong.add_metric([], semantic.wrong_per_hit_upper)
    yield from (vectors, audited, wrong)
    yield from (up, entries, size, most, available, answers, would_hit, dollars, seconds)
