"""Reads a condition by precedence and compiles it on the way."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from gateway.routing.cel_expressions import (
    Compiled,
    calendar,
    compared,
    indexed,
    literal,
    matching,
    method,
    negated,
    operated,
)
from gateway.routing.cel_functions import CALENDAR, CONVERSIONS, INT_MAX, UINT_MAX, Fault
from gateway.routing.cel_tokens import ConditionError, Token
from gateway.routing.facts import FACTS, Facts

MOST_NESTED = 32
MOST_LISTED = 256
RELATIONS = ("<", "<=", ">", ">=", "==", "!=", "in")


class Compiler:
    """Reads and compiles at once, by precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.uses: set[str] = set()
        self.bound: dict[str, tuple[str, list[Any]]] = {}
        """Variables of ``exists`` and ``all``: type, and the cell that holds the present value."""

    # --- reading

    @property
    def token(self) -> Token:
        return self.tokens[self.position]

    def take(self, *signs: str) -> Token | None:
        token = self.token
        if token.kind in ("sign", "name") and token.value in signs:
            self.position += 1
            return token
        return None

    def need(self, sign: str) -> Token:
        token = self.take(sign)
        if token is None:
            found = "the end" if self.token.kind == "end" else repr(self.token.value)
            raise ConditionError(f"expected {sign} instead of {found}", self.token.at)
        return token

    def end(self) -> None:
        if self.token.kind != "end":
            raise ConditionError(f"expected the end instead of {self.token.value!r}", self.token.at)

    # --- by precedence

    def expression(self, depth: int) -> Compiled:
        """``condition ? this : that``, and everything that binds more."""
        if depth > MOST_NESTED:
            raise ConditionError(f"is nested deeper than {MOST_NESTED}", self.token.at)
        chosen = self.either(depth)
        if not self.take("?"):
            return chosen
        this = self.either(depth + 1)
        self.need(":")
        that = self.expression(depth + 1)
        if chosen.kind != "bool":
            raise ConditionError(f"before ? stands a bool, not {chosen.kind}", chosen.at)
        if this.kind != that.kind:
            raise ConditionError(f"both sides of : have one type, not {this.kind} and {that.kind}", that.at)
        test, yes, no = chosen.evaluate, this.evaluate, that.evaluate
        return Compiled(this.kind, lambda facts: yes(facts) if test(facts) else no(facts), chosen.at)

    def either(self, depth: int) -> Compiled:
        left = self.both(depth)
        while token := self.take("||"):
            left = self.logical(left, self.both(depth), True, token)
        return left

    def both(self, depth: int) -> Compiled:
        left = self.relation(depth)
        while token := self.take("&&"):
            left = self.logical(left, self.relation(depth), False, token)
        return left

    def logical(self, left: Compiled, right: Compiled, decides: bool, token: Token) -> Compiled:
        """``||`` is decided by true, ``&&`` by false, on either side and whatever is wrong with the other one."""
        for side in (left, right):
            if side.kind != "bool":
                raise ConditionError(f"{token.value} joins bools, not {side.kind}", side.at)
        one, other = left.evaluate, right.evaluate

        def evaluate(facts: Facts) -> bool:
            try:
                decided = one(facts) is decides
            except Fault:
                if other(facts) is not decides:
                    raise
                decided = True
            return decides if decided else bool(other(facts))

        return Compiled("bool", evaluate, left.at)

    def relation(self, depth: int) -> Compiled:
        left = self.sum(depth)
        while token := self.take(*RELATIONS):
            left = compared(token, left, self.sum(depth))
        return left

    def sum(self, depth: int) -> Compiled:
        left = self.product(depth)
        while token := self.take("+", "-"):
            left = operated(token, left, self.product(depth))
        return left

    def product(self, depth: int) -> Compiled:
        left = self.unary(depth)
        while token := self.take("*", "/", "%"):
            left = operated(token, left, self.unary(depth))
        return left

    def unary(self, depth: int) -> Compiled:
        if depth > MOST_NESTED:
            raise ConditionError(f"is nested deeper than {MOST_NESTED}", self.token.at)
        if token := self.take("!"):
            inner = self.unary(depth + 1)
            if inner.kind != "bool":
                raise ConditionError(f"! takes a bool, not {inner.kind}", inner.at)
            evaluate = inner.evaluate
            return Compiled("bool", lambda facts: not evaluate(facts), token.at)
        if token := self.take("-"):
            if self.token.kind == "int" and self.token.value == INT_MAX + 1:
                self.position += 1
                return literal("int", -INT_MAX - 1, token.at)
            return negated(self.unary(depth + 1), token.at)
        return self.postfix(depth)

    def postfix(self, depth: int) -> Compiled:
        value = self.primary(depth)
        while True:
            if self.take("."):
                value = self.member(value, depth)
            elif self.take("["):
                index = self.expression(depth + 1)
                self.need("]")
                value = indexed(value, index)
            else:
                return value

    def primary(self, depth: int) -> Compiled:
        token = self.token
        if token.kind == "sign" and token.value == "(":
            self.position += 1
            inner = self.expression(depth + 1)
            self.need(")")
            return inner
        if token.kind == "sign" and token.value == "[":
            return self.listed(depth)
        self.position += 1
        if token.kind in ("int", "uint", "double", "string"):
            if token.kind in ("int", "uint") and token.value > (INT_MAX if token.kind == "int" else UINT_MAX):
                raise ConditionError("an integer that is too large", token.at)
            return literal(token.kind, token.value, token.at)
        if token.kind != "name":
            found = "the end" if token.kind == "end" else repr(token.value)
            raise ConditionError(f"expected a value instead of {found}", token.at)
        if token.value in ("true", "false"):
            return literal("bool", token.value == "true", token.at)
        if self.token.kind == "sign" and self.token.value == "(":
            return self.call(token, depth)
        return self.named(token)

    def listed(self, depth: int) -> Compiled:
        at = self.need("[").at
        items: list[Compiled] = []
        while not self.take("]"):
            if items:
                self.need(",")
                if self.take("]"):
                    break
            items.append(self.expression(depth + 1))
            if len(items) > MOST_LISTED:
                raise ConditionError(f"a list has {MOST_LISTED} values at most", at)
        kinds = {item.kind for item in items}
        if len(kinds) > 1:
            raise ConditionError(f"a list holds values of one type, not {' and '.join(sorted(kinds))}", at)
        kind = f"list({next(iter(kinds), 'none')})"
        if all(item.constant is not None for item in items):
            values = [item.constant for item in items]
            return Compiled(kind, lambda facts: values, at, values)
        parts = [item.evaluate for item in items]
        return Compiled(kind, lambda facts: [part(facts) for part in parts], at)

    # --- names and calls

    def named(self, token: Token) -> Compiled:
        name, at = token.value, token.at
        if name in self.bound:
            kind, cell = self.bound[name]
            return Compiled(kind, lambda facts: cell[0], at)
        if name in ("headers", "principal"):
            self.uses.add(name)
            return Compiled(name, nothing, at)
        return self.fact(name, at)

    def fact(self, name: str, at: int) -> Compiled:
        if name not in FACTS:
            near = get_close_matches(name, [*FACTS, "headers"], n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; there is: headers, {', '.join(FACTS)}"
            raise ConditionError(f"nothing is called {name}{hint}", at)
        self.uses.add(name)
        kind, evaluate = FACTS[name]
        return Compiled(kind, evaluate, at)

    def header(self, name: str, at: int) -> Compiled:
        self.uses.add("headers")
        return indexed(Compiled("headers", nothing, at), literal("string", name, at))

    def member(self, value: Compiled, depth: int) -> Compiled:
        token = self.token
        if token.kind != "name":
            raise ConditionError("expected a name behind the dot", token.at)
        self.position += 1
        if self.token.kind == "sign" and self.token.value == "(":
            return self.method(value, token, depth)
        if value.kind == "headers":
            return self.header(token.value, value.at)
        if value.kind == "principal":
            return self.fact(f"principal.{token.value}", value.at)
        raise ConditionError(f"{value.kind} has no member {token.value}", token.at)

    def arguments(self, depth: int) -> list[Compiled]:
        self.need("(")
        found: list[Compiled] = []
        while not self.take(")"):
            if found:
                self.need(",")
            found.append(self.expression(depth + 1))
        return found

    def call(self, token: Token, depth: int) -> Compiled:
        name = token.value
        if name == "has":
            return self.has(token)
        given = self.arguments(depth)
        if name == "size" and len(given) == 1:
            return method("size", given, token.at)
        if len(given) != 1 or (name, given[0].kind) not in CONVERSIONS:
            kinds = ", ".join(value.kind for value in given)
            raise ConditionError(f"there is no function {name}({kinds})", token.at)
        kind, work = CONVERSIONS[name, given[0].kind]
        if given[0].constant is not None:
            try:
                return literal(kind, work(given[0].constant), token.at)
            except Fault as fault:
                raise ConditionError(str(fault), given[0].at) from None
        inner = given[0].evaluate
        return Compiled(kind, lambda facts: work(inner(facts)), token.at)

    def has(self, token: Token) -> Compiled:
        """``has(headers.name)``."""
        self.need("(")
        if not self.take("headers"):
            raise ConditionError("has() takes a member of headers", self.token.at)
        self.need(".")
        name = self.token
        if name.kind != "name":
            raise ConditionError("has() takes a member of headers", name.at)
        self.position += 1
        self.need(")")
        return self.present(name.value, token.at)

    def present(self, name: str, at: int) -> Compiled:
        self.uses.add("headers")
        wanted = name.lower().encode()
        return Compiled("bool", lambda facts: facts.header(wanted) is not None, at)

    def method(self, value: Compiled, token: Token, depth: int) -> Compiled:
        name = token.value
        if name in ("exists", "all") and value.kind.startswith("list("):
            return self.macro(value, token, depth)
        given = [value, *self.arguments(depth)]
        if name == "matches":
            return matching(given, token.at)
        if value.kind == "timestamp" and name in CALENDAR:
            return calendar(name, given, token.at)
        return method(name, given, token.at)

    def macro(self, values: Compiled, token: Token, depth: int) -> Compiled:
        """``list.exists(name, test)`` and ``list.all(name, test)``; errors are passed over as by || and &&."""
        self.need("(")
        variable = self.token
        if variable.kind != "name" or variable.value in ("true", "false"):
            raise ConditionError("expected the name of a variable", variable.at)
        self.position += 1
        self.need(",")
        cell: list[Any] = [None]
        hidden = self.bound.get(variable.value)
        self.bound[variable.value] = values.kind[5:-1], cell
        test = self.expression(depth + 1)
        del self.bound[variable.value]
        if hidden is not None:
            self.bound[variable.value] = hidden
        self.need(")")
        if test.kind != "bool":
            raise ConditionError(f"a test is true or false, not {test.kind}", test.at)
        decides: bool = token.value == "exists"
        listed, judged = values.evaluate, test.evaluate

        def evaluate(facts: Facts) -> bool:
            fault: Fault | None = None
            for item in listed(facts):
                cell[0] = item
                try:
                    if judged(facts) is decides:
                        return bool(decides)
                except Fault as found:
                    fault = found
            if fault is not None:
                raise fault
            return not decides

        return Compiled("bool", evaluate, values.at)


def nothing(facts: Facts) -> None:
    """What ``headers`` and ``principal`` are by themselves: only their members have values."""
