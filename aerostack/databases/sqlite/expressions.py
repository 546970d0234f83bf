"""
The text of SQL expressions and of C{CREATE INDEX} statements.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from aerostack.databases.sqlite.names import fold

TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\]
        | --[^\n]*(?:\n|$) | /\*.*?(?:\*/|$) | \w+ | .""",
    re.VERBOSE | re.DOTALL,
)


# The functions and words of an expression that fails on no value.
_FUNCTIONS = frozenset(
    """
    lower upper trim ltrim rtrim length substr substring coalesce ifnull nullif iif typeof hex
    instr date time datetime julianday strftime unicode
    """.split()  # noqa: SIM905
)


_WORDS = frozenset(
    """
    and or not is null isnull notnull in between case when then else end true false collate
    binary nocase rtrim cast as text integer int real numeric blob current_date current_time
    current_timestamp
    """.split()  # noqa: SIM905
)


def isHarmless(expression: str, names: Collection[str]) -> bool:
    """
    Whether an expression fails on no value, and uses only columns of the given names.

    @param names: The names, folded.
    """
    tokens = [token.group() for token in TOKEN.finditer(expression) if token.group().strip()]
    for token, behind in zip(tokens, [*tokens[1:], ""], strict=True):
        word = fold(token)
        if token[0] in '"`[':
            if fold(unquote(token)) not in names:
                return False
        elif token[0] == "'" or token[:1].isdigit() or (word == "x" and behind[:1] == "'"):
            pass
        elif re.fullmatch(r"\w+", token):
            if behind == "(" and word not in _WORDS:
                if word not in _FUNCTIONS:
                    return False
            elif word not in _WORDS and word not in names:
                return False
        elif token not in "+-*/%|&<>=!~.,()":
            return False
    return "->" not in "".join(tokens)


def indexTerms(sql: str) -> list[str]:
    """
    Extract the indexed terms from the text of a C{CREATE INDEX}.
    """
    inner = sql[sql.index("(", _endOfName(sql)) + 1 :]
    return [
        re.sub(r"\s+(?:ASC|DESC)\s*$", "", term, flags=re.IGNORECASE).strip()
        for term in splitList(inner)
    ]


def _endOfName(sql: str) -> int:
    """The end of the table's name in a C{CREATE INDEX}; the terms begin after it."""
    for token in TOKEN.finditer(sql):
        if token.group().upper() == "ON":
            after = TOKEN.match(sql, token.end() + 1)
            return token.end() if after is None else after.end()
    raise ValueError(f"no ON in {sql!r}")


def splitList(text: str) -> list[str]:
    """
    Split a list at its commas, up to the parenthesis that closes it.
    """
    parts, start, depth = [], 0, 0
    for token in TOKEN.finditer(text):
        sign = token.group()
        if sign == "(":
            depth += 1
        elif (sign == "," and depth == 0) or (sign == ")" and depth == 0):
            parts.append(text[start : token.start()])
            start = token.end()
            if sign == ")":
                break
        elif sign == ")":
            depth -= 1
    return parts


def unquote(name: str) -> str:
    """The name inside the quotes."""
    end = {"[": "]"}.get(name[0], name[0])
    return name[1:-1].replace(end * 2, end) if end in '"`' else name[1:-1]


def indexPredicate(sql: str) -> str:
    """
    Extract the WHERE from the text of a C{CREATE INDEX}.
    """
    depth = 0
    for token in TOKEN.finditer(sql):
        text = token.group()
        if text == "(":
            depth += 1
        elif text == ")":
            depth -= 1
        elif depth == 0 and text.upper() == "WHERE":
            # A comment at the end must not swallow the text that follows it in a trigger.
            return sql[token.end() :].strip() + "\n"
    raise ValueError(f"no WHERE in {sql!r}")
