"""
Patterns over topics' paths and tables' names.

C{*} stands for any text within one part, C{**} for any text across parts;
everything else stands for itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


class Patterns:
    """
    A set of patterns, compiled once.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        self._isEverything = "**" in self.patterns
        self._expression = re.compile("|".join(map(_translate, self.patterns)) or r"(?!)", re.S)

    def match(self, text: str) -> bool:
        """
        Whether the whole of a text is covered by one of the patterns.
        """
        return self._isEverything or self._expression.fullmatch(text) is not None

    def __repr__(self) -> str:
        return f"Patterns({self.patterns!r})"


def _translate(pattern: str) -> str:
    parts = re.split(r"(\*\*|\*)", pattern)
    wild = {"**": ".*", "*": "[^/]*"}
    return "".join(wild.get(part) or re.escape(part) for part in parts)


EVERYTHING = Patterns(["**"])


def overlap(one: str, other: str) -> bool:
    """
    Whether there is a text that two patterns cover.
    """
    first, second = _tokens(one), _tokens(other)
    # Whether the ends of the patterns overlap, by where the second one's begins.
    after = [False] * len(second) + [True]
    for place in reversed(range(len(second))):
        after[place] = second[place] in _WILD and after[place + 1]
    for token in reversed(first):
        here = [False] * len(second) + [token in _WILD and after[-1]]
        for place in reversed(range(len(second))):
            its = second[place]
            if token in _WILD:
                here[place] = after[place] or (_takes(token, its) and here[place + 1])
            if its in _WILD:
                here[place] = (
                    here[place] or here[place + 1] or (_takes(its, token) and after[place])
                )
            if token == its:
                here[place] = here[place] or after[place + 1]
        after = here
    return after[0]


_WILD = ("*", "**")


def _tokens(pattern: str) -> list[str]:
    """Take a pattern apart into its stars and single characters."""
    return re.findall(r"\*\*|.", pattern, re.S)


def _takes(wild: str, token: str) -> bool:
    """Whether a star covers what a token of another pattern stands for."""
    return wild == "**" or token != "/"
