"""``microgate serve``: its options, as one table that the parser, the environment and ``--help`` share.

Parsed without a framework: importing click takes longer than binding the port and forking a worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from gateway.processes.context import LoopName, ServeOptions
from gateway.processes.first import BootProcess
from gateway.processes.logs import LEVELS

MOST_WORKERS = 256


class UsageError(Exception):
    """The command line is wrong; the message is for a person."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option: ``--NAME VALUE``, ``MICROGATE_NAME`` in the environment. The command line wins."""

    flag: str
    field: str
    """Of ServeOptions."""
    convert: Callable[[str], object] | None
    """Raises ValueError with the reason; None: a switch that takes no value."""
    metavar: str
    help: str

    @property
    def variable(self) -> str:
        return "MICROGATE_" + self.flag.removeprefix("--").replace("-", "_").upper()


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise ValueError("a number from 0 to 65535")
    return int(text)


def _workers(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MOST_WORKERS:
        raise ValueError(f"a number from 1 to {MOST_WORKERS}")
    return int(text)


def _level(text: str) -> str:
    if text.lower() not in LEVELS:
        raise ValueError(f"one of {', '.join(LEVELS)}")
    return text.lower()


def _path(text: str) -> str:
    if not text:
        raise ValueError("a path")
    return text


def _database(text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://", "sqlite:///")):
        raise ValueError("postgresql://USER:PASSWORD@HOST/NAME or sqlite:///PATH")
    return text


OPTIONS = (
    Option("--config", "config_file", _path, "FILE", "Configuration (YAML, JSON or TOML); optional."),
    Option("--host", "host", str, "ADDRESS", "Address to listen on.  [127.0.0.1]"),
    Option("--port", "port", _port, "PORT", "Port to listen on; 0 takes a free one.  [8080]"),
    Option("--workers", "workers", _workers, "N", "Worker processes.  [1]"),
    Option("--data-dir", "data_dir", _path, "DIR", "Where keys, databases and logs lie.  [the user's state directory]"),
    Option("--database", "database", _database, "URL", "postgresql://...; else SQLite in the data directory."),
    Option("--request-log", "request_log", _database, "URL", "postgresql://...; else files in the data directory."),
    Option("--demo", "demo", None, "", "Add a built-in provider and print a key for it."),
    Option("--log-level", "log_level", _level, "LEVEL", f"One of {', '.join(LEVELS)}.  [log.level, else info]"),
)

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


def parse(arguments: Sequence[str], environ: Mapping[str, str]) -> ServeOptions:
    """Options from the command line, else from the environment. Raises UsageError."""
    values: dict[str, object] = {}
    for option in OPTIONS:
        text = environ.get(option.variable)
        if text is not None:
            _set(values, option, text, option.variable)
    by_flag = {option.flag: option for option in OPTIONS}
    rest = list(arguments)
    while rest:
        flag, has_value, value = rest.pop(0).partition("=")
        found = by_flag.get(flag)
        if found is None:
            raise UsageError(f"unknown option {flag}; see microgate serve --help")
        if found.convert is None:
            if has_value:
                raise UsageError(f"{flag} takes no value")
            values[found.field] = True
            continue
        if not has_value:
            if not rest:
                raise UsageError(f"{flag} needs a value")
            value = rest.pop(0)
        _set(values, found, value, flag)
    if environ.get("MICROGATE_LOOP"):
        values["loop"] = _loop(environ["MICROGATE_LOOP"])
    return ServeOptions(**cast("dict[str, Any]", values))


def _set(values: dict[str, object], option: Option, text: str, source: str) -> None:
    if option.convert is None:
        if text.lower() not in _TRUE | _FALSE:
            raise UsageError(f"{source}: {text!r} is neither yes nor no")
        values[option.field] = text.lower() in _TRUE
        return
    try:
        values[option.field] = option.convert(text)
    except ValueError as error:
        # A URL may hold a password, and this line goes into a log.
        shown = "the value" if option.convert is _database else repr(text)
        raise UsageError(f"{source}: {shown} is not {error}") from None


def _loop(text: str) -> LoopName:
    # For machines on which uvloop misbehaves; not worth an option.
    if text not in ("uvloop", "asyncio"):
        raise UsageError(f"MICROGATE_LOOP: {text!r} is not one of uvloop, asyncio")
    return cast("LoopName", text)


def usage() -> str:
    """The text of ``microgate serve --help``."""
    lines = [
        "Usage: microgate serve [OPTIONS]",
        "",
        "Run the gateway until SIGTERM or Ctrl-C. SIGHUP reloads the configuration, SIGUSR2 upgrades.",
        "",
        "Options (each also as MICROGATE_... in the environment, MICROGATE_DATA_DIR for --data-dir):",
    ]
    lines += [f"  {f'{option.flag} {option.metavar}':<20} {option.help}" for option in OPTIONS]
    lines.append(f"  {'--help':<20} Show this and exit.")
    return "\n".join(lines)


def main(arguments: Sequence[str], boot: BootProcess) -> int:
    """Serve; returns the exit status. ``boot`` is the boot process, started already."""
    try:
        options = parse(arguments, os.environ)
    except UsageError as error:
        print(f"microgate: {error}", file=sys.stderr)
        return 2
    # Only now: a mistyped option is answered before anything else is imported.
    status: int = import_module("gateway.supervisor").run(options, boot)
    return status
