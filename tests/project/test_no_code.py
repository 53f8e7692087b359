"""Nothing that a caller sends or a database holds becomes code, a command, a template, a module or an object.

What could do that is not there; where something of the kind has to be, the place is named here with the reason why
nobody's text gets as far. Types of what can be made through the API are looked through for fields that name any of it.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import msgspec
import pytest

from gateway.config.schema import Config
from gateway.control.entity_kinds import KINDS
from tests.live.rounds import measured

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("gateway", "providers", "_speedups")

MODULES = {
    "_pickle", "code", "codeop", "cloudpickle", "ctypes", "dill", "jinja2", "mako", "marshal", "multiprocessing",
    "pickle", "pty", "runpy", "shelve", "subprocess", "xmlrpc",
}  # fmt: skip
"""Whoever imports one has something to explain."""
BUILTINS = {"eval", "exec", "compile", "__import__", "breakpoint", "input"}
METHODS = {
    "system", "popen", "posix_spawn", "posix_spawnp", "create_subprocess_exec", "create_subprocess_shell",
    "subprocess_exec", "subprocess_shell", "unsafe_load", "full_load", "load_all", "Template", "from_string",
}  # fmt: skip
SPAWNING = re.compile(r"(exec|spawn)(v|l|ve|le|vp|lp|vpe|lpe)")

REVIEWED = {
    ("gateway/processes/first.py", "import marshal"): "between the first process and the child it forks, over a pipe",
    ("gateway/processes/kernel.py", "import ctypes"): "the C library's calls, with constants",
    ("gateway/stores/sqlite_rules.py", "import ctypes"): "one switch of the SQLite that is loaded, with constants",
    (
        "gateway/control/child.py",
        "import subprocess",
    ): "this Python with modules of the project; data on standard input",
    (
        "gateway/secrets/master_key.py",
        "import subprocess",
    ): "secrets.master_key_command, of the file alone, at the start",
    (
        "gateway/credentials/child.py",
        "create_subprocess_exec",
    ): "this Python with a module of the project; data by pipes",
    ("gateway/processes/handover.py", "execve"): "the supervisor's own command line",
    ("gateway/faults/embedded.py", "import subprocess"): "tests' own fault proxy; nothing of a gateway imports it",
    ("gateway/loadgen/timer.py", "import ctypes"): "the C library's timer, in the load generator's own process",
    ("gateway/stores/urls.py", "import_module(module)"): "a table of schemes; the URL is the command line's",
    ("gateway/processes/preload.py", "import_module(options.entries.worker.partition(':')[0])"): "the supervisor's own",
    ("gateway/processes/children.py", "import_module(module)"): "entries of the supervisor's own",
    ("gateway/control/main.py", "map(import_module)"): "three names in the line before",
    ("providers/dialects/__init__.py", "import_module(DIALECTS.get(name) or CALLERS[name])"): "values of two tables",
    ("providers/forms/__init__.py", "import_module(FORMS[operation, dialect])"): "values of a table",
    ("_speedups/__init__.py", "import_module(module.__name__ + '_py')"): "modules of this package",
}
"""(file, what) -> why nobody's text gets there."""


def risks(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (f"import {alias.name}" for alias in names if alias.name.partition(".")[0] in MODULES)
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] in MODULES:
                yield f"import {module}"
            case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
                yield name
            case ast.Call(func=ast.Name(id="map"), args=[ast.Name(id="import_module"), *_]):
                yield "map(import_module)"
            case ast.Call(func=ast.Name(id="import_module") | ast.Attribute(attr="import_module"), args=[named, *_]):
                if not isinstance(named, ast.Constant):
                    yield f"import_module({ast.unparse(named)})"
            case ast.Call(func=ast.Attribute(attr=name)) if name in METHODS or SPAWNING.fullmatch(name):
                yield name
            case ast.Call(func=ast.Attribute(attr="load", value=ast.Name(id="yaml")), args=args, keywords=given):
                if len(args) < 2 and not given:
                    yield "yaml.load"


def found() -> set[tuple[str, str]]:
    return {
        (str(path.relative_to(ROOT)), risk)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for risk in risks(ast.parse(path.read_text()))
    }


def test_what_could_make_code_of_text_is_not_there_or_explained() -> None:
    there = found()
    measured("places where text could become code, a command, a module or an object", len(there), "each explained")
    measured("of these without an explanation", len(there - REVIEWED.keys()), "0")
    assert there - REVIEWED.keys() == set()
    assert REVIEWED.keys() - there == set(), "reviewed, and no longer there"


@pytest.mark.parametrize(
    ("source", "risk"),
    [
        ("eval(x)", "eval"), ("exec(x)", "exec"), ("compile(x)", "compile"), ("__import__(x)", "__import__"),
        ("import pickle", "import pickle"), ("from pickle import loads", "import pickle"),
        ("import os\nos.system(x)", "system"), ("os.execve(x, [], {})", "execve"), ("os.spawnl(0, x)", "spawnl"),
        ("await asyncio.create_subprocess_shell(x)", "create_subprocess_shell"), ("yaml.load(x)", "yaml.load"),
        ("import_module(x)", "import_module(x)"), ("importlib.import_module(f'a.{x}')", "import_module(f'a.{x}')"),
        ("string.Template(x)", "Template"), ("environment.from_string(x)", "from_string"),
    ],
)  # fmt: skip
def test_each_of_them_would_be_noticed(source: str, risk: str) -> None:
    assert list(risks(ast.parse(source))) == [risk]


def test_compiled_sources_have_none_either() -> None:
    words = re.compile(
        r"\b(?:eval|exec|compile|__import__|import_module|system|popen)\s*\(|\bimport +(?:pickle|marshal)"
    )
    sources = [*ROOT.glob("_speedups/*.pyx"), *ROOT.glob("_speedups/*.h")]
    assert len(sources) > 5
    assert [str(path) for path in sources if words.search(path.read_text())] == []


def fields_of(kind: Any, seen: set[Any]) -> Iterator[str]:
    """Names of all fields of a type and of the types in it."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        seen.add(kind)
        for field in msgspec.structs.fields(kind):
            yield field.name
            yield from fields_of(field.type, seen)
    elif get_origin(kind) is not None or isinstance(kind, UnionType):
        for part in get_args(kind):
            yield from fields_of(part, seen)


EXECUTES = re.compile(r"command|script|module|plugin|template|hook|exec|callback|entry_point|import")


def test_nothing_that_the_api_makes_names_code_or_a_command() -> None:
    seen: set[Any] = set()
    names = {name for kind in KINDS.values() for name in fields_of(kind.spec, seen)}
    assert len(names) > 60
    assert {name for name in names if EXECUTES.search(name)} == set()
    # The file has one; webhooks are addresses that are told something.
    own = {name for name in fields_of(Config, set()) if EXECUTES.search(name)}
    assert own == {"master_key_command", "webhooks"}


def test_none_of_it_is_loaded_in_what_serves_callers() -> None:
    """Neither by the modules of a worker nor by what they import of the project."""
    script = "import sys, gateway.worker, gateway.runtime, gateway.pipeline; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "gateway.phases.forward" in loaded
    explained = {file.removesuffix(".py").replace("/", ".") for file, what in REVIEWED if "subprocess" in what}
    assert len(explained) == 4
    # The child that fetches a token is told what to ask by the snapshot, never by a request.
    assert loaded & (explained - {"gateway.credentials.child"}) == set()
