"""The committed facts are what their sources say."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from gateway.cli import refresh_models
from gateway.cli.model_sources import CAPABILITIES_OF, PRICES_OF, PROFILES_OF
from gateway.cli.refresh_models import HOME, refresh, render
from providers.models.matching import FILES, OTHERS_TOO
from providers.vendors import VENDORS

COMMITTED = {path.stem: path.read_text() for path in HOME.glob("*.json")}
TAKEN = {json.loads(text)["taken"] for text in COMMITTED.values()}


@pytest.fixture(scope="module")
def rendered() -> dict[str, str]:
    [taken] = TAKEN
    return render(date.fromisoformat(taken))


def test_another_run_over_the_installed_sources_gives_the_same_bytes(rendered: dict[str, str]) -> None:
    assert sorted(rendered) == sorted(COMMITTED)
    assert [file for file, text in rendered.items() if text != COMMITTED[file]] == [], "run: microgate models refresh"


def test_refresh_writes_only_what_differs(rendered: dict[str, str], tmp_path: Path) -> None:
    [taken] = TAKEN
    for file, text in rendered.items():
        (tmp_path / f"{file}.json").write_text(text)
    (tmp_path / "cohere.json").write_text("{}")
    (tmp_path / "groq.json").unlink()
    assert refresh(date.fromisoformat(taken), tmp_path) == [tmp_path / "cohere.json", tmp_path / "groq.json"]
    assert {path.stem: path.read_text() for path in tmp_path.iterdir()} == COMMITTED


def test_a_missing_source_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresh_models, "find_spec", lambda _: None)
    with pytest.raises(refresh_models.SourceError, match=r"litellm is not installed: pip install 'microgate\[facts\]'"):
        render(date(2026, 1, 1))


def test_prices_of_a_day(rendered: dict[str, str]) -> None:
    """A price that begins later stands under ``later`` until its day."""
    [taken] = TAKEN
    later = {
        (file, identity, row["from"])
        for file, text in rendered.items()
        for identity, entry in json.loads(text)["models"].items()
        for row in entry.get("later", ())
    }
    assert all(day > taken for *_, day in later)
    file, identity, day = min(later, key=lambda row: row[2])
    before = json.loads(rendered[file])["models"][identity]
    then = json.loads(render(date.fromisoformat(day))[file])["models"][identity]
    assert then["prices"] == next(row["prices"] for row in before["later"] if row["from"] == day) != before["prices"]


def test_every_file_belongs_to_a_vendor_and_names_its_sources() -> None:
    owners = {name for names in FILES.values() for name in names} | VENDORS.keys()
    assert COMMITTED.keys() - owners == set()
    assert set(OTHERS_TOO) <= COMMITTED.keys()
    assert {other for others in OTHERS_TOO.values() for other in others} <= COMMITTED.keys()
    for file, text in COMMITTED.items():
        told = " ".join(json.loads(text)["sources"])
        assert ("genai-prices" in told) == bool(PRICES_OF[file]), file
        assert ("models.dev" in told) == (file in PROFILES_OF), file
        assert ("litellm" in told) == (file in CAPABILITIES_OF), file


def test_it_is_small_and_a_line_is_a_model() -> None:
    assert sum(map(len, COMMITTED.values())) < 1_000_000
    for text in COMMITTED.values():
        lines = text.splitlines()[1:-1]
        assert len(lines) == len(json.loads(text)["models"])
        assert lines == sorted(lines, key=lambda line: json.loads(re.split(r": (?=\{)", line.strip(), maxsplit=1)[0]))


def test_prices_hold_when_the_source_says() -> None:
    """Every price of every model, on days to come, at all hours and for every kind of request that has its own."""
    from datetime import UTC, datetime, timedelta

    from genai_prices.data import providers as priced

    from gateway.cli.refresh_models import _figures
    from providers.prices.schedule import in_force

    [taken] = TAKEN
    start = datetime.fromisoformat(taken).replace(tzinfo=UTC)
    moments = [start + timedelta(hours=hours, minutes=1) for hours in (0, 2, 5, 9, 17, 24 * 6, 24 * 37)]
    models = [model for provider in priced for model in provider.models]
    kinds = {pair for model in models for variant in model.price_variants or () for pair in variant.when.items()}
    circumstances = [{}, *({name: value} for name, value in sorted(kinds))]
    compared, other = 0, []
    for file, names in PRICES_OF.items():
        entries = json.loads(COMMITTED[file])["models"]
        for model in (model for provider in priced if provider.id in names for model in provider.models):
            if len(names) > 1 or model.id not in entries:
                continue
            for moment in moments:
                for known in circumstances:
                    theirs = _figures(vars(model.get_prices(moment, known or None)))
                    ours = in_force(entries[model.id], int(moment.timestamp()), known)
                    compared += 1
                    if theirs != ours:
                        other.append((file, model.id, moment.isoformat(), known, theirs, ours))
    assert compared > 50_000
    assert other == [], f"{len(other)} of {compared}"
