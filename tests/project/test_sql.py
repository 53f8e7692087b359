"""No value of anybody's is ever part of a statement's text: statements are put together from constants alone."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.rounds import measured

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for package in ("gateway", "providers", "_speedups") for path in (ROOT / package).rglob("*.py"))

ASKING = {"execute", "executemany", "executescript", "exec_driver_sql", "rows", "run", "many"}
"""Methods of drivers and of ``gateway.stores.database.Transaction`` whose first argument is a statement."""
OWNERS = {"at", "to", "source", "target", "reader", "writer", "cursor", "connection", "op", "_connection"}
"""What they are called on; ``run`` is also a word of others'."""

REVIEWED = {
    ("gateway/stores/sqlite_database.py", "statement"): "Transaction itself: its callers are judged",
    ("gateway/stores/postgres_database.py", "_spelled(statement)"): "Transaction itself: its callers are judged",
    ("gateway/stores/sqlite_rules.py", "f'PRAGMA synchronous={synchronous}'"): "a Literal of the stores'",
    ("gateway/stores/sql_rollups.py", "statement"): "its schema, for either database: constants",
    ("gateway/control/backup.py", "'SELECT 1 FROM %s LIMIT 1'.__mod__(name)"): "goes through TABLES",
    ("gateway/stores/sqlite_segment.py", "_SELECT + where + ' ORDER BY id DESC LIMIT ?'"): "log_query.py: constants",
    ("gateway/stores/postgres_log.py", "statement"): "log_query.py: constants",
    ("gateway/stores/pgvector_vectors.py", "self._spelled(_PUT)"): "a constant with the driver's quoted identifiers",
    ("gateway/stores/pgvector_vectors.py", "self._spelled(statement)"): "likewise; the table is the operator's",
    ("gateway/stores/sql_config.py", "_AUDIT + where + ' ORDER BY id DESC LIMIT ?'"): "terms: constants with values",
    ("gateway/stores/sql_config.py", "statement"): "terms: constants with values",
    ("gateway/stores/sql_ledger.py", "' '.join(clauses)"): "terms: constants with values",
    ("gateway/stores/sql_usage.py", "statement"): "dimensions by the table, terms: constants with values",
    (
        "gateway/stores/postgres_database.py",
        "sql.SQL('LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE').format(sql.Identifier(table))",
    ): "quoted by the driver",
}
"""(file, argument) of what is not shown to be constant -> why it may stand."""


class Judge:
    """Whether expressions of one module are made of its constants."""

    def __init__(self, tree: ast.Module) -> None:
        self._constants = {
            target.id
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign))
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name)
        }
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    def is_constant(self, value: ast.expr, inside: ast.FunctionDef | None, depth: int = 0) -> bool:
        if depth > 20:
            return False

        def one(part: ast.expr) -> bool:
            return self.is_constant(part, inside, depth + 1)

        match value:
            case ast.Constant():
                return True
            case ast.JoinedStr():
                return all(one(part.value if isinstance(part, ast.FormattedValue) else part) for part in value.values)
            case ast.BinOp():
                return one(value.left) and one(value.right)
            case ast.Tuple() | ast.List():
                return all(map(one, value.elts))
            case ast.Dict():
                return all(map(one, value.values))
            case ast.Starred():
                return one(value.value)
            case ast.IfExp():
                return one(value.body) and one(value.orelse)
            case ast.BoolOp():
                return all(map(one, value.values))
            case ast.Subscript():
                return one(value.value)
            case ast.GeneratorExp() | ast.ListComp():
                return self._comprehension(value, inside, depth)
            case ast.Call(func=ast.Name(id="marks" | "len" | "range")):
                return True
            case ast.Call(func=ast.Name(id="tuple" | "list" | "sorted" | "map" | "dict")):
                return all(map(one, value.args))
            case ast.Call(func=ast.Attribute(attr="join" | "__mod__" | "format" | "keys" | "items" | "values") as how):
                return one(how.value) and all(map(one, value.args))
            case ast.Call(func=ast.Name(id=name)) if name in self._functions:
                return self._returns(self._functions[name], value, inside, depth)
            case ast.Name(id=name):
                return self._named(name, inside, depth)
        return False

    def _comprehension(
        self, value: ast.GeneratorExp | ast.ListComp, inside: ast.FunctionDef | None, depth: int
    ) -> bool:
        # Its own names stand for what it goes through.
        given = all(self.is_constant(each.iter, inside, depth + 1) for each in value.generators)
        names = {n.id for each in value.generators for n in ast.walk(each.target) if isinstance(n, ast.Name)}
        return given and all(
            node.id in names or self.is_constant(node, inside, depth + 1)
            for node in ast.walk(value.elt)
            if isinstance(node, ast.Name)
        )

    def _returns(self, function: ast.FunctionDef, call: ast.Call, inside: ast.FunctionDef | None, depth: int) -> bool:
        """A function of this module that puts a statement together from constants and from what it is given."""
        returned = [
            node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value is not None
        ]
        given = all(self.is_constant(argument, inside, depth + 1) for argument in call.args)
        return given and all(self.is_constant(each, function, depth + 1) for each in returned)

    def _named(self, name: str, inside: ast.FunctionDef | None, depth: int) -> bool:
        if inside is not None and (found := list(_bound(name, inside))):
            return all(self.is_constant(each, inside, depth + 1) for each in found)
        if inside is not None and name in _parameters(inside):
            # Of a function whose calls are judged themselves.
            return depth > 0 and inside.name in self._functions and inside.name.startswith("_")
        # Made once, when the module is imported: before anybody has sent anything.
        return name in self._constants


def _parameters(function: ast.FunctionDef) -> set[str]:
    return {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}


def _bound(name: str, function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Everything the function gives this name, or adds to the list of this name."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                yield value
            case ast.AnnAssign(target=ast.Name(id=found), value=ast.expr() as value) if found == name:
                yield value
            case ast.AugAssign(target=ast.Name(id=found), value=value) if found == name:
                yield value
            case ast.NamedExpr(target=ast.Name(id=found), value=value) if found == name:
                yield value
            case ast.For(target=target, iter=value) if name in {
                n.id for n in ast.walk(target) if isinstance(n, ast.Name)
            }:
                yield value
            case ast.Call(func=ast.Attribute(value=ast.Name(id=found), attr="append" | "extend" | "insert")) if (
                found == name
            ):
                yield from node.args


def statements(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.FunctionDef | None]]:
    """Every first argument of a call that asks a database, and the function it stands in."""

    def walk(node: ast.AST, inside: ast.FunctionDef | None) -> Iterator[tuple[ast.expr, ast.FunctionDef | None]]:
        for child in ast.iter_child_nodes(node):
            yield from walk(child, child if isinstance(child, ast.FunctionDef) else inside)
        match node:
            case ast.Call(
                func=ast.Attribute(attr=how, value=ast.Name(id=on) | ast.Attribute(attr=on)), args=[first, *_]
            ):
                if how in ASKING and (on in OWNERS or how.startswith("exec")):
                    yield first, inside

    yield from walk(tree, None)


def found() -> Iterator[tuple[str, ast.expr, bool]]:
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        judge = Judge(tree)
        for first, inside in statements(tree):
            yield str(path.relative_to(ROOT)), first, judge.is_constant(first, inside)


def test_every_statement_is_made_of_constants() -> None:
    judged = list(found())
    assert len(judged) > 90
    loose = {(file, ast.unparse(first)) for file, first, constant in judged if not constant}
    measured("calls that ask a database", len(judged), "each with a statement made of constants")
    measured("of these not shown to be, each with its reason in the test", len(loose & REVIEWED.keys()), "reviewed")
    measured("of these with anything else", len(loose - REVIEWED.keys()), "0")
    assert loose - REVIEWED.keys() == set()
    assert REVIEWED.keys() - loose == set(), "reviewed, and no longer there"


@pytest.mark.parametrize(
    "source",
    [
        "def f(at, name):\n    at.rows(f\"SELECT 1 FROM t WHERE name = '{name}'\")",
        "def f(at, name):\n    at.rows('SELECT 1 FROM t WHERE name = ' + name)",
        "def f(at, name):\n    at.run('DELETE FROM t WHERE name = %s' % name)",
        "def f(at, name):\n    clause = 'a'\n    clause += name\n    at.rows(clause)",
        "def f(at, names):\n    clauses = ['a']\n    clauses.append(names[0])\n    at.rows(' AND '.join(clauses))",
        "def f(at, x):\n    at.rows(_made(x))\ndef _made(x):\n    return 'a' + x",
        "def f(self, x):\n    self._connection.execute(x.statement)",
        "def f(at, x):\n    for s in x:\n        at.rows(s)",
        "from elsewhere import S\ndef f(at):\n    at.rows(S)",
    ],
)
def test_a_value_in_a_statement_is_noticed(source: str) -> None:
    tree = ast.parse(source)
    judge = Judge(tree)
    assert [judge.is_constant(first, inside) for first, inside in statements(tree)] == [False]


def test_the_linter_agrees() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "S608", "--ignore-noqa", "--quiet"]
    done = subprocess.run(
        [*command, "gateway", "providers", "_speedups"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
