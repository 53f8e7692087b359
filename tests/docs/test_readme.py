"""What the README and the guide tell a stranger to type works when typed."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from gateway.config.loader import load
from tests.ports import free_port
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


@dataclass
class Demo:
    url: str
    key: str

    def at_this_port(self, text: str) -> str:
        return text.replace("http://127.0.0.1:8080", self.url)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "MICROGATE_KEY": self.key, "DEMO_KEY": self.key}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    port = free_port()
    data_dir = tmp_path_factory.mktemp("data")
    command = [sys.executable, "-m", "gateway", "serve", "--demo", "--port", str(port), "--data-dir", str(data_dir)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            key = next(found[1] for line in process.stdout if (found := re.search(r"Demo key.*: (\S+)$", line)))
            yield Demo(f"http://127.0.0.1:{port}", key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.read()
            assert process.wait(PATIENCE_S) == 0


def checked(curl: str) -> str:
    """The command as typed, but failing where the answer is an error."""
    return curl.replace("curl", "curl -sS --fail-with-body", 1)


def run(command: list[str], demo: Demo) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=demo.environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_two_commands_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = [block.strip() for block in blocks(README, "sh") if block.startswith("make ")]
    assert commands == ["make serve", "make test"]
    assert all(re.search(rf"^{command.split()[1]}:", makefile, re.MULTILINE) for command in commands)


def test_the_curl(demo: Demo) -> None:
    [curl] = [block for block in blocks(README, "sh") if block.startswith("curl")]
    assert "Hello, gateway" in run(
        ["sh", "-c", demo.at_this_port(curl.replace("curl", "curl -sS --fail-with-body", 1))], demo
    )


def test_the_sdk(demo: Demo) -> None:
    [program] = blocks(README, "python")
    assert run([sys.executable, "-c", demo.at_this_port(program)], demo) == "Hello, gateway"


def test_the_curl_of_the_demo_page(demo: Demo) -> None:
    [curl] = [block for block in blocks((ROOT / "docs" / "demo.md").read_text(), "sh") if block.startswith("curl")]
    assert "hello" in run(["sh", "-c", checked(demo.at_this_port(curl))], demo)


@pytest.mark.parametrize("example", blocks((ROOT / "docs" / "getting-started.md").read_text(), "yaml"))
def test_the_examples_of_the_guide(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(yaml.safe_load(example), dict)
    for name in re.findall(r"env\.(\w+)", example):
        monkeypatch.setenv(name, f"sk-{name}")
    file = tmp_path / "microgate.yaml"
    file.write_text(example)
    load(str(file))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(((?!\w+:)[^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
