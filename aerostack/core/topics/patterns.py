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
