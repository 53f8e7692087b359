"""What ``microgate cache stats`` and ``explain`` print; against a real gateway: tests/live/test_cache_commands.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cache
from gateway.cli.cache import size, span
from gateway.cli.commands import cli
from gateway.cli.running import Unreachable
from tests.cli.played_gateway import KEY, Played, error, explained
from tests.ports import free_port

SUMS = {
    "lookups": 12000, "exact": 6000, "similar": 0, "joined": 3000, "missed": 3000, "exact_rate": 0.5,
    "similar_rate": 0.0, "joined_rate": 0.25, "kept": 3000, "would_hit": 4, "saved_usd": "1.500000007",
    "saved_s": 7325.0,
}  # fmt: skip
NOTHING = {**dict.fromkeys(SUMS, 0), "exact_rate": None, "similar_rate": None, "joined_rate": None, "saved_usd": "0.00"}
REPORT: dict[str, Any] = {
    "settings": {
        "enabled": True, "ttl_s": 3600.0, "scope": "team", "store": "",
        "semantic": {"mode": "shadow", "embedder": "a/b", "error_bound": 0.02},
    },
    "running": True,
    "problem": "",
    "store": {
        "kind": "lmdb", "ok": True, "problem": "", "notes": ["[a note]"], "entries": 1234, "bytes": 5 << 20,
        "max_bytes": 1 << 30,
    },
    "lost": 2,
    "totals": SUMS,
    "days": [{"day": f"2026-11-{day:02}", "sums": NOTHING} for day in range(28, 0, -1)],
    "semantic": {
        "mode": "shadow",
        "embedder": "a/b",
        "problem": "",
        "indexes": {
            "384": {"ok": True, "problem": "", "entries": 7700, "bytes": 3 << 20, "notes": []},
            "768": {"ok": False, "problem": "[damaged]", "entries": None, "bytes": 10, "notes": ["a note"]},
        },
        "lookups": 1544,
        "would_be_hits": 62,
        "audited": 60,
        "wrong": 19,
        "wrong_per_hit": 0.31666666666666665,
        "wrong_per_hit_upper": 0.45,
        "wrong_per_lookup_upper": 0.0181,
        "observations": 0,
        "compared": 377,
        "curve": [
            {"threshold": threshold, "plain_hits": plain, "plain_wrong": 20, "hits": 1900, "wrong": 3}
            for threshold, plain in ((0.6, 9), (0.9, 2000), (1.0, 0))
        ],
    },
}  # fmt: skip


def stats(monkeypatch: pytest.MonkeyPatch, told: Any, *more: str) -> Result:
    def ask(data_dir: str, method: str, path: str, body: object) -> Any:
        assert (data_dir, method, path, body) == ("somewhere", "GET", "/api/cache", None)
        if isinstance(told, Exception):
            raise told
        return told

    monkeypatch.setattr(cache, "ask", ask)
    return CliRunner().invoke(cli, ["cache", "stats", "--data-dir", "somewhere", *more])


def test_stats(monkeypatch: pytest.MonkeyPatch) -> None:
    done = stats(monkeypatch, REPORT)
    assert done.exit_code == 0
    lines = [line.rstrip() for line in done.output.splitlines()]
    assert lines[0] == "store    lmdb: 1,234 answers and questions, 5.0 MiB of 1.0 GiB"
    assert lines[1] == "         [a note]"
    assert lines[2] == "answers  kept for 1 h, shared by team; 2 lost"
    assert lines[3].split() == ["look-ups", "exact", "similar", "joined", "missed", "saved", "USD", "saved", "time"]
    days = [line for line in lines if line.startswith("2026-11-")]
    assert (len(days), days[0].split()) == (cache.DAYS_SHOWN, ["2026-11-28", "0", "0", "0", "0", "0", "0.00", "0", "s"])
    total = next(line for line in lines if line.startswith("in all"))
    assert total.split()[2:] == [
        "12,000", "6,000", "(50.0%)", "0", "(0.0%)", "3,000", "(25.0%)", "3,000", "1.500000007", "2", "h", "2", "min",
    ]  # fmt: skip
    assert lines[-9:-2] == [
        "similar questions: shadow, by a/b",
        "  7,700 vectors of 384 dimensions, 3.0 MiB",
        "  vectors of 768 dimensions, 10 B",
        "    [damaged]",
        "    a note",
        "  looked up 1,544, near enough 62",
        (
            "  asked afresh and compared 60: 19 wrong (31.7%, with 95 % confidence at most 45.0%); of all look-ups at "
            "most 1.81%"
        ),
    ]
    assert lines[-2].split() == ["threshold", "hits", "without", "guard", "wrong", "hits", "with", "guard", "wrong"]
    assert lines[-1].split() == ["0.90", "2,000", "20", "1,900", "3"]
    assert json.loads(stats(monkeypatch, REPORT, "--json").output) == REPORT


def test_stats_of_verified_mode_and_of_nothing_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = REPORT["settings"] | {"semantic": REPORT["settings"]["semantic"] | {"mode": "verified"}}
    told = stats(monkeypatch, REPORT | {"settings": settings}).output
    assert "similar questions: verified, by a/b" in told
    assert "looked up 1,544, learned from 0 comparisons, sure enough 62" in told
    assert "of all look-ups at most 1.81%, bound 2.00%" in told
    semantic = REPORT["semantic"] | {"audited": 0, "curve": [], "indexes": {}, "problem": "a/b does not embed"}
    told = stats(monkeypatch, REPORT | {"semantic": semantic}).output
    assert told.splitlines()[-3:] == [
        "  a/b does not embed", "  looked up 1,544, near enough 62", "  asked afresh and compared none so far",
    ]  # fmt: skip
    told = stats(monkeypatch, REPORT | {"semantic": None}).output
    assert told.startswith("store    lmdb: 1,234 answers, ")
    assert "similar questions" not in told


def test_stats_of_what_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    off = {**REPORT, "settings": {**REPORT["settings"], "enabled": False}, "running": False}
    away = {**REPORT, "running": False, "problem": "the cache process is away"}
    for told, why in (
        (off, "no cache is configured (cache.enabled)"),
        (away, "the cache process is away"),
        (Unreachable("no gateway answers in somewhere: start it first"), "no gateway answers in somewhere"),
    ):
        done = stats(monkeypatch, told)
        assert (done.exit_code, done.stdout) == (1, "")
        assert why in done.stderr
    assert stats(monkeypatch, away, "--json").exit_code == 1


def test_clear_asks_before_all_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def ask(data_dir: str, method: str, path: str, body: object) -> Any:
        assert (data_dir, method, path) == ("", "POST", "/api/cache/clear")
        asked.append(body)
        return {"forgotten": 1234, "note": "a note" if body else ""}

    monkeypatch.setattr(cache, "ask", ask)
    environment = {"MICROGATE_DATA_DIR": ""}

    def run(*more: str, said: str = "") -> Result:
        return CliRunner().invoke(cli, ["cache", "clear", *more], input=said, env=environment)

    assert run(said="n\n").exit_code == 1
    assert asked == []
    assert run(said="y\n").output.endswith("1,234 forgotten: answers, and questions kept beside them\n")
    assert run("--yes").output == "1,234 forgotten: answers, and questions kept beside them\n"
    named = run("--team", "red", "--partition", "p")
    assert named.output == "1,234 forgotten: answers, and questions kept beside them\na note\n"
    assert asked == [{}, {}, {"team": "red", "partition": "p"}]


def explain(url: str, *arguments: str, said: bytes = b"", key: str = KEY) -> Result:
    environment = {"MICROGATE_KEY": key, "MICROGATE_URL": url}
    return CliRunner().invoke(cli, ["cache", "explain", *arguments], input=said, env=environment)


BODY = b'{"model": "m", "messages": []}'


def test_explain(played: Played, tmp_path: Path) -> None:
    done = explain(played.url, "-", said=BODY)
    assert (done.exit_code, [sent.wish for sent in played.sent]) == (0, ["explain"])
    assert done.output.splitlines() == [
        "verdict    miss",
        "request    m, chat, openai_chat",
        "key        aa bb",
        "shared by  key",
        "leads to   mock/m",
        "exact      none is kept",
        'canonical  {"model": "m", "messages": []}',
    ]
    played.known.add(BODY)
    file = tmp_path / "request.json"
    file.write_bytes(b'{"path": "/v1/chat/completions", "body": ' + BODY + b"}")
    done = explain(played.url, str(file))
    assert "exact      0.01 s old, 2 B, by mock/m, 7 + 2 tokens" in done.output.splitlines()
    assert json.loads(explain(played.url, str(file), "--json").output)["exact"]["provider"] == "mock"


def test_explain_tells_of_similar_questions(played: Played) -> None:
    similar = {
        "mode": "threshold", "hit": True,
        "nearest": [{"similarity": 0.98, "guard": "", "decision": "hit"}, {"similarity": 0.9, "guard": "number"}],
    }  # fmt: skip
    played.says = lambda sent: (
        200,
        {},
        json.dumps({**explained(sent, False), "verdict": "hit-similar", "similar": similar}).encode(),
    )
    lines = explain(played.url, "-", said=BODY).output.splitlines()
    assert lines[0] == "verdict    hit-similar"
    assert "similar    mode: threshold" in lines
    at = next(place for place, line in enumerate(lines) if line.split() == ["similarity", "guard", "decision"])
    assert lines[at + 1].split() == ["0.98", "hit"]
    assert lines[at + 2].split() == ["0.9", "number"]


def test_what_cannot_be_explained_is_named(played: Played, tmp_path: Path) -> None:
    for arguments, said, status, why in (
        (("-",), b"{}", 2, "neither a chat body"),
        (("-",), b"", 2, "truncated"),
        ((str(tmp_path / "none"),), b"", 2, "No such file"),
        (("-", "--key", "sk-wrong"), BODY, 1, "The key is not known here."),
        (("-", "--url", f"http://127.0.0.1:{free_port()}"), BODY, 1, "no gateway answers"),
        (("-", "--url", "nowhere"), BODY, 2, "no address"),
    ):
        done = explain(played.url, *arguments, said=said)
        assert (done.exit_code, done.stdout) == (status, ""), done.output
        assert why in done.stderr
    played.says = lambda _: error(400, "x-microgate-cache: No cache is configured here.")
    assert "No cache is configured" in explain(played.url, "-", said=BODY).stderr


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (5 << 20, "5.0 MiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 51, "2048.0 TiB"),
    ],
)
def test_sizes_for_people(count: int, shown: str) -> None:
    assert size(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (0.0123, "0.0123 s"),
        (59.4, "59.4 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (90061, "1 d 1 h"),
        (3605, "1 h 5 s"),
    ],
)
def test_times_for_people(seconds: float, shown: str) -> None:
    assert span(seconds) == shown
