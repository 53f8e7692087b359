"""The first process: binds the sockets, starts the others, notices when one dies or freezes, stops them in order.

On SIGUSR2 it starts its own successor, which takes over sockets, lock and arena (``processes/upgrade.py``).

Single-threaded and without an event loop, so that forking is safe at any time. It holds no request and knows no
configuration; what must not be lost (listening sockets, the lock on the data directory) it keeps for as long as it
lives.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from gateway.processes import left_behind, logs, sink, steering
from gateway.processes.announce import announce, pending
from gateway.processes.children import Closable, describe_exit, signal_all
from gateway.processes.context import BootOptions, ServeOptions
from gateway.processes.first import BootProcess
from gateway.processes.handover import VARIABLE, HandoverError
from gateway.processes.heartbeat import DRAINING, SERVING, STARTING
from gateway.processes.holdings import Holdings
from gateway.processes.installation import StartError, refuse_a_mixture
from gateway.processes.instance import AlreadyRunning
from gateway.processes.kernel import name_process
from gateway.processes.launch import Launcher
from gateway.processes.limits import raise_open_files
from gateway.processes.listeners import ListenError
from gateway.processes.paths import DirectoryError, Paths, default_data_dir
from gateway.processes.predecessor import Predecessor
from gateway.processes.preload import preload
from gateway.processes.service import Service, answers
from gateway.processes.settings import Following, process_settings
from gateway.processes.signals import SignalPipe
from gateway.processes.slot import GONE, LIVE, SILENT, Slot
from gateway.processes.systemd import notify
from gateway.processes.upgrade import LOOK_S, Upgrade
from gateway.processes.watch import WatchClock

TICK_S = 0.25
"""How often workers are looked at when nothing happens; the heartbeat's own interval."""

STARTING_TICK_S = 0.002
"""While somebody starts: the time from ready to reachable."""

STOPPING_TICK_S = 0.02

STARTS_BEFORE_GIVING_UP = 3
"""Before anything was served. Later a crash loop only slows down, for the other workers go on serving."""

LISTEN_ANYWAY_S = 5.0
"""One worker that does not come up must not keep the ready ones from serving."""

KILL_AFTER_DRAIN_S = 2.0
"""Beyond the drain time: a worker that still runs then does not follow its own deadline."""

STOP_SERVICE_S = 10.0
"""For control to take in the last records and close its databases."""

LONGEST_LOOK_NS = 2 * int(TICK_S * 1e9)
"""A tick that took longer than this was slept through: see WatchClock."""

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})

log = logging.getLogger("microgate.supervisor")


@sink.installed()
def run(options: ServeOptions, boot: BootProcess) -> int:
    """Serve until told to stop; returns the exit status. Says on stderr why it cannot start. ``boot`` runs already."""
    logs.configure(options.log_level, "supervisor")
    predecessor = None
    try:
        predecessor = Predecessor.of(os.environ)
        os.environ.pop(VARIABLE, None)
        preload(options)
        supervisor = Supervisor(options, boot, predecessor)
    except (DirectoryError, AlreadyRunning, ListenError, HandoverError, StartError, OSError) as error:
        _complain(str(error), predecessor)
        return 1
    try:
        return supervisor.run()
    except StartError as error:
        if str(error):
            _complain(str(error), predecessor)
        return error.status
    finally:
        supervisor.close()


def _complain(why: str, predecessor: Predecessor | None) -> None:
    print(f"microgate: {why}", file=sys.stderr)
    if predecessor is not None:
        predecessor.failed(why)


class Supervisor:
    """One life of the gateway. Making it takes the lock and the port; ``run`` starts processes; ``close`` ends what is
    left of them."""

    def __init__(self, options: ServeOptions, boot: BootProcess, predecessor: Predecessor | None = None) -> None:
        refuse_a_mixture()
        self.options = options
        self.boot = boot
        self.predecessor = predecessor
        """Until nothing of it is left; None in an ordinary start."""
        name_process("microgate")
        self.open_files = raise_open_files()
        self.paths = Paths(options.data_dir or default_data_dir())
        self.signals = SignalPipe((signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2))
        self.holdings = predecessor.holdings(self.paths, options) if predecessor else Holdings.make(self.paths, options)
        self.listeners = self.holdings.listeners
        self.arena = self.holdings.arena
        self.upgrade = Upgrade(self.holdings, options)
        self.boot_options = BootOptions(
            config_file=options.config_file,
            host=options.host,
            port=self.listeners.port,
            workers=options.workers,
            demo=options.demo,
            demo_key=self.holdings.demo_key,
            handed_over=predecessor is not None,
            database=options.database,
        )
        private: list[Closable | None] = [self.signals, self.upgrade, predecessor]
        self.launcher = Launcher(options, self.boot_options, self.holdings, self.open_files, private)
        self.slots = [Slot(index, self.holdings.first_place + index) for index in range(options.workers)]
        self.standings = [GONE] * options.workers
        self.control, self.demo, self.cache = Service("control"), Service("demo"), Service("cache")
        wanted = (self.control, options.entries.control), (self.demo, options.demo), (self.cache, True)
        self.services = [service for service, named in wanted if named]
        self.configured = Following(self.paths)
        self.stopping = False
        self.hurried = False
        """A stop signal came while processes were being ended."""
        self.clock = WatchClock(LONGEST_LOOK_NS)
        self.started_ns = self.clock.now_ns()

    # -- start ---------------------------------------------------------------------------------------------------

    def run(self) -> int:
        """Boot, start, serve; returns the exit status. Raises StartError."""
        try:
            self.boot.go(self.paths.data_dir, asdict(self.boot_options))
            gc.collect()
            gc.freeze()
            self._await_boot()
            return self._serve()
        except StartError:
            if self.predecessor is not None:
                # Some of our workers may serve callers of the old gateway's by now.
                self._stop()
            raise

    def _serve(self) -> int:
        while True:
            now_ns = self._tick()
            arrived = self.signals.wait(self._pause_s(now_ns))
            if signal.SIGHUP in arrived and self.control.pid:
                os.kill(self.control.pid, signal.SIGHUP)
            if arrived & STOP_SIGNALS:
                return self._stop()
            if signal.SIGUSR2 in arrived:
                self.upgrade.begin()
            if self.upgrade.serves():
                # There is one writer of the databases: ours ends before the successor's begins.
                self.stopping = True
                self._end([self.control, self.cache], STOP_SERVICE_S)
                if self.hurried:
                    return self._stop()
                if self.upgrade.give():
                    return self._wind_up(signal.SIGUSR2)
                self.stopping = False

    def _await_boot(self) -> None:
        while (status := self.boot.poll()) is None:
            if self.signals.wait(TICK_S) & STOP_SIGNALS:
                raise StartError("stopped before it had started", 130)
        if status:
            # A boot that ended by itself has said why.
            code = os.waitstatus_to_exitcode(status)
            raise StartError("" if code > 0 else f"reading the configuration {describe_exit(status)}", max(1, code))
        settings = process_settings(self.paths)
        logs.follow(self.options.log_level, settings.log_level, settings.log_format, "supervisor")

    def _start_worker(self, slot: Slot, now_ns: int) -> None:
        last_beat = self.arena.status(slot.place)[2]
        slot.started(self.launcher.worker(slot.index), last_beat, now_ns)
        log.debug("worker %d started as process %d", slot.index, slot.pid)

    def _start_service(self, service: Service, now_ns: int) -> None:
        service.started(getattr(self.launcher, service.name)(), now_ns)
        log.debug("%s started as process %d", service.name, service.pid)

    # -- serve ---------------------------------------------------------------------------------------------------

    def _tick(self) -> int:
        """Look at everything once and do what is due; returns the time it took for now."""
        now_ns = self.clock.now_ns()
        logs.tend()
        self._reap(now_ns)
        for slot in self.slots:
            self._watch(slot, now_ns)
        self._start_due(now_ns)
        if not self.listeners.listening:
            self._listen_if_ready(now_ns)
        elif self.predecessor is not None:
            self._take_over(self.predecessor)
        standings = [slot.standing(now_ns) for slot in self.slots]
        for slot, was, standing in zip(self.slots, self.standings, standings, strict=True):
            if standing == SILENT and was == LIVE:
                log.warning("worker %d is silent: it gets no new connections until it is heard again", slot.index)
        self.standings = standings
        held = [self.arena.connections(slot.place) for slot in self.slots]
        if self._in_charge:
            self.listeners.steer(steering.balanced([standing == max(standings) for standing in standings], held))
        return now_ns

    @property
    def _in_charge(self) -> bool:
        """False while a predecessor still has the databases and the steering."""
        return self.predecessor is None or self.predecessor.over

    def _take_over(self, predecessor: Predecessor) -> None:
        """Say that we serve as soon as all workers do; then wait for the word, and for the old one's end."""
        if any(slot.failures >= STARTS_BEFORE_GIVING_UP for slot in self.slots) and not predecessor.over:
            raise StartError("its workers end as soon as they are started")
        if all(slot.state == SERVING for slot in self.slots):
            predecessor.serving()
        if predecessor.just_over():
            self.holdings.lock.sign()
            self._announce()
        if predecessor.is_settled(self.holdings):
            self.predecessor = None

    def _watch(self, slot: Slot, now_ns: int) -> None:
        slot.observe(self.arena.status(slot.place), now_ns)
        if slot.overdue(now_ns):
            log.error("worker %d gave no sign of life for %.1f s: killed", slot.index, slot.silence_ns(now_ns) / 1e9)
            os.kill(slot.pid, signal.SIGKILL)

    def _start_due(self, now_ns: int) -> None:
        for slot in self.slots:
            if not slot.pid and now_ns >= slot.restart_at_ns:
                try:
                    self._start_worker(slot, now_ns)
                except OSError as error:
                    log.warning("worker %d cannot be started: %s", slot.index, error)
                    slot.died(now_ns)
        for service in self.services:
            # Control's imports would compete with the workers for the processor until they serve.
            wanted = self._in_charge and (service is self.demo or self.listeners.listening)
            if service is self.cache and wanted:
                wanted = self.configured.now().cache.enabled
            if wanted and not service.pid and now_ns >= service.restart_at_ns:
                try:
                    self._start_service(service, now_ns)
                except OSError as error:
                    log.warning("%s cannot be started: %s", service.name, error)
                    service.died(now_ns)

    def _listen_if_ready(self, now_ns: int) -> None:
        ready = [slot.state == SERVING for slot in self.slots]
        if not any(ready):
            if all(slot.failures >= STARTS_BEFORE_GIVING_UP for slot in self.slots):
                raise StartError("no worker could be started; the lines above say why")
            return
        late = now_ns - self.started_ns > int(LISTEN_ANYWAY_S * 1e9)
        # The announced command is tried at once.
        if not late and self.options.demo and not answers(self.paths.demo_socket):
            return
        if all(up or slot.failures or late for up, slot in zip(ready, self.slots, strict=True)):
            self.listeners.listen()
            self.listeners.steer(list(map(int, ready)))  # not to those that may never serve
            self._announce()

    def _announce(self) -> None:
        told = ("", "") if self.predecessor else (self.holdings.demo_key, pending(self.paths.data_dir))
        announce(self.options, self.listeners.port, self.open_files, *told)
        notify("READY=1")

    def _pause_s(self, now_ns: int) -> float:
        """Until something is due; a signal (a child's death is one) ends the pause."""
        waited_for = STARTING if self.listeners.listening else SERVING
        if any(slot.pid and STARTING <= slot.state <= waited_for for slot in self.slots):
            return STARTING_TICK_S
        due = [slot.restart_at_ns for slot in self.slots if not slot.pid]
        due += [service.restart_at_ns for service in self.services if not service.pid and service is not self.cache]
        longest_s = LOOK_S if self.upgrade.pending or not self._in_charge else TICK_S
        return min([longest_s, *((at_ns - now_ns) / 1e9 for at_ns in due)])

    def _reap(self, now_ns: int) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if self.upgrade.successor.pid == pid:
                self.upgrade.ended(status)
            for slot in self.slots:
                if slot.pid == pid:
                    self._worker_ended(slot, status, now_ns)
            for service in self.services:
                if service.pid == pid:
                    service.died(now_ns)
                    self._report(service.name, status, service.restart_at_ns - now_ns)

    def _worker_ended(self, slot: Slot, status: int, now_ns: int) -> None:
        slot.died(now_ns)
        try:
            # Before a successor starts: what the dead one had reserved is posted, what it left half done is undone.
            posted = left_behind.post(self.arena, self.paths, slot.place, self.holdings.record_event_fd)
        except OSError as error:
            log.warning("reservations of worker %d could not be posted: %s", slot.index, error)
        else:
            if posted:
                log.info("posted %d reservations of worker %d", posted, slot.index)
        self._report(f"worker {slot.index}", status, slot.restart_at_ns - now_ns)

    def _report(self, name: str, status: int, wait_ns: int) -> None:
        # Sent to the whole group, a stop signal ends children before it is read here.
        if self.stopping or self.signals.has(STOP_SIGNALS) or (name == "cache" and not status):
            log.debug("%s %s", name, describe_exit(status))
        else:
            log.warning("%s %s; next start in %.2f s", name, describe_exit(status), wait_ns / 1e9)

    # -- stop ----------------------------------------------------------------------------------------------------

    def _stop(self) -> int:
        """Drain the workers, then control and demo; returns 0 when all ended by themselves in time. A second signal
        ends everything at once."""
        if self._in_charge:
            notify("STOPPING=1")
        self.upgrade.give_up()
        status = self._wind_up(signal.SIGTERM)
        if self.predecessor is None:
            self.paths.remove_affinities()
        return status

    def _wind_up(self, number: int) -> int:
        """``number`` tells workers how to drain: SIGUSR2 when a successor is there for their callers."""
        self.stopping = True
        timeout_s = process_settings(self.paths).drain_timeout
        log.info("stopping: %d workers have %.0f s to finish", sum(slot.pid > 0 for slot in self.slots), timeout_s)
        workers_ended = self._end([*self.slots, self.upgrade.successor], timeout_s + KILL_AFTER_DRAIN_S, number)
        self.listeners.close()
        # Only now: control takes in the workers' last records, and demo answers their last requests.
        services_ended = self._end(self.services, STOP_SERVICE_S if workers_ended else 0.0)
        return 0 if workers_ended and services_ended else 1

    def _end(self, members: Sequence[Slot | Service], seconds: float, number: int = signal.SIGTERM) -> bool:
        """Ask these processes to end; kill those that have not after ``seconds``, or at a stop signal (when they were
        asked for something milder, it is passed on first). True when none had to be killed."""
        signal_all(members, number)
        deadline_ns = time.monotonic_ns() + int(seconds * 1e9)
        killed = False
        while True:
            self._reap(self.clock.now_ns())
            if not any(member.pid for member in members):
                return not killed
            self._refuse_when_drained()
            if time.monotonic_ns() >= deadline_ns and not killed:
                killed = True
                signal_all(members, signal.SIGKILL)
            if self.signals.wait(STOPPING_TICK_S) & STOP_SIGNALS:
                self.hurried = True
                if number == signal.SIGTERM:
                    deadline_ns = 0
                else:
                    number = signal.SIGTERM
                    signal_all(members, number)

    def _refuse_when_drained(self) -> None:
        # A worker that drains has closed its copy of the socket; as long as this process holds one, callers could still
        # connect and would wait for nobody.
        for slot in self.slots:
            slot.observe(self.arena.status(slot.place), self.clock.now_ns())
        if all(not slot.pid or slot.state == DRAINING for slot in self.slots):
            self.listeners.close()

    def close(self) -> None:
        """Kill what still runs and give everything back."""
        self.stopping = True
        members: list[Slot | Service] = [*self.slots, *self.services, self.upgrade.successor]
        signal_all(members, signal.SIGKILL)
        for member in members:
            if member.pid:
                os.waitpid(member.pid, 0)
                member.pid = 0
        self.upgrade.close()
        self.signals.close()
        self.holdings.close()
