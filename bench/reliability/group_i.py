"""Administration: what the API promises to whoever writes a program against it."""

from __future__ import annotations

import json
import statistics

from bench.load.result import DIRECTORY
from bench.reliability.figures import Outcome, figure
from bench.reliability.guards import guarded

PAGES = "tests/ui/test_pages.py"
WEB = "tests/control/test_web.py"
CROSS_SITE = "tests/control/test_cross_site.py"
STRANGERS = "tests/ui/test_observe.py"
DOOR = "tests/test_admin_door.py"
KEYS = "tests/live/test_virtual_keys_api.py"
AUDIT = "tests/live/test_audit.py"
READ_ONLY = "tests/ui/test_read_only.py"
EXPORT = "tests/control/test_logs_api.py"
LEDGER = "tests/stores/test_ledger_contract.py"
PAGE_MS, P99_RATIO = 2000.0, 1.1


@figure("I1", guard=PAGES)
def policy(quick: bool) -> Outcome:
    """Every page in a browser that reports each violation."""
    return guarded(PAGES, f"{WEB}::test_a_page_carries_a_policy_of_its_own", quick=quick)


@figure("I2", guard=CROSS_SITE)
def forgery(quick: bool) -> Outcome:
    """Every route that changes something, from other sites and as forms."""
    return guarded(CROSS_SITE, f"{DOOR}::test_no_other_page_speaks_for_a_browser", quick=quick)


@figure("I3", guard=STRANGERS)
def scripts(quick: bool) -> Outcome:
    """Payloads wherever a caller writes, looked at in a browser."""
    return guarded(f"{STRANGERS}::test_what_strangers_write_is_text", quick=quick)


@figure("I4", guard=DOOR)
def names(quick: bool) -> Outcome:
    """Names of others in ``Host``."""
    tests = (f"{DOOR}::test_a_name_that_somebody_else_owns_is_none_of_ours", "tests/live/test_operators.py")
    return guarded(*tests, quick=quick)


@figure("I5", guard=KEYS)
def shown_once(quick: bool) -> Outcome:
    """A virtual key after it was made."""
    return guarded(f"{KEYS}::test_a_key_serves_when_the_answer_is_there_and_is_shown_once", quick=quick)


@figure("I6", guard=AUDIT)
def audited(quick: bool) -> Outcome:
    """Every writing route, and what it leaves behind."""
    logins = "tests/control/test_operators.py::test_every_change_leaves_a_row_without_secrets"
    return guarded(AUDIT, logins, quick=quick)


@figure("I7", guard=LEDGER)
def heavy(quick: bool) -> Outcome:
    """Taken over from ``python -m bench.run observe``, which needs twenty minutes to write its rows."""
    document = json.loads((DIRECTORY / "observe.json").read_text())
    slowest = {name: max(seen["most_ms"] for seen in document[name].values()) for name in ("pages", "reports")}
    filled, ratio = document["filled"], document["p99_ratio"]
    p99 = {name: statistics.median(seen["p99_us"] for seen in rounds) for name, rounds in document["rounds"].items()}
    values = {
        "rows of the log": filled["rows"],
        "rows of the ledger": filled["ledger_rows"],
        "slowest page of the log, ms": slowest["pages"],
        "slowest report on the ledger, ms": slowest["reports"],
        "p99 of callers, us": p99["closed"],
        "with a dashboard open and searches running": p99["open"],
        "times": ratio,
        "times of the gateway's own time in a request": document["own_p99_ratio"],
    }
    note = (
        "The machine has two processors; searches keep the one busy on which callers and provider are as well, and do "
        "not reach the other one, on which the worker is."
    )
    return Outcome(values, max(slowest.values()) <= PAGE_MS and ratio <= P99_RATIO, note)


@figure("I8", guard=WEB)
def files(quick: bool) -> Outcome:
    """Paths and ranges."""
    tests = ("test_no_other_path_leads_anywhere", "test_ranges_are_not_offered_however_many_are_asked_for")
    return guarded(*(f"{WEB}::{name}" for name in tests), quick=quick)


@figure("I9", guard=EXPORT)
def cells(quick: bool) -> Outcome:
    """Formulas in an export."""
    return guarded(f"{EXPORT}::test_no_cell_is_a_formula", quick=quick)


@figure("I10", guard=READ_ONLY)
def read_only(quick: bool) -> Outcome:
    """An instance over a file that its processes may not write."""
    tests = "tests/stores/test_sqlite_database.py::test_a_file_that_may_not_be_written_is_read"
    return guarded(READ_ONLY, tests, quick=quick)


@figure("I11", guard="tests/live/test_openapi.py")
def contract(quick: bool) -> Outcome:
    """Every operation of the OpenAPI document, with data that fits it and data that does not."""
    return guarded("tests/live/test_openapi.py", quick=quick)
