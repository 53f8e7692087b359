from __future__ import annotations

from gateway.loadgen.report import Report, Tally


def _report(tally: Tally, sending: float = 10.0) -> Report:
    return Report(tally, 100.0, 10.0, sending, 20.0, 5, 5)


def _tally(sent: int, late: int = 0) -> Tally:
    tally = Tally(sent=sent, completed=sent, late_count=late)
    tally.latency.record(1500)
    return tally


def test_a_run_on_time_counts() -> None:
    assert _report(_tally(1000, late=50)).void == ""


def test_a_late_run_is_void() -> None:
    assert "5.1% of the requests" in _report(_tally(1000, late=51)).void


def test_a_run_that_took_too_long_is_void() -> None:
    assert _report(_tally(1000), sending=10.6).void == "sending took 10.60 s instead of 10.00 s"


def test_nothing_sent_is_void() -> None:
    assert _report(Tally()).void == "nothing was sent"


def test_text_and_json_name_what_failed() -> None:
    tally = _tally(10)
    tally.failures["status 500"] = 3
    report = _report(tally)
    assert report.failed == 3
    assert "failed: 3 x status 500" in report.as_text()
    assert report.as_json()["failures"] == {"status 500": 3}
    assert "VOID" not in report.as_text()
    assert "VOID: nothing was sent" in _report(Tally()).as_text()
