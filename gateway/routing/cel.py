"""Conditions of targets: a subset of the Common Expression Language, read once and compiled once to Python closures.

Names lead to a closed table of facts (``gateway/routing/facts.py``); nothing in a condition's text names a Python
object. Every expression has one type, known when it is compiled, so lists hold values of one type and ``dyn`` does not
occur. What CEL calls an error makes the condition not hold; as in CEL, ``&&`` and ``||`` pass over an error on one side
when the other side decides.
"""

from __future__ import annotations

from gateway.routing.cel_compiler import Compiler
from gateway.routing.cel_expressions import Evaluate
from gateway.routing.cel_functions import Fault
from gateway.routing.cel_tokens import ConditionError, tokens_of
from gateway.routing.facts import Facts

__all__ = ["Condition", "ConditionError", "compile_condition"]


class Condition:
    """A compiled condition."""

    def __init__(self, source: str, evaluate: Evaluate, uses: frozenset[str]) -> None:
        self.source = source
        self.uses = uses
        """Names of the facts that it looks at."""
        self._evaluate = evaluate

    def holds(self, facts: Facts) -> bool:
        """Whether it is true; never raises."""
        try:
            return self._evaluate(facts) is True
        except Fault:
            return False

    def explain(self, facts: Facts) -> tuple[bool, str]:
        """Whether it holds, and why not, in a few words."""
        try:
            held = self._evaluate(facts) is True
        except Fault as fault:
            return False, str(fault)
        return held, "it holds" if held else "it is false"


def compile_condition(source: str) -> Condition:
    """Raises ConditionError for what is no condition, with the place and, for an unknown name, the nearest one."""
    compiler = Compiler(tokens_of(source))
    kind, evaluate = compiler.expression(0)
    compiler.end()
    if kind != "bool":
        raise ConditionError(f"a condition is true or false, this is of type {kind}", 0)
    return Condition(source, evaluate, frozenset(compiler.uses))
