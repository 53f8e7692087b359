"""``microgate cache warm``: what is sent, what is counted, and when it is given up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cache_warm
from gateway.cli.commands import cli
from tests.cli.played_gateway import KEY, Played, Said, Sent, error
from tests.ports import free_port


def body(number: int) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}).encode()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "requests.jsonl"
    path.write_bytes(b"\n".join(map(body, range(30))))
    return path


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_warm, "FIRST_LOOK_S", 0.001)
    monkeypatch.setattr(cache_warm, "LAST_LOOK_S", 0.05)


def run(file: Path, url: str, *more: str, key: str = KEY) -> Result:
    environment = {"MICROGATE_KEY": key, "MICROGATE_URL": url}
    return CliRunner().invoke(cli, ["cache", "warm", str(file), *more], env=environment)


def test_answers_are_known_afterwards_and_known_ones_cost_nothing(file: Path, played: Played) -> None:
    done = run(file, played.url)
    assert (done.exit_code, done.stdout) == (0, "30 kept; it cost USD 7.5\n"), done.output
    assert {sent.body for sent in played.asked("on")} == set(map(body, range(30)))
    before = len(played.asked("on"))
    again = run(file, played.url)
    assert (again.exit_code, again.stdout) == (0, "30 known already; it cost USD 0\n")
    assert len(played.asked("on")) == before + 30
    afresh = run(file, played.url, "--refresh", "--concurrency", "1")
    assert (afresh.exit_code, afresh.stdout) == (0, "30 kept; it cost USD 7.5\n")
    assert [sent.body for sent in played.asked("refresh")] == list(map(body, range(30)))


def test_what_fails_is_told_with_its_line_and_does_not_stop_the_others(file: Path, played: Played) -> None:
    def says(sent: Sent) -> Said | None:
        if sent.body == body(2) and sent.wish == "on":
            return error(404, "The model 'm' is not known here.")
        if sent.body == body(4) and sent.wish == "on":
            return 0, {}, b""
        if sent.body == body(6) and sent.wish == "on":
            return 200, {"x-microgate-cache": "bypass"}, b"{}"
        if sent.body == body(8) and sent.wish == "on":
            return 200, {"x-microgate-cache": "miss"}, b"{}"
        return None

    played.says = says
    done = run(file, played.url)
    assert (done.exit_code, done.stdout) == (1, "26 kept, 2 not kept, 2 failed; it cost USD 6.5\n")
    lines = done.stderr.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["line 3", "line 5", "line 7", "line 9"]
    assert "not known here" in lines[0]
    assert "broke off" in lines[1]
    assert "microgate cache explain" in lines[2]
    assert "the answer is not kept" in lines[3]


def test_whoever_is_turned_away_comes_back(file: Path, played: Played) -> None:
    turned: set[bytes] = set()

    def says(sent: Sent) -> Said | None:
        if sent.wish != "on" or sent.body in turned:
            return None
        turned.add(sent.body)
        return error(429, "Too many requests.", retry_after="0")

    played.says = says
    done = run(file, played.url)
    assert (done.exit_code, done.stdout) == (0, "30 kept; it cost USD 7.5\n")
    assert len(played.asked("on")) == 60


@pytest.mark.parametrize(("status", "why"), [(401, "The key has expired."), (402, "The budget is used up.")])
def test_it_ends_where_no_other_line_would_fare_better(file: Path, played: Played, status: int, why: str) -> None:
    played.says = lambda sent: error(status, why) if sent.wish == "on" and len(played.known) >= 3 else None
    done = run(file, played.url, "--concurrency", "1")
    assert done.exit_code == 1
    assert done.stdout == "3 kept; it cost USD 0.75\n"
    assert done.stderr == f"microgate: {why}; 27 lines were not sent: the same command goes on there\n"


def test_it_ends_when_everything_fails(tmp_path: Path, played: Played) -> None:
    file = tmp_path / "many.jsonl"
    file.write_bytes(b"\n".join(map(body, range(200))))
    played.says = lambda sent: error(500, "The provider is away.") if sent.wish == "on" else None
    done = run(file, played.url, "--concurrency", "2")
    assert done.exit_code == 1
    assert "50 requests in a row have failed; " in done.stderr
    assert len(played.asked("on")) < 60
    assert done.stderr.count("The provider is away.") == cache_warm.MOST_TOLD


def test_a_gateway_that_does_not_explain_is_believed(file: Path, played: Played) -> None:
    played.says = lambda sent: error(403, "The operator does not tell.") if sent.wish == "explain" else None
    done = run(file, played.url)
    assert (done.exit_code, done.stdout) == (0, "30 kept; it cost USD 7.5\n")
    assert len(played.asked("explain")) == 1


def test_nothing_is_sent_of_a_file_with_a_mistake(file: Path, played: Played) -> None:
    file.write_bytes(file.read_bytes() + b'\n{"model": "m"}\n')
    done = run(file, played.url)
    assert (done.exit_code, done.stdout, played.sent) == (2, "", [])
    assert f"{file}, line 31: neither a chat body" in done.stderr


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (error(400, "x-microgate-cache: No cache is configured here."), "No cache is configured here"),
        (error(401, "The key is mistyped."), "mistyped"),
    ],
)
def test_nothing_is_asked_of_a_gateway_that_would_keep_nothing(
    file: Path, played: Played, said: Said, why: str
) -> None:
    played.says = lambda _: said
    done = run(file, played.url)
    assert (done.exit_code, done.stdout, len(played.sent)) == (1, "", 1)
    assert why in done.stderr


def test_what_is_not_there_is_named(file: Path, tmp_path: Path, played: Played) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    nobody = run(file, url)
    assert (nobody.exit_code, f"no gateway answers at {url}" in nobody.stderr) == (1, True)
    no_file = run(tmp_path / "none.jsonl", played.url)
    assert (no_file.exit_code, "none.jsonl: No such file" in no_file.stderr) == (2, True)
    no_key = run(file, played.url, key="")
    assert (no_key.exit_code, "--key" in no_key.stderr) == (2, True)
    (tmp_path / "empty.jsonl").touch()
    empty = run(tmp_path / "empty.jsonl", played.url)
    assert (empty.exit_code, empty.stdout) == (0, "nothing to do; it cost USD 0\n")
