"""The direction of imports: _speedups knows nobody, providers know no I/O, gateway may know both."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("_speedups", "providers", "gateway")

# A translation that could open, wait for or time anything would not be one.
NOT_FOR_PROVIDERS = {
    "asyncio", "datetime", "ftplib", "gateway", "http", "httptools", "logging", "multiprocessing", "os", "random",
    "secrets", "select", "selectors", "signal", "socket", "socketserver", "ssl", "subprocess", "tempfile", "threading",
    "time", "urllib.request", "uuid", "uvloop",
}  # fmt: skip
THIRD_PARTY_OF_PROVIDERS = {"msgspec", "orjson"}
# Everything else that a worker had to import before its first request would cost start-up time and memory per process.
# (msgspec imports typing_extensions where it is installed.)
THIRD_PARTY_OF_WORKERS = {"httptools", "msgspec", "orjson", "typing_extensions", "uvloop"}
THIRD_PARTY_OF_BOOT = {"msgspec", "typing_extensions", "yaml"}


def imported(path: Path) -> Iterator[str]:
    """Absolute names that a Python file imports, wherever in the file."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            yield ".".join([*base, node.module or ""]).rstrip(".")


def cimported(path: Path) -> Iterator[str]:
    """The same for Cython files, one statement a line."""
    for line in path.read_text().splitlines():
        if found := re.match(r"\s*(?:from\s+([\w.]+)\s+c?import|c?import\s+([\w.]+))\b", line):
            yield found[1] or found[2]


def imports_of(package: str) -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / package).rglob("*")):
        if path.suffix in (".py", ".pyi"):
            yield from ((str(path.relative_to(ROOT)), name) for name in imported(path))
        elif path.suffix in (".pyx", ".pxd"):
            yield from ((str(path.relative_to(ROOT)), name) for name in cimported(path))


def root_of(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_speedups_import_the_standard_library_only() -> None:
    cython = {"cpython", "cython", "libc", "posix"}
    allowed = {"_speedups", *sys.stdlib_module_names, *cython}
    assert [row for row in imports_of("_speedups") if root_of(row[1]) not in allowed] == []


def test_providers_only_translate() -> None:
    allowed = {"_speedups", "providers", *THIRD_PARTY_OF_PROVIDERS, *sys.stdlib_module_names}
    rows = list(imports_of("providers"))
    assert [row for row in rows if root_of(row[1]) not in allowed] == []
    assert [row for row in rows if row[1] in NOT_FOR_PROVIDERS or root_of(row[1]) in NOT_FOR_PROVIDERS] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_imports_tests_and_benchmarks(package: str) -> None:
    assert [row for row in imports_of(package) if root_of(row[1]) in ("tests", "bench")] == []


def third_party_after(statement: str) -> set[str]:
    """Top-level packages from outside the standard library and the project that importing loads, in a fresh process."""
    script = f"import sys\n{statement}\nprint(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == 0, run.stderr
    roots = {root_of(name) for name in run.stdout.split()} - sys.stdlib_module_names - set(PACKAGES)
    # Names that begin with an underscore or hold no module of their own are parts of the interpreter's start-up.
    return {name for name in roots if not name.startswith(("_", "sitecustomize", "usercustomize", "cython_runtime"))}


EMBEDDING = ("gateway.cache.embedding.asked", "gateway.cache.embedding.provider")


@pytest.mark.parametrize("module", ["gateway.worker", "gateway.runtime", *EMBEDDING])
def test_workers_import_nothing_heavy(module: str) -> None:
    assert third_party_after(f"import {module}") <= THIRD_PARTY_OF_WORKERS


@pytest.mark.parametrize("module", ["gateway.worker", "gateway.runtime", "gateway.supervisor"])
def test_workers_know_nothing_of_master_keys(module: str) -> None:
    script = f"import sys, {module}\nprint(*(name for name in sys.modules if name.startswith('gateway.secrets')))"
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == []


def test_what_keeps_credentials_imports_no_vendors_library() -> None:
    modules = ("keys", "source", "child", "signing", "extras", "fetch")
    statement = f"from gateway.credentials import {', '.join(modules)}"
    assert third_party_after(statement) <= THIRD_PARTY_OF_WORKERS


def test_supervisor_imports_no_framework_and_no_database() -> None:
    assert third_party_after("import gateway.supervisor") <= THIRD_PARTY_OF_WORKERS


def test_boot_imports_msgspec_and_yaml_only() -> None:
    assert third_party_after("import gateway.boot") <= THIRD_PARTY_OF_BOOT


def test_the_serve_command_imports_no_rich() -> None:
    loaded = third_party_after("import gateway.cli.main")
    assert loaded & {"rich", "litestar", "sqlalchemy", "alembic", "uvicorn", "prometheus_client", "numpy"} == set()


def test_a_forbidden_import_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "providers").mkdir()
    (tmp_path / "providers" / "bad.py").write_text("def f():\n    from socket import create_connection\n")
    (tmp_path / "providers" / "bad.pyx").write_text("from gateway.exchange cimport Exchange\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(AssertionError):
        test_providers_only_translate()
