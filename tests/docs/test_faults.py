"""docs/faults.md names every fault and field, and what it tells to type works when typed."""

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.loader import loads as configuration
from gateway.faults import reading
from gateway.faults.schema import KINDS, Fault, Prices, Setup, UpstreamEntry
from tests.faults.client import call
from tests.ports import free_port
from tests.waiting import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def row(kind: str) -> str:
    return str(re.findall(rf"^\| `{kind}` \|.*$", PAGE, re.MULTILINE)[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_and_field_has_a_row(kind: str) -> None:
    shared = set(Fault.__struct_fields__)
    for name in KINDS[kind].__struct_fields__:
        if name in shared:
            assert f"`{name}`" in PAGE
        else:
            assert f"`{name}`" in row(kind)
    main = KINDS[kind].main
    assert not main or row(kind).split("|")[2].strip().startswith(f"`{main}`")


def test_every_field_of_the_file_is_named() -> None:
    for section in (Setup, UpstreamEntry, Prices):
        assert [name for name in section.__struct_fields__ if f"`{name}`" not in PAGE and f"{name}:" not in PAGE] == []


def free_ports(text: str) -> str:
    """The ports of the page are replaced by free ones."""
    for port in ("9001", "9002", "8474"):
        text = text.replace(port, str(free_port()))
    return text


def test_the_files() -> None:
    gateway, faults = blocks("yaml")
    assert set(configuration(gateway, "microgate.yaml").config.providers) == {"trouble", "spare"}
    setup = reading.loads(faults, "faults.yaml")
    listening = {entry.listen for entry in setup.upstreams.values()}
    assert {f"http://{place}/v1" for place in listening} == set(re.findall(r"base_url: (\S+)", gateway))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The page with free ports and the folder of its file."""
    folder = tmp_path_factory.mktemp("faults")
    text = free_ports(PAGE)
    file = re.findall(r"^```yaml\n(# faults.yaml\n.*?)^```", text, re.DOTALL | re.MULTILINE)[0]
    (folder / "faults.yaml").write_text(file)
    return text, str(folder)


def commands(page: str, word: str) -> list[str]:
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)).splitlines()
    return [line for line in lines if line.startswith(word)]


@pytest.mark.parametrize("number", range(3))
def test_the_commands(page: tuple[str, str], number: int) -> None:
    text, folder = page
    words = shlex.split(commands(text, "microgate")[number])
    extra = [] if "--config" in words else ["--listen", "0"]
    command = [sys.executable, "-m", "gateway", *words[1:], *extra]
    environment = {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            assert re.match(r"(provider|trouble): http://127\.0\.0\.1:\d+ ", said), said
            if "--config" in words:
                # Those of the fault that fails first calls.
                assert call(said.split()[1]).answer.status == 429
                for curl in commands(text, "curl"):
                    done = subprocess.run(
                        ["sh", "-c", curl.replace("curl", "curl -sS --noproxy '*' --fail-with-body", 1)],
                        capture_output=True, text=True, timeout=60, check=False,
                    )  # fmt: skip
                    assert done.returncode == 0, (curl, done.stdout, done.stderr)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE_S) == 0


def test_there_are_as_many_commands_as_are_tried() -> None:
    assert len(commands(PAGE, "microgate")) == 3
    assert len(commands(PAGE, "curl")) == 7


def test_the_program() -> None:
    [program] = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("2 1 1\n", "")
