"""
Parses SQL statements, as far as their parameters are concerned.

Clients write C{?} for a parameter, PostgreSQL has C{$1}.  A question mark in quotes, in a comment
or in an operator's name is no parameter
(U{https://www.postgresql.org/docs/current/sql-syntax-lexical.html}).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_PARAMETERS = 65535
"""How many parameters one statement has at most: their number has 16 bits."""

# No part of this expression backtracks, so the time grows only with the length of the text.
# PostgreSQL's lexer treats all letters beyond ASCII alike.
_TOKEN = re.compile(
    r"""
    (?P<space> \s++ | --[^\n\r]*+ )
    | (?P<comment> /\* )
    # A string may continue on the next lines by the same rule.
    | (?P<string> [eE]'(?>[^'\\]|\\.|'')*+'(?>[^\S\n\r]*+[\n\r]\s*+'(?>[^'\\]|\\.|'')*+')*+
        | (?: [bBnNxX] | [uU]& )? '(?>[^']|'')*+' )
    | (?P<quoted> (?: [uU]& )? "(?>[^"]|"")++" )
    | (?P<word> [A-Za-z_\x80-\U0010FFFF][A-Za-z0-9_$\x80-\U0010FFFF]*+ )
    | (?P<dollar> \$(?: [A-Za-z_\x80-\U0010FFFF][A-Za-z0-9_\x80-\U0010FFFF]*+ )?\$ )
    | (?P<number> \$[0-9]++ )
    | (?P<escape> \?\? )
    | (?P<mark> \? )
    | (?P<end> ; )
    | (?P<other> [^\s\w'"$?;/\-]++ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")


@dataclass(frozen=True)
class Statement:
    """
    A statement as PostgreSQL reads it.

    @ivar text: Its text, with C{$1} for the first parameter.
    @ivar parameters: How many values it takes.
    @ivar verb: Its first word, in capitals; empty without one.
    @ivar names: The words and quoted names in it, in the database's spelling.
    @ivar several: Whether a semicolon is followed by another statement.
    """

    text: str
    parameters: int
    verb: str
    names: frozenset[str]
    several: bool


def parseStatement(sql: str) -> Statement:
    """
    Parse a statement whose parameters are written as C{?} or as C{$1}.

    In a statement with C{?}, an operator's question mark is written twice: C{data ?? 'key'}.  A
    statement with a C{$1} is left unchanged.

    @raise ValueError: It has too many parameters.
    """
    tokens = list(_tokens(sql))
    kinds = {kind for kind, _ in tokens}
    verb = next((text.upper() for kind, text in tokens if kind == "word"), "")
    names = frozenset(_name(kind, text) for kind, text in tokens if kind in ("word", "quoted"))
    behind = [kind for kind, _ in tokens if kind not in ("space", "comment")]
    several = "end" in behind and any(kind != "end" for kind in behind[behind.index("end") :])
    if "number" in kinds:
        # PostgreSQL allows leading zeros, and numbers that are longer than any valid one.
        numbers = [text[1:].lstrip("0") or "0" for kind, text in tokens if kind == "number"]
        parameters = max(int(number[:9]) for number in numbers)
        text = sql
    else:
        parameters = 0
        parts = []
        for kind, part in tokens:
            if kind == "mark":
                parameters += 1
                part = f"${parameters}"
            parts.append("?" if kind == "escape" else part)
        text = "".join(parts)
    if parameters > MAX_PARAMETERS:
        raise ValueError(f"a statement has at most {MAX_PARAMETERS} parameters")
    return Statement(text, parameters, verb, names, several)


def _tokens(sql: str) -> Iterator[tuple[str, str]]:
    """
    Split a statement into tokens.  A token without an end extends to the end of the statement.

    @return: The kind and the text of each token; all texts together are the statement.
    """
    place = 0
    while place < len(sql):
        match = _TOKEN.match(sql, place)
        assert match is not None and match.lastgroup is not None
        kind, end = match.lastgroup, match.end()
        if kind == "comment":
            end = _endOfComment(sql, end)
        elif kind == "dollar":
            found = sql.find(match[0], end)
            end = len(sql) if found < 0 else found + len(match[0])
        yield kind, sql[place:end]
        place = end


def _endOfComment(sql: str, place: int) -> int:
    """The end of a comment that may contain other comments."""
    depth = 1
    for match in _COMMENT.finditer(sql, place):
        depth += 1 if match[0] == "/*" else -1
        if not depth:
            return match.end()
    return len(sql)


def _name(kind: str, text: str) -> str:
    if kind == "word":
        return text.lower()
    return text[text.index('"') + 1 : -1].replace('""', '"')
