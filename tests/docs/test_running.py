"""docs/running.md names every command, option and file there is."""

import re
from pathlib import Path

from gateway.cli.commands import cli
from gateway.cli.serve import OPTIONS
from gateway.processes.logs import LEVELS
from gateway.processes.paths import Paths

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "running.md").read_text()


def test_every_command_is_named_and_no_other() -> None:
    assert set(re.findall(r"^\| `microgate (\w+)", PAGE, re.MULTILINE)) == set(cli.commands)


def test_every_option_is_named_with_its_variable() -> None:
    rows = re.findall(r"^\| `(--[\w-]+)(?: [A-Z]+)?` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == [(option.flag, option.variable) for option in OPTIONS]


def test_every_log_level_is_named() -> None:
    assert [level for level in LEVELS if f"`{level}`" not in PAGE] == []


def test_every_durable_file_is_named(tmp_path: Path) -> None:
    paths = Paths(str(tmp_path))
    durable = {name: getattr(paths, name) for name in Paths.__slots__ if name != "data_dir"}
    names = [Path(path).name for path in durable.values() if Path(path).parent == tmp_path]
    assert len(names) >= 5
    assert [name for name in names if f"`{name}`" not in PAGE and f"`{name}/`" not in PAGE] == []
