"""Log lines: one line an event on stderr, as text for people or JSON for machines. None waits for who reads them.

Values of keys and bodies never go through here. Further fields: ``logger.info("...", extra={"fields": {...}})``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time

from gateway.processes.sink import standard_error

FORMAT_VARIABLE = "MICROGATE_LOG_FORMAT"

LEVELS = ("debug", "info", "warning", "error")


class TextFormatter(logging.Formatter):
    """``2026-01-31 12:00:00.123 info  worker-0 message key=value``"""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        parts = [f"{stamp}.{int(record.msecs):03d} {record.levelname.lower():<7} {self._process} {one_line(record)}"]
        parts.extend(f"{name}={value}" for name, value in _fields(record).items())
        return _escape(" ".join(parts))


class JsonFormatter(logging.Formatter):
    """``{"time": "...Z", "level": "info", "process": "worker-0", "message": "...", ...}``"""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        row: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "process": self._process,
            "logger": record.name,
            "message": one_line(record),
        }
        row.update(_fields(record))
        return json.dumps(row, default=str)


def one_line(record: logging.LogRecord) -> str:
    """The message, with a traceback (if any) folded into it."""
    message = record.getMessage()
    if record.exc_info and record.exc_info[0] is not None:
        message = f"{message}: {logging.Formatter().formatException(record.exc_info)}"
    return message


def _fields(record: logging.LogRecord) -> dict[str, object]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, dict) else {}


def _escape(line: str) -> str:
    # A caller's bytes may reach a message; a raw line end in one would forge a second log line.
    return line.replace("\r", "\\r").replace("\n", "\\n")


def configure(level: str, process: str, style: str | None = None) -> logging.Logger:
    """Send this process's log lines to stderr and return the logger ``microgate``.

    ``level`` may be empty: info. ``style`` is ``text`` or ``json``; MICROGATE_LOG_FORMAT goes before it. Called again
    (after a fork, or with other settings) it replaces what an earlier call set up. Raises ValueError for an unknown
    level.
    """
    level = level or "info"
    if level not in LEVELS:
        raise ValueError(f"unknown log level {level!r}: one of {', '.join(LEVELS)}")
    style = os.environ.get(FORMAT_VARIABLE) or style or "text"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(process) if style == "json" else TextFormatter(process))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak up from warning on; our own lines follow the level asked for.
    root.setLevel(logging.WARNING)
    logger = logging.getLogger("microgate")
    logger.setLevel(getattr(logging, level.upper()))
    # Every record would otherwise ask for the thread's, process's and task's name, which no line prints.
    logging.logThreads = False
    logging.logProcesses = False
    logging.logMultiprocessing = False
    return logger


def follow(option: str, level: str, style: str, process: str) -> None:
    """Log as the configuration says (``log.level``, ``log.format``), unless the command line or the environment does:
    ``option`` is ``--log-level``, empty when it was not given."""
    configure(option or level, process, style)


def tend() -> int:
    """Now and then: write lines that have waited for their reader and, once all are out, say how many were lost.
    Returns how many this process has lost so far."""
    sink = standard_error()
    if sink is None:
        return 0
    lost = sink.losses()
    if lost:
        logging.getLogger("microgate.log").warning("%d log lines were lost: nobody took them in time", lost)
    return sink.lost
