"""``microgate import litellm|bifrost``: a configuration of ours out of another gateway's, and a report of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from gateway.cli.importing import bifrost, litellm, reading
from gateway.cli.importing.report import Fate
from gateway.cli.importing.tables import Job
from gateway.config.problems import ConfigError

EXIT_ALL = 0
EXIT_FAILED = 1
EXIT_SOME = 2

_HEAD = "# Made by `microgate import {product} {name}`. What has no equivalent here stands in its report.\n"


def run(
    product: str,
    file: str,
    output: str,
    form: str,
    keys: str,
    out: TextIO,
    environ: Mapping[str, str] = os.environ,
) -> int:
    """Import ``file``; write the configuration to ``output``, else to ``out``, and the report beside it.

    Returns 0 when every setting was carried over, 2 when some have no equivalent, 1 when nothing was written.
    """
    try:
        if product == "litellm":
            document, included = reading.with_included(file)
            job = litellm.take_over(document, included, reading.table(keys) if keys else [])
        else:
            job = bifrost.take_over(reading.document(file))
        text = job.draft.text(_HEAD.format(product=product, name=Path(file).name))
        directory = os.path.dirname(os.path.abspath(output or file))
        for problem in job.draft.check(directory, environ):
            job.report.remark(problem.render("").removeprefix(": "))
    except reading.Unreadable as error:
        print(f"microgate: {error}", file=sys.stderr)
        return EXIT_FAILED
    except ConfigError as error:
        print("microgate: what came of it could not be used:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem.render('')}", file=sys.stderr)
        return EXIT_FAILED
    _variables(job, environ)
    if output:
        try:
            _write(output, text)
        except OSError as error:
            print(f"microgate: {output} cannot be written: {error.strerror}", file=sys.stderr)
            return EXIT_FAILED
    else:
        out.write(text)
    report = job.report.json() if form == "json" else job.report.text()
    # The configuration goes to standard output when no file is named; the report must not stand in it.
    print(report, file=out if output else sys.stderr)
    if form != "json":
        counts = ", ".join(f"{job.report.count(fate)} {fate.value}" for fate in Fate)
        print(f"{output or 'configuration'}: {counts}", file=out if output else sys.stderr)
    return EXIT_ALL if job.report.complete else EXIT_SOME


def _variables(job: Job, environ: Mapping[str, str]) -> None:
    unset = [name for name in job.draft.variables if not environ.get(name)]
    if unset:
        job.report.remark(f"variables to set before the gateway is started: {', '.join(sorted(unset))}")


def _write(path: str, text: str) -> None:
    """Whole or not at all, for its owner alone: there may be secrets in it."""
    temporary = f"{path}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)
