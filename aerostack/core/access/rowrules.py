"""
Row rules: which rows of a table a client may read, by the claims of its token.

A rule is a list of conditions in the words of SQL, all of which must hold::

    owner_id = :sub AND team_id in :app.teams AND state <> 'draft'

C{:sub} is a claim of the reader's token, C{:app.teams} a claim inside another.  Columns and claims
whose names are not plain words are written in double quotes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from aerostack.core.rows.conditions import EQ, GT, GTE, IN, IS_NULL, LIKE, LT, LTE, NEQ

Scalar = str | int | float | bool
"""The types of values with which a column may be compared."""


@dataclass(frozen=True)
class Claim:
    """
    A claim of a token.

    @ivar path: The names of the claims that contain it, and its own name last.
    """

    path: tuple[str, ...]

    def find(self, claims: Mapping[str, Any]) -> Any:
        """
        The claim's value in a token; L{None} if the token lacks the claim.
        """
        found: Any = claims
        for name in self.path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True)
class Wanted:
    """
    A condition of a rule with the value for one reader.

    @ivar operator: One of L{aerostack.core.rows.conditions}.
    @ivar claim: The claim that the value comes from; L{None} if the rule has the value.
    """

    column: str
    operator: str
    value: Scalar | tuple[Scalar, ...]
    claim: Claim | None = None


@dataclass(frozen=True)
class Clause:
    """
    One condition of a rule.

    @ivar column: The column's name, as the database spells it.
    @ivar operator: One of L{aerostack.core.rows.conditions}.
    @ivar operand: The value or the claim with which the column is compared.
    """

    column: str
    operator: str
    operand: Claim | Scalar | tuple[Scalar, ...]

    def bind(self, claims: Mapping[str, Any]) -> Wanted:
        """
        Put the value of a claim into the condition.

        @raise ValueError: The token lacks the claim, or its value cannot be compared; the
            message names the claim.
        """
        operand = self.operand
        if not isinstance(operand, Claim):
            return Wanted(self.column, self.operator, operand)
        found = operand.find(claims)
        if found is None:
            raise ValueError(f"its claim {operand} is missing")
        if self.operator == IN:
            if not isinstance(found, list) or not all(map(_isScalar, found)):
                raise ValueError(f"its claim {operand} is no list of strings and numbers")
            return Wanted(self.column, self.operator, _ordered(found), operand)
        if not _isScalar(found):
            raise ValueError(f"its claim {operand} is neither a string nor a number")
        return Wanted(self.column, self.operator, found, operand)


@dataclass(frozen=True)
class RowRule:
    """
    Conditions on a table's rows, all of which hold.
    """

    clauses: tuple[Clause, ...]

    @property
    def needsToken(self) -> bool:
        """Whether the rule depends on the reader's token."""
        return any(isinstance(clause.operand, Claim) for clause in self.clauses)

    def bind(self, claims: Mapping[str, Any]) -> tuple[Wanted, ...]:
        """
        Put the claims of a token into the rule.

        @param claims: The token's claims, as JSON.
        @return: Equal results for tokens whose claims in the rule are equal.
        @raise ValueError: As L{Clause.bind}.
        """
        return tuple(clause.bind(claims) for clause in self.clauses)


def _isScalar(value: object) -> bool:
    # JSON has no NaN and no infinities, but parsers read them.
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _ordered(values: Sequence[Scalar]) -> tuple[Scalar, ...]:
    """The distinct values in a fixed order, so that equal sets are equal tuples."""
    found = {(type(value).__name__, value) for value in values}
    return tuple(value for _, value in sorted(found))


# Parsing

_SIGNS = {"=": EQ, "!=": NEQ, "<>": NEQ, "<": LT, "<=": LTE, ">": GT, ">=": GTE}
_WORDS = {"and", "or", "not", "in", "is", "null", "like", "between", "true", "false"}

_NAME = r'"(?:[^"]|"")+"|[^\W\d]\w*'
_TOKEN = re.compile(
    rf"""
    (?P<text>'(?:[^']|'')*')
    | :(?P<claim>(?:{_NAME})(?:\.(?:{_NAME}))*)
    | (?P<number>[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![\w.])
    | (?P<name>{_NAME})
    | (?P<sign><=|>=|<>|!=|[=<>(),])
    """,
    re.VERBOSE,
)
_LONGEST = 40


@dataclass(frozen=True)
class _Token:
    """
    A piece of a rule's text.

    @ivar kind: C{text}, C{claim}, C{number}, C{name}, C{word}, C{sign} or C{end}.
    @ivar place: The place of its first character, counted from 1.
    """

    kind: str
    text: str
    place: int

    def fail(self, expected: str) -> NoReturn:
        found = "the end" if self.kind == "end" else self.text
        raise ValueError(f"at character {self.place}: {expected}, not {found}")


def parseRows(text: str) -> RowRule:
    """
    Read a row rule.

    @raise ValueError: The rule is malformed; the message says where, and what is allowed there.
    """
    return _Parser(list(_tokens(text))).rule()


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        match = _TOKEN.match(text, place)
        if match is None:
            raise ValueError(f"at character {place + 1}: {_malformed(text[place:])}")
        kind = match.lastgroup
        assert kind is not None
        found = match[kind]
        if kind == "name" and found.lower() in _WORDS:
            kind, found = "word", found.lower()
        yield _Token(kind, found, place + 1)
        place = match.end()
    yield _Token("end", "", len(text) + 1)


def _malformed(rest: str) -> str:
    """A message about a text that does not begin with a token."""
    if rest[0] in "'\"":
        return f"what begins with {rest[0]} is empty or does not end"
    if rest[0] == ":":
        return "a colon is followed by a claim's name"
    if rest[0] in "+-0123456789":
        return "a number is written as 5, -5 or 0.5"
    return f"{rest[0]!r} means nothing here"


class _Parser:
    """
    Reads a rule from its tokens.
    """

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._next = 0

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _takes(self, kind: str, text: str) -> bool:
        """Take the next token if it is the given one."""
        token = self._tokens[self._next]
        if (token.kind, token.text) != (kind, text):
            return False
        self._next += 1
        return True

    def _expect(self, kind: str, text: str) -> None:
        if not self._takes(kind, text):
            self._take().fail(f"expected {text.upper()}")

    def rule(self) -> RowRule:
        clauses = [self._clause()]
        while self._takes("word", "and"):
            clauses.append(self._clause())
        rest = self._take()
        if rest.kind != "end":
            rest.fail("expected AND or the end")
        return RowRule(tuple(clauses))

    def _clause(self) -> Clause:
        token = self._take()
        if token.kind != "name":
            token.fail("expected a column")
        column = _unquote(token.text)
        token = self._take()
        if token.kind == "sign" and token.text in _SIGNS:
            return Clause(column, _SIGNS[token.text], self._operand())
        special = _SPECIAL.get(token.text) if token.kind == "word" else None
        if special is None:
            token.fail("expected one of = != <> < <= > >= IN LIKE IS")
        return special(self, column)

    def _operand(self) -> Claim | Scalar:
        token = self._take()
        return _claim(token) if token.kind == "claim" else _literal(token)

    def _in(self, column: str) -> Clause:
        token = self._take()
        if token.kind == "claim":
            return Clause(column, IN, _claim(token))
        if (token.kind, token.text) != ("sign", "("):
            token.fail("expected a claim or a list in parentheses")
        values = [_literal(self._take())]
        while self._takes("sign", ","):
            values.append(_literal(self._take()))
        self._expect("sign", ")")
        return Clause(column, IN, _ordered(values))

    def _like(self, column: str) -> Clause:
        token = self._take()
        if token.kind == "claim":
            # Users choose some claims of their tokens themselves, such as their name.
            token.fail("expected a pattern in quotes; what a token says is no pattern")
        if token.kind != "text":
            token.fail("expected a pattern in quotes")
        return Clause(column, LIKE, _literal(token))

    def _is(self, column: str) -> Clause:
        isNot = self._takes("word", "not")
        self._expect("word", "null")
        return Clause(column, IS_NULL, not isNot)


_SPECIAL: dict[str, Callable[[_Parser, str], Clause]] = {
    "in": _Parser._in,
    "like": _Parser._like,
    "is": _Parser._is,
}


def _claim(token: _Token) -> Claim:
    return Claim(tuple(_unquote(name) for name in re.findall(_NAME, token.text)))


def _literal(token: _Token) -> Scalar:
    if token.kind == "text":
        return token.text[1:-1].replace("''", "'")
    if token.kind == "word" and token.text in ("true", "false"):
        return token.text == "true"
    if token.kind == "number" and len(token.text) <= _LONGEST:
        number = float(token.text)
        if math.isfinite(number):
            return number if set(token.text) & set(".eE") else int(token.text)
    token.fail("expected 'text', a number, true or false")


def _unquote(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
