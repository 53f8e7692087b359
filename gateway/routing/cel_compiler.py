"""Reads a condition by precedence and compiles it on the way."""

from __future__ import annotations

from typing import Any

from gateway.routing.cel_expressions import (
    MOST_LISTED,
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
MOST_STEPS = 4096
"""Of judging a request once, tests of ``exists`` and ``all`` counted for each value of their list: a fraction of a
millisecond."""
RELATIONS = ("<", "<=", ">", ">=", "==", "!=", "in")


class Compiler:
    """Reads and compiles at once, by precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.position = 0
        self.uses: set[str] = set()
        self.bound: dict[str, tuple[str, list[Any]]] = {}
        """Variables of ``exists`` and ``all``: type, and the cell that holds the present value."""

    def over(self, made: Compiled, *parts: Compiled, times: int = 1) -> Compiled:
        """``made``, which is computed from ``parts``, the last of them so many times. Raises ConditionError."""
        made.deep = 1 + max((part.deep for part in parts), default=0)
        made.steps = 1 + sum(part.steps for part in parts[:-1]) + sum(part.steps for part in parts[-1:]) * times
        if made.deep > MOST_NESTED:
            raise ConditionError(f"is nested deeper than {MOST_NESTED}", made.at)
        if made.steps > MOST_STEPS:
            raise ConditionError(f"takes more than {MOST_STEPS} steps", made.at)
        return made

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
        made = Compiled(this.kind, lambda facts: yes(facts) if test(facts) else no(facts), chosen.at)
        made.size = max(this.size, that.size)
        return self.over(made, chosen, this, that)

    def either(self, depth: int) -> Compiled:
        parts = [self.both(depth)]
        while self.take("||"):
            parts.append(self.both(depth))
        return self.logical(parts, True, "||")

    def both(self, depth: int) -> Compiled:
        parts = [self.relation(depth)]
        while self.take("&&"):
            parts.append(self.relation(depth))
        return self.logical(parts, False, "&&")

    def logical(self, parts: list[Compiled], decides: bool, sign: str) -> Compiled:
        """``||`` is decided by true, ``&&`` by false, on any side and whatever is wrong with the other ones."""
        if len(parts) == 1:
            return parts[0]
        for part in parts:
            if part.kind != "bool":
                raise ConditionError(f"{sign} joins bools, not {part.kind}", part.at)
        sides = tuple(part.evaluate for part in parts)

        def evaluate(facts: Facts) -> bool:
            wrong = ""
            for side in sides:
                try:
                    if side(facts) is decides:
                        return bool(decides)
                except Fault as found:
                    wrong = str(found)
            return undecided(wrong, not decides)

        return self.over(Compiled("bool", evaluate, parts[0].at), *parts)

    def relation(self, depth: int) -> Compiled:
        left = self.sum(depth)
        while token := self.take(*RELATIONS):
            right = self.sum(depth)
            left = self.over(compared(token, left, right), left, right)
        return left

    def sum(self, depth: int) -> Compiled:
        left = self.product(depth)
        while token := self.take("+", "-"):
            right = self.product(depth)
            left = self.over(operated(token, left, right), left, right)
        return left

    def product(self, depth: int) -> Compiled:
        left = self.unary(depth)
        while token := self.take("*", "/", "%"):
            right = self.unary(depth)
            left = self.over(operated(token, left, right), left, right)
        return left

    def unary(self, depth: int) -> Compiled:
        if depth > MOST_NESTED:
            raise ConditionError(f"is nested deeper than {MOST_NESTED}", self.token.at)
        if token := self.take("!"):
            inner = self.unary(depth + 1)
            if inner.kind != "bool":
                raise ConditionError(f"! takes a bool, not {inner.kind}", inner.at)
            evaluate = inner.evaluate
            return self.over(Compiled("bool", lambda facts: not evaluate(facts), token.at), inner)
        if token := self.take("-"):
            if self.token.kind == "int" and self.token.value == INT_MAX + 1:
                self.position += 1
                return literal("int", -INT_MAX - 1, token.at)
            inner = self.unary(depth + 1)
            return self.over(negated(inner, token.at), inner)
        return self.postfix(depth)

    def postfix(self, depth: int) -> Compiled:
        value = self.primary(depth)
        while True:
            if self.take("."):
                value = self.member(value, depth)
            elif self.take("["):
                index = self.expression(depth + 1)
                self.need("]")
                value = self.over(indexed(value, index), value, index)
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
            made = Compiled(kind, lambda facts: values, at, values)
        else:
            parts = [item.evaluate for item in items]
            made = Compiled(kind, lambda facts: [part(facts) for part in parts], at)
        made.size = len(items)
        return self.over(made, *items)

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
            # Here and not above: a worker, which reads what was checked, has no use for it.
            from difflib import get_close_matches

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
            return self.over(method("size", given, token.at), *given)
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
        return self.over(Compiled(kind, lambda facts: work(inner(facts)), token.at), *given)

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
        wanted = name.lower()
        return Compiled("bool", lambda facts: facts.header(wanted) is not None, at)

    def method(self, value: Compiled, token: Token, depth: int) -> Compiled:
        name = token.value
        if name in ("exists", "all") and value.kind.startswith("list("):
            return self.macro(value, token, depth)
        given = [value, *self.arguments(depth)]
        if name == "matches":
            made = matching(given, token.at)
        elif value.kind == "timestamp" and name in CALENDAR:
            made = calendar(name, given, token.at)
        else:
            made = method(name, given, token.at)
        return self.over(made, *given)

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
        decides = token.value == "exists"
        listed, judged = values.evaluate, test.evaluate

        def evaluate(facts: Facts) -> bool:
            wrong = ""
            for item in listed(facts):
                cell[0] = item
                try:
                    if judged(facts) is decides:
                        return bool(decides)
                except Fault as found:
                    wrong = str(found)
            return undecided(wrong, not decides)

        return self.over(Compiled("bool", evaluate, values.at), values, test, times=values.size)


def undecided(wrong: str, otherwise: bool) -> bool:
    """The result when nothing decided: the error that was passed over, of which ``wrong`` tells, if there was one.

    An error kept for raising it later would lead to itself, and nobody collects such while requests come.
    """
    if wrong:
        raise Fault(wrong)
    return otherwise


def nothing(facts: Facts) -> None:
    """What ``headers`` and ``principal`` are by themselves: only their members have values."""
