"""The first snapshot: file checked, combined with what the database last contributed, written; then this process ends.

It imports msgspec and the YAML reader, nothing heavier: the first request waits for it. The control process makes every
later snapshot with the same ``make``.

A file with a mistake never starts the gateway, not even when a sealed copy of an earlier configuration exists: an
operator who changed the file must not be served by the old one unawares. ``MICROGATE_LAST_GOOD=1`` asks for exactly
that. A running gateway keeps its configuration when a changed file is wrong.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from _speedups._bucket import Arena
from gateway import admin_token
from gateway.admin_token import AdminTokenError
from gateway.config.loader import Loaded, load
from gateway.config.problems import ConfigError
from gateway.config.schema import Config
from gateway.config.validate import validate
from gateway.operators import setup_secret
from gateway.processes.context import BootOptions
from gateway.processes.handover import complain
from gateway.processes.paths import Paths
from gateway.secrets import master_key
from gateway.secrets.master_key import MasterKeyError
from gateway.snapshot import store
from gateway.snapshot.build import Built, provision, release
from gateway.snapshot.demo import with_demo
from gateway.snapshot.entities import Entities, Merged, merge
from gateway.snapshot.model import Snapshot
from gateway.snapshot.plan import Plan, combine, plan
from gateway.snapshot.store import Keys, StoreError
from gateway.snapshot.stored_settings import under_stored, with_stored

LAST_GOOD = "MICROGATE_LAST_GOOD"
"""Environment variable: 1 starts from the sealed copy when the file cannot be used."""

EXIT_FAILED = 1
EXIT_CONFIG = 2


@dataclass(frozen=True, slots=True)
class Made:
    """A snapshot that can be published, and what it was made from."""

    built: Built
    plan: Plan
    """To be sealed once the workers have confirmed the snapshot."""
    config: Config | None
    """None when it was made from the sealed copy."""
    warnings: tuple[str, ...] = ()
    loaded: Loaded | None = None
    """The file alone."""
    merged: Merged | None = None
    """The file and the database; None while the database could not be asked."""


def prepare(options: BootOptions, paths: Paths, environ: Mapping[str, str] = os.environ) -> int:
    """Write the first snapshot and its table and point ``paths.current`` at it.

    Returns 0, or the exit status after saying on stderr what is wrong: 2 for a configuration that cannot be used, 1
    for a directory, key file or arena that cannot.
    """
    if options.handed_over:
        return check(options, paths, environ)
    try:
        # Where there is a key file there was a start before.
        if not os.path.exists(paths.key_file):
            setup_secret.create(paths.data_dir)
        # Workers read it when they start, before there is a control process.
        admin_token.load_or_create(paths.data_dir)
        arena = Arena.attach(paths.arena)
        try:
            previous = store.current(paths)
            if not arena.filled:
                _empty(arena)
            made = make(options, paths, arena, previous, environ, restart=True)
            snapshot = made.built.snapshot
            if not arena.filled and not _fill(options, paths, arena, made.plan):
                snapshot = msgspec.structs.replace(snapshot, unknown_before_us=time.time_ns() // 1000)
            store.publish(paths, snapshot)
            store.remove_old(paths, (made.built.snapshot,))
            release(arena, made.built.retired)
        finally:
            arena.close()
        refuse_without_keys(paths.data_dir, made.loaded.config if made.loaded is not None else Config(), environ)
    except ConfigError as exc:
        for problem in exc.problems:
            print(f"microgate: {problem.render(exc.source)}", file=sys.stderr)
        if store.sealed_head(paths.sealed)[1]:
            print(f"microgate: {LAST_GOOD}=1 starts from the configuration that last worked", file=sys.stderr)
        return EXIT_CONFIG
    except MasterKeyError as exc:
        print(f"microgate: {exc}", file=sys.stderr)
        return EXIT_FAILED
    except (AdminTokenError, StoreError, OSError, ValueError) as exc:
        print(f"microgate: cannot prepare the configuration: {exc}", file=sys.stderr)
        return EXIT_FAILED
    for warning in made.warnings:
        print(f"microgate: {warning}", file=sys.stderr)
    return 0


def _empty(arena: Arena) -> None:
    """A boot that was killed may have filled some limits; one that could not read the ledger has left others to be
    counted from nothing. Whatever they counted is in the ledger by now, or on its way there."""
    for place in range(arena.workers):
        if arena.status(place)[0]:
            arena.replay(place)
    arena.clear()


def _fill(options: BootOptions, paths: Paths, arena: Arena, whole: Plan) -> bool:
    """Put into a new arena what was spent before; False when nobody can say it now."""
    if options.database or os.path.exists(paths.control_db):
        # Here and not above: an ordinary start finds the arena as it was.
        from gateway.control.refill import refill, waiting_rows
        from gateway.stores.protocols import StoreUnavailable
        from gateway.stores.sql_ledger import SqlLedger
        from gateway.stores.urls import UnknownStore, open_database, sqlite_url

        try:
            database = open_database(options.database or sqlite_url(paths.control_db))
            try:
                refill(arena, whole, SqlLedger(database), waiting_rows(paths))
            finally:
                database.close()
        except (StoreUnavailable, UnknownStore) as error:
            print(f"microgate: what budgets have spent is not known yet: {error}", file=sys.stderr)
            return False
    arena.set_filled()
    return True


def refuse_without_keys(data_dir: str, config: Config, environ: Mapping[str, str]) -> None:
    """Raises MasterKeyError when something is encrypted with a master key that is not there."""
    if master_key.used(data_dir):
        master_key.load(data_dir, config.secrets.master_keys, config.secrets.master_key_command, environ, create=False)


def check(options: BootOptions, paths: Paths, environ: Mapping[str, str] = os.environ) -> int:
    """Before an upgrade: whether this version can read the file, and the snapshot that the running one serves from.
    Nothing is written, for the running one is its only builder until it has ended. Returns as ``prepare``."""
    try:
        if options.config_file is not None and environ.get(LAST_GOOD) != "1":
            load(options.config_file, environ)
        path = paths.current_snapshot()
        if path is None:
            raise StoreError("the running version has no snapshot")
        store.read(path)
    except ConfigError as exc:
        why = "\n".join(problem.render(exc.source) for problem in exc.problems)
        status = EXIT_CONFIG
    except (StoreError, OSError, ValueError) as exc:
        why, status = f"{exc}: restart it instead", EXIT_FAILED
    else:
        return 0
    print(f"microgate: {why}", file=sys.stderr)
    complain(environ, why)
    return status


def make(
    options: BootOptions,
    paths: Paths,
    arena: Arena,
    previous: Snapshot | None,
    environ: Mapping[str, str] = os.environ,
    *,
    restart: bool = False,
    entities: Callable[[Config], Entities | None] | None = None,
    loaded: Loaded | None = None,
) -> Made:
    """Read the file, add the demo and what the database has, give everything its slots and table.

    ``entities`` gives those of the database, for what the file says of secrets; without them the sealed copy says what
    it had. ``loaded`` is the file as it was read before.

    Nothing is published. Raises ConfigError, StoreError or OSError; then nothing has changed for the workers.
    """
    collecting = gc.isenabled()
    # Everything made here is kept until the end, and there are no cycles in it: looking for garbage costs a third more.
    gc.disable()
    try:
        return _make(options, paths, arena, previous, environ, restart, entities, loaded)
    finally:
        if collecting:
            gc.enable()


def _make(
    options: BootOptions,
    paths: Paths,
    arena: Arena,
    previous: Snapshot | None,
    environ: Mapping[str, str],
    restart: bool,
    entities: Callable[[Config], Entities | None] | None,
    loaded: Loaded | None,
) -> Made:
    keys = store.load_or_create_keys(paths.key_file)
    entities_sealed, sealed_version = store.sealed_head(paths.sealed)
    warnings: list[str] = []
    merged: Merged | None = None
    try:
        if loaded is None:
            loaded = load(options.config_file, environ) if options.config_file is not None else Loaded(Config(), "")
    except ConfigError:
        if environ.get(LAST_GOOD) != "1" or not sealed_version:
            raise
        whole = _unseal(paths, keys)
        warnings.append(
            f"warning: {options.config_file} cannot be used; starting from the configuration that last worked, as "
            f"{LAST_GOOD}=1 asks. `microgate check {options.config_file}` says what is wrong"
        )
    else:
        warnings += [problem.render(loaded.source) for problem in loaded.warnings]
        warnings += _overruled(loaded.config, options)
        found = entities(loaded.config) if entities is not None else None
        if found is not None:
            merged = merge(loaded.config, found, validate, keys.pepper)
            warnings += [f"warning: {left.label} of the database is left out: {left.why}" for left in merged.left_out]
            whole = with_stored(plan(merged.config, keys.pepper), merged.settings)
        elif entities_sealed:
            sealed = _unseal(paths, keys)
            whole = combine(plan(under_stored(loaded.config, sealed), keys.pepper), sealed)
        else:
            whole = plan(loaded.config, keys.pepper)
    if options.demo:
        whole = with_demo(whole, paths.demo_socket, options.demo_key, keys.pepper)
    version = max(previous.version if previous is not None else 0, sealed_version) + 1
    built = provision(
        whole,
        pepper=keys.pepper,
        paths=paths,
        arena=arena,
        version=version,
        created_ns=time.time_ns(),
        previous=previous,
        restart=restart,
    )
    config = merged.config if merged is not None else loaded.config if loaded is not None else None
    warnings += built.warnings
    return Made(built, whole, config, tuple(warnings), loaded, merged)


def _overruled(config: Config, options: BootOptions) -> list[str]:
    """The port is bound before the file is read, so the command line decides; a file that says otherwise is told so."""
    used = {"host": options.host, "port": options.port, "workers": options.workers}
    given = {name: getattr(config.server, name) for name in used}
    return [
        f"warning: server.{name} is {given[name]} in {options.config_file}, but --{name} decides, and it is {value}"
        for name, value in used.items()
        if given[name] not in (None, value)
    ]


def _unseal(paths: Paths, keys: Keys) -> Plan:
    # Here and not above: cryptography takes longer to import than the rest of a start.
    from gateway.snapshot.sealing import unseal

    return unseal(paths.sealed, keys.sealing)[0]
