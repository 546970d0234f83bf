"""
The reading of SQL statements, as far as their parameters are concerned.

Our users write C{?} for a parameter, PostgreSQL has C{$1}; what is in quotes, in a
comment or an operator's name is no parameter
(U{https://www.postgresql.org/docs/current/sql-syntax-lexical.html}).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_PARAMETERS = 65535
"""How many parameters one statement has at the most: their number has 16 bits."""

# Nothing here gives back what it has taken, so reading takes no longer than the text
# is long.  Letters beyond ASCII are all the same to PostgreSQL's lexer.
_TOKEN = re.compile(
    r"""
    (?P<space> \s++ | --[^\n\r]*+ )
    | (?P<comment> /\* )
    # What stands on the next lines goes on with the same rule.
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
    @ivar verb: Its first word, in capitals; empty if it has none.
    @ivar names: The words and quoted names in it, in the database's spelling.
    @ivar several: Whether something follows a semicolon.
    """

    text: str
    parameters: int
    verb: str
    names: frozenset[str]
    several: bool


def parseStatement(sql: str) -> Statement:
    """
    Read a statement whose parameters are written as C{?} or as C{$1}.

    Where they are C{?}, an operator with a question mark is written with two:
    C{data ?? 'key'}.  A statement with a C{$1} is taken as it is.

    @raise ValueError: It has too many parameters.
    """
    tokens = list(_tokens(sql))
    kinds = {kind for kind, _ in tokens}
    verb = next((text.upper() for kind, text in tokens if kind == "word"), "")
    names = frozenset(_name(kind, text) for kind, text in tokens if kind in ("word", "quoted"))
    behind = [kind for kind, _ in tokens if kind not in ("space", "comment")]
    several = "end" in behind and any(kind != "end" for kind in behind[behind.index("end") :])
    if "number" in kinds:
        # Leading zeros are allowed, and longer numbers than can be meant.
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
    Take a statement apart.  What has no end goes on to the end of the statement.

    @return: The kind and the text of each part; all texts together are the statement.
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
    """Where a comment ends that may hold others."""
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
