"""docs/models.md names every spelling, every member of the list and every member of the files."""

import json
import re
from pathlib import Path

import providers.models
from gateway.catalogue import OUTPUTS, PARAMETERS, THOUSANDS, TOKENS
from providers.models.matching import FILES, OTHERS_TOO, RULES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "models.md").read_text()


def section(heading: str) -> str:
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def table(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")] for line in lines]


def test_every_spelling_is_told_in_its_order_with_what_it_does_to_the_price() -> None:
    vendors = {file: [vendor for vendor, files in FILES.items() if files == (file,)] for file in ("google",)}
    told = [(what, of, price) for what, _, of, price in table(section("Which name means which model"))]
    assert told == [
        (
            rule.what,
            ", ".join(vendor for file in rule.files for vendor in vendors.get(file, [file])) or "all",
            "yes" if rule.same_price else "no",
        )
        for rule in RULES
    ]


def test_vendors_that_sell_others_models_are_told() -> None:
    text = section("Which name means which model").lower()
    named = {"azure": "azure", "google": "vertex ai"}
    assert OTHERS_TOO.keys() == named.keys()
    assert all(name in text for name in named.values())
    assert all(other in text for others in OTHERS_TOO.values() for other in others)


def test_every_member_of_the_list_is_told() -> None:
    text = section("In `/v1/models`")
    names = {*TOKENS.values(), *THOUSANDS.values(), *OUTPUTS.values(), *sum(PARAMETERS.values(), ())}
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_every_member_of_the_files_is_told_and_no_other() -> None:
    told = {name for row in table(section("The files")) for name in re.findall(r"`(\w+)`", row[0])}
    folder = Path(providers.models.__file__).parent
    used = {
        member
        for path in folder.glob("*.json")
        for entry in json.loads(path.read_text())["models"].values()
        for member in entry
    }
    # ``name`` and ``deprecated`` are in the list as they are in the files.
    assert told == used - {"name", "deprecated"}
