"""
How far one watcher has an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.growth import Grown, Growth, Valued
from aerostack.core.answers.units import after, units

_PLACE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")

MAX_PLACE = 8192
"""How many characters a place has at the most."""

_values = msgspec.json.Decoder(dict[str, Any])


class Cursor:
    """
    Takes what a watcher lacks of an answer, as far as it has its place in the topic's log.

    Nothing waits for a slow watcher: it takes the text from the answer when it has room.
    """

    def __init__(self, answer: Answer, place: str = "") -> None:
        """
        @param place: The L{place} up to which the watcher has the answer; empty for nothing.  A
            place that is not valid counts as nothing.
        """
        self._answer = answer
        self._values: dict[str, bytes] = {}
        self._lengths = self._read(_lengthsOf(place))

    def _read(self, lengths: list[int]) -> dict[str, int]:
        parts = tuple(self._answer.parts.values())
        if len(lengths) > len(parts):
            return {}
        found = {part.name: n for part, n in zip(parts, lengths, strict=False)}
        isValid = all(
            found.get(part.name, 0) <= part.length and part.isBoundary(found.get(part.name, 0))
            for part in parts
        )
        return found if isValid else {}

    @property
    def place(self) -> str:
        """
        The lengths of the parts that the watcher has, in the order of the parts.
        """
        return ".".join(
            str(self._lengths[name]) for name in self._answer.parts if name in self._lengths
        )

    @property
    def isAtEnd(self) -> bool:
        """Whether there is nothing to take now."""
        return self._answer.isCut or not any(
            part.shown > self._lengths.get(part.name, 0)
            or (part.value is not None and part.value is not self._values.get(part.name))
            for part in self._answer.parts.values()
        )

    def take(self, most: int) -> list[Growth]:
        """
        Take what the watcher lacks.

        @param most: After how many characters to take no more.
        """
        growths: list[Growth] = []
        if self._answer.isCut:
            return growths
        for part in self._answer.parts.values():
            known = self._lengths.setdefault(part.name, 0)
            for start, text, _ in part.pieces(known, part.shown):
                growths.append(Grown(part.name, part.kind, text))
                self._lengths[part.name] = start + units(text)
                most -= len(text)
                if most <= 0:
                    return growths
            if part.value is not None and part.value is not self._values.get(part.name):
                self._values[part.name] = part.value
                growths.append(Valued(part.name, part.kind, _values.decode(part.value)))
        return growths


def growthOf(parts: list[Mapping[str, Any]], place: str = "") -> list[Growth]:
    """
    What an answer has, as one growth for each text and each value.

    @param parts: The C{parts} of a stream, as C{ai.get} and the history have them.
    @param place: See L{Cursor}.
    """
    lengths = _lengthsOf(place)
    growths: list[Growth] = []
    for number, fields in enumerate(parts):
        name, kind = str(fields.get("part")), str(fields.get("kind"))
        text = fields.get("args" if kind == "tool" else "text")
        value = {key: each for key, each in fields.items() if key not in _OWN}
        if isinstance(text, str):
            rest = after(text, lengths[number]) if number < len(lengths) else text
            if rest is None:
                # The place is none of this answer.
                return growthOf(parts)
            if rest:
                growths.append(Grown(name, kind, rest))
        if kind in ("tool", "data") and value:
            growths.append(Valued(name, kind, value))
    return growths


def _lengthsOf(place: str) -> list[int]:
    if len(place) > MAX_PLACE or not _PLACE.fullmatch(place):
        return []
    return [int(length) for length in place.split(".")]


_OWN = ("part", "kind", "text", "args")
