"""/metrics: the counters from records (``exposition.py``), and gauges about the processes themselves.

The small families go through prometheus-client; they are read from where they live at every scrape.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

import _speedups
import gateway
from gateway.cache.asking import NotAnswered
from gateway.control import cache_metrics, telemetry_metrics
from gateway.control.aggregate import NONE
from gateway.control.cache_process import CacheProcess, Figures
from gateway.control.exposition import render
from gateway.overload.refusals import Reason
from gateway.processes import logs

if TYPE_CHECKING:
    from gateway.control.state import ControlState

CONTENT_TYPE = "text/plain; version=0.0.4"
"""Litestar adds the character set."""

WORKER_STATES = ("starting", "serving", "draining", "dead")

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessUse:
    """What one process takes, from /proc."""

    __slots__ = ("cpu_s", "resident_bytes")

    def __init__(self, pid: int) -> None:
        """Raises OSError when there is no such process."""
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name, which may hold anything, ends at the last parenthesis.
            fields = file.read().rpartition(b")")[2].split()
        self.cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS
        self.resident_bytes = int(fields[21]) * _PAGE_BYTES


class GatewayCollector(Collector):
    """The small families, named and explained in docs/metrics.md."""

    def __init__(self, state: ControlState) -> None:
        self._state = state
        self.cache: Figures | None = None
        """What the cache process has just said."""

    def collect(self) -> Iterable[Metric]:
        yield from self._build()
        yield from self._configuration()
        yield from self._workers()
        yield from self._pressure()
        yield from self._lines()
        yield from self._processes()
        yield from self._records()
        yield from self._keys()
        yield from telemetry_metrics.families(self._state)
        yield from cache_metrics.families(self._state.configuration.snapshot.settings.cache.enabled, self.cache)

    def _build(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "microgate_build_info",
            "Always 1; version and implementation (compiled or pure) are its labels.",
            labels=["version", "implementation", "python"],
        )
        info.add_metric([gateway.__version__, _speedups.IMPLEMENTATION, platform.python_version()], 1)
        yield info

    def _configuration(self) -> Iterator[Metric]:
        configuration = self._state.configuration
        snapshot, last = configuration.snapshot, configuration.last
        yield _gauge("microgate_snapshot_version", "Version of the configuration in force.", snapshot.version)
        yield _gauge(
            "microgate_config_last_reload_successful",
            "1 when the configuration file as it is now is in force, 0 when it has a mistake.",
            int(last.ok),
        )
        yield _gauge(
            "microgate_config_last_reload_timestamp_seconds", "When the file was last taken over or refused.", last.at
        )
        reloads = CounterMetricFamily("microgate_config_reloads", "Looks at the file by result.", labels=["result"])
        for result, count in configuration.reloads.items():
            reloads.add_metric([result], count)
        yield reloads
        yield _gauge("microgate_virtual_keys", "Virtual keys in force.", snapshot.virtual_keys)
        yield _gauge("microgate_providers", "Providers in force.", len(snapshot.providers))
        yield _gauge("microgate_routes", "Routes in force.", len(snapshot.routes))

    def _workers(self) -> Iterator[Metric]:
        workers = self._state.workers()
        states = GaugeMetricFamily("microgate_workers", "Workers by state.", labels=["state"])
        for name in WORKER_STATES:
            states.add_metric([name], sum(worker.state == name for worker in workers))
        yield states
        in_flight = _by_worker("microgate_worker_in_flight_requests", "Requests in progress.")
        connections = _by_worker("microgate_worker_connections", "Connections from callers.")
        lag = _by_worker(
            "microgate_worker_loop_lag_seconds", "Longest delay of the worker's loop since its last report."
        )
        version = _by_worker("microgate_worker_snapshot_version", "Version of the configuration the worker serves.")
        epoch = _by_worker("microgate_worker_epoch", "How often this worker has been started; a rise is a restart.")
        garbage = _by_worker("microgate_worker_garbage_objects", "Objects waiting for the idle-time collection.")
        for worker in workers:
            label = [str(worker.index)]
            in_flight.add_metric(label, worker.in_flight)
            epoch.add_metric(label, worker.epoch)
            if worker.version is not None:
                version.add_metric(label, worker.version)
            if worker.report is not None:
                connections.add_metric(label, worker.report.connections)
                lag.add_metric(label, worker.report.loop_lag_us / 1e6)
                garbage.add_metric(label, worker.report.garbage)
        yield from (in_flight, connections, lag, version, epoch, garbage)

    def _pressure(self) -> Iterator[Metric]:
        slots = _by_worker("microgate_worker_slots", "Requests that may be under way at a time, for now.")
        used = _by_worker("microgate_worker_slots_used", "Requests under way to a provider.")
        waiting = _by_worker("microgate_worker_queue_length", "Requests that wait for a slot.")
        step = _by_worker(
            "microgate_worker_memory_step",
            "0: enough memory; 1: connections are not kept; 2: nobody is let in; 3: the largest exchanges are ended.",
        )
        taken = _by_worker("microgate_memory_used_bytes", "Memory in use, where it is nearest to its bound.")
        bound = _by_worker("microgate_memory_limit_bytes", "That bound.")
        refused = CounterMetricFamily(
            "microgate_overload_refusals", "Requests turned away by reason.", labels=["worker", "reason"]
        )
        cut = CounterMetricFamily("microgate_memory_cut", "Exchanges ended for lack of memory.", labels=["worker"])
        connections = CounterMetricFamily(
            "microgate_connections_refused", "Connections beyond the most that are taken.", labels=["worker"]
        )
        for worker in self._state.workers():
            if worker.report is None:
                continue
            label, now = [str(worker.index)], worker.report.pressure
            slots.add_metric(label, now.slots)
            used.add_metric(label, now.under_way)
            waiting.add_metric(label, now.waiting)
            step.add_metric(label, now.memory_step)
            taken.add_metric(label, now.memory_used)
            bound.add_metric(label, now.memory_limit)
            cut.add_metric(label, now.cut)
            connections.add_metric(label, now.refused_connections)
            for reason, count in zip(Reason, now.refused, strict=False):
                refused.add_metric([*label, reason.name.lower()], count)
        yield from (slots, used, waiting, step, taken, bound, refused, cut, connections)

    def _processes(self) -> Iterator[Metric]:
        memory = GaugeMetricFamily(
            "microgate_process_resident_bytes", "Resident memory of a process.", labels=["process"]
        )
        cpu = CounterMetricFamily("microgate_process_cpu_seconds", "CPU time of a process.", labels=["process"])
        cache = [("cache", self.cache.pid)] if self.cache is not None and self.cache.pid else []
        for name, pid in (*self._state.processes(), *cache):
            try:
                use = ProcessUse(pid)
            except OSError:
                continue
            memory.add_metric([name], use.resident_bytes)
            cpu.add_metric([name], use.cpu_s)
        yield from (memory, cpu)

    def _lines(self) -> Iterator[Metric]:
        lost = CounterMetricFamily(
            "microgate_log_lines_lost", "Log lines given up because nobody read standard error.", labels=["process"]
        )
        lost.add_metric(["control"], logs.tend())
        for worker in self._state.workers():
            if worker.report is not None:
                lost.add_metric([f"worker-{worker.index}"], worker.report.lost_lines)
        yield lost

    def _by_index(self, counts: Mapping[int, int]) -> Iterator[tuple[str, int]]:
        """Rings belong to places, and a worker has two: see ``processes/holdings.py``."""
        workers = self._state.context.workers
        sums: dict[int, int] = {}
        for place, count in counts.items():
            sums[place % workers] = sums.get(place % workers, 0) + count
        for index, count in sorted(sums.items()):
            yield str(index), count

    def _records(self) -> Iterator[Metric]:
        ingest, log = self._state.ingest, self._state.log_status()
        waiting = _by_worker("microgate_record_ring_waiting", "Records waiting in a worker's ring and spill file.")
        for label, count in self._by_index(ingest.lag()):
            waiting.add_metric([label], count)
        yield waiting
        for name, help_, table in (
            ("microgate_records_dropped", "Records lost because ring and spill file were full.", ingest.dropped()),
            ("microgate_records_spilled", "Records that went through the spill file.", ingest.spilled()),
        ):
            family = CounterMetricFamily(name, help_, labels=["worker"])
            for label, count in self._by_index(table):
                family.add_metric([label], count)
            yield family
        counters = CounterMetricFamily("microgate_log_rows", "Rows offered to the request log.", labels=["result"])
        for result, count in (
            ("stored", ingest.stored),
            ("repeated", ingest.repeated),
            ("rejected", ingest.rejected),
        ):
            counters.add_metric([result], count)
        yield counters
        if ingest.feed is not None:
            rows = CounterMetricFamily("microgate_ledger_rows", "Rows of the ledger.", labels=["result"])
            for result, count in (("posted", ingest.feed.posted), ("spooled", ingest.feed.spooled)):
                rows.add_metric([result], count)
            yield rows
            waiting_bytes = ingest.feed.waiting_bytes
            yield _gauge("microgate_ledger_spool_bytes", "Rows that wait for the ledger on the disk.", waiting_bytes)
        said = CounterMetricFamily("microgate_log_contents", "Requests with what was said.", labels=["result"])
        contents = self._state.contents
        for result, count in (
            ("stored", contents.stored),
            ("dropped", contents.dropped),
            ("rejected", contents.rejected),
        ):
            said.add_metric([result], count)
        yield said
        yield _gauge("microgate_log_available", "1 while the request log can be written.", int(log.ok))
        yield _gauge("microgate_log_size_bytes", "Size of the request log on disk.", log.bytes)
        yield _gauge("microgate_log_segments", "Files of the request log.", log.segments)

    def _keys(self) -> Iterator[Metric]:
        healthy = GaugeMetricFamily(
            "microgate_provider_key_usable",
            "1 when a provider key can be chosen, 0 while it cools down or is disabled.",
            labels=["provider", "provider_key"],
        )
        for provider, key, usable in self._state.key_health():
            healthy.add_metric([provider, key or NONE], int(usable))
        yield healthy


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value)


def _by_worker(name: str, help_: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, labels=["worker"])


class Metrics:
    """Renders the whole page."""

    def __init__(self, state: ControlState) -> None:
        self._state = state
        self._registry = CollectorRegistry(auto_describe=False)
        self._collector = GatewayCollector(state)
        self._registry.register(self._collector)
        self.scrape_s = 0.0
        """How long the last rendering took."""

    async def page(self) -> bytes:
        cache = await self._cache()
        started = time.perf_counter()
        self._collector.cache = cache
        page = render(self._state.aggregates).encode() + generate_latest(self._registry)
        self.scrape_s = time.perf_counter() - started
        return page

    async def _cache(self) -> Figures | None:
        if not self._state.configuration.snapshot.settings.cache.enabled:
            return None
        try:
            return await CacheProcess(self._state.context.paths.cache_socket).figures()
        except NotAnswered:
            return None
