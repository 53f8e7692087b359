"""``microgate usage`` and ``microgate usage reconcile``."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.commands import cli
from gateway.cli.usage import harmless
from gateway.control.migrate import upgrade
from gateway.records import UsageSource
from gateway.stores.urls import sqlite_url
from gateway.stores.usage_report import DIMENSIONS, dollars
from tests.cli.ledgers import fill, identity
from tests.stores.ledger_rows import DAY_US, entry

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "usage.md").read_text()
START = 20_000
"""A day: 2024-10-04."""


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("data")
    url = sqlite_url(str(directory / "control.db"))
    upgrade(url)
    alice, bob, trap = (identity("virtual_key", name) for name in ("alice", "bob", "=cmd()"))
    openai, mock = identity("provider", "openai"), identity("provider", "mock")
    first = {"started_us": START * DAY_US, "virtual_key": alice, "provider": openai, "target_model": "gpt"}
    rows = [
        entry(1, **first, cost_nanodollars=1_500_000_000, team=identity("team", "blue")),
        entry(2, **first, cost_nanodollars=7, usage_source=int(UsageSource.ESTIMATE)),
        entry(3, **{**first, "virtual_key": bob, "provider": mock, "target_model": "m"}, cost_nanodollars=250_000_000),
        entry(4, **{**first, "virtual_key": trap, "started_us": (START + 1) * DAY_US}, cost_nanodollars=0),
        entry(
            5, **{**first, "virtual_key": 77, "provider": 78, "started_us": (START + 40) * DAY_US}, cost_nanodollars=1
        ),
    ]
    fill(url, rows)
    return directory


def run(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["usage", *arguments, "--data-dir", str(data_dir)])


def told(data_dir: Path, *arguments: str) -> list[dict[str, object]]:
    done = run(data_dir, *arguments, "--format", "json")
    assert done.exit_code == 0, done.output
    rows: list[dict[str, object]] = json.loads(done.output)
    return rows


def test_everything_is_one_row(data_dir: Path) -> None:
    [row] = told(data_dir)
    assert row["requests"] == row["attempts"] == 5
    assert row["cost_nanodollars"] == 1_750_000_008
    assert row["cost_usd"] == "1.750000008"
    assert row["estimated"] == 1


def test_rows_have_names_and_those_that_cost_most_come_first(data_dir: Path) -> None:
    rows = told(data_dir, "--by", "key,provider")
    assert [(row["key"], row["provider"], row["cost_nanodollars"]) for row in rows] == [
        ("alice", "openai", 1_500_000_007),
        ("bob", "mock", 250_000_000),
        ("id:000000000000004d", "id:000000000000004e", 1),
        ("=cmd()", "openai", 0),
    ]


def test_days_and_months_come_in_their_order(data_dir: Path) -> None:
    assert [row["day"] for row in told(data_dir, "--by", "day")] == ["2024-10-04", "2024-10-05", "2024-11-13"]
    assert [row["requests"] for row in told(data_dir, "--by", "month")] == [4, 1]


def test_filters(data_dir: Path) -> None:
    assert told(data_dir, "--key", "bob")[0]["requests"] == 1
    assert told(data_dir, "--team", "blue")[0]["cost_usd"] == "1.50"
    assert told(data_dir, "--provider", "openai", "--model", "gpt")[0]["requests"] == 3
    assert told(data_dir, "--since", "2024-10-05", "--until", "2024-10-06")[0]["requests"] == 1
    assert told(data_dir, "--until", "2024-10-05T00:00:00+00:00")[0]["requests"] == 3
    assert told(data_dir, "--since", "1h")[0]["requests"] == 0
    days = (time.time() - START * 86400) / 86400 + 1
    assert told(data_dir, "--since", f"{days}d")[0]["requests"] == 5
    assert told(data_dir, "--key", "id:000000000000004d")[0]["requests"] == 1


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_dimension_is_told_and_documented(data_dir: Path, dimension: str) -> None:
    rows = told(data_dir, "--by", dimension)
    assert sum(int(str(row["cost_nanodollars"])) for row in rows) == 1_750_000_008
    assert all(dimension in row for row in rows)
    assert f"`{dimension}`" in PAGE


def test_a_table_has_a_total(data_dir: Path) -> None:
    lines = run(data_dir, "--by", "provider").output.splitlines()
    head = "provider requests attempts prompt tokens completion tokens cached tokens estimated unpriced cost USD"
    assert lines[0].split() == head.split()
    assert lines[1].split()[0] == "openai"
    assert lines[-1].split() == ["total", "5", "5", "50", "100", "0", "1", "0", "1.750000008"]
    assert len({len(line) for line in lines}) == 1


def test_csv_has_everything_and_no_formula(data_dir: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(data_dir, "--by", "key", "--format", "csv").output)))
    assert {row["key"] for row in rows} == {"alice", "bob", "'=cmd()", "id:000000000000004d"}
    assert [name for name in rows[0] if name != "key" and f"`{name}`" not in PAGE] == []


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--by", "key,colour"], 2, "--by colour: not one of key, team"),
        (["--since", "yesterday"], 2, "--since 'yesterday': neither a time"),
        (["--key", "carol"], 1, "there never was a virtual key called 'carol'"),
        (["--database", "mysql://u:hunter2@h/n"], 1, "no config store is known for mysql"),
    ],
)
def test_what_is_wrong_is_named(data_dir: Path, arguments: list[str], status: int, message: str) -> None:
    done = run(data_dir, *arguments)
    assert done.exit_code == status
    assert message in done.output
    assert "hunter2" not in done.output


def test_a_missing_database_is_not_made(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.exit_code == 1
    assert "does not exist" in done.output
    assert list(tmp_path.iterdir()) == []


def test_amounts_are_exact() -> None:
    assert list(map(dollars, (0, 1, -1, 10**9, -15 * 10**8, 123_456_789_012))) == [
        "0.00", "0.000000001", "-0.000000001", "1.00", "-1.50", "123.456789012",
    ]  # fmt: skip


def test_cells_that_begin_like_formulas_are_harmless() -> None:
    assert [harmless(cell) for cell in ("=1", "+1", "-1", "@x", "\tx", "x=1", "")] == [
        "'=1", "'+1", "'-1", "'@x", "'\tx", "x=1", "",
    ]  # fmt: skip


# -- against a bill


def reconcile(data_dir: Path, text: str, *arguments: str) -> Result:
    file = data_dir / "bill.csv"
    file.write_text(text)
    return run(data_dir, "reconcile", str(file), *arguments)


def requests(*costs: int) -> str:
    lines = [f"{number:032x},{cost}" for number, cost in enumerate(costs, 1)]
    return "\n".join(["request_id,cost_nanodollars", *lines])


def test_a_bill_that_agrees(data_dir: Path) -> None:
    done = reconcile(data_dir, requests(1_500_000_000, 7, 250_000_000, 0, 1))
    assert done.exit_code == 0, done.output
    assert "0 of 5 rows differ" in done.output


def test_differences_are_listed_and_judged_by_their_share(data_dir: Path) -> None:
    within = reconcile(data_dir, requests(1_500_000_000 + 1_700_000, 7, 250_000_000, 0, 1))
    assert within.exit_code == 0
    assert f"request_id {1:032x}: file 1.5017, ledger 1.50, difference -0.0017" in within.output
    beyond = reconcile(data_dir, requests(1_500_000_000 + 1_000_000, 7, 250_000_000 - 1_000_000, 0, 1))
    assert beyond.exit_code == 1, "differences that cancel out are differences"
    assert "2 of 5 rows differ, by 0.002 USD in all" in beyond.output


def test_rows_that_one_side_has_are_listed(data_dir: Path) -> None:
    missing = reconcile(data_dir, requests(1_500_000_000, 7, 250_000_000) + f"\n{99:032x},5000000")
    assert missing.exit_code == 1
    assert f"request_id {99:032x}: file 0.005, ledger 0.00, difference -0.005 (not in the ledger)" in missing.output
    assert f"{5:032x}" not in missing.output
    whole = reconcile(data_dir, requests(1_500_000_000, 7, 250_000_000), "--since", "2024-10-01")
    assert (
        f"request_id {5:032x}: file 0.00, ledger 0.000000001, difference 0.000000001 (not in the file)" in whole.output
    )
    assert whole.exit_code == 0


def test_a_bill_by_day_and_model_covers_the_days_it_names(data_dir: Path) -> None:
    bill = "day,model,tokens,cost_usd\n2024-10-04,gpt,5,1.500000007\n2024-10-05,gpt,5,0\n"
    done = reconcile(data_dir, bill, "--provider", "openai")
    assert (done.exit_code, "0 of 2 rows differ" in done.output) == (0, True), done.output
    done = reconcile(data_dir, bill)
    assert done.exit_code == 1
    assert "day 2024-10-04, model m: file 0.00, ledger 0.25, difference 0.25 (not in the file)" in done.output
    assert reconcile(data_dir, "month,cost_usd\n2024-10,1.750000007\n").exit_code == 0
    assert (
        reconcile(
            data_dir, "provider,cost_usd\nopenai,1.500000007\nmock,0.25\nid:000000000000004e,0.000000001"
        ).exit_code
        == 0
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2", "needs a column cost_nanodollars or cost_usd"),
        ("cost_usd\n1", "and some of request_id, key"),
        ("day,cost_usd\n2024-10-04,lots", "line 2: 'lots' is no amount"),
        ("day,cost_usd\n4th of July,1", "4th of July"),
        ("request_id,cost_usd\nxyz,1", "'xyz' is no request id"),
        ("", "needs a column"),
    ],
)
def test_what_is_no_bill_is_said_to_be_none(data_dir: Path, text: str, message: str) -> None:
    done = reconcile(data_dir, text)
    assert done.exit_code == 2
    assert message in done.output
