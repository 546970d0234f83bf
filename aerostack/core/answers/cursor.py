"""
How far one watcher has an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.growth import Grown, Growth, Valued
from aerostack.core.answers.part import Part
from aerostack.core.answers.units import after, units

_NUMBER = r"[0-9]{1,9}(?:~[0-9]{1,9})?"
_PLACE = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})*")

MAX_PLACE = 8192
"""How many characters a place has at the most."""

_values = msgspec.json.Decoder(dict[str, Any])


class Cursor:
    """
    Takes what a watcher lacks of an answer, as far as it has its place in the topic's log.

    Nothing waits for a slow watcher: it takes the text from the answer when it has room.

    @ivar restarts: How often the watcher had to begin again, because text was taken back that it
        has.
    """

    def __init__(self, answer: Answer, place: str = "") -> None:
        """
        @param place: The L{place} up to which the watcher has the answer; empty for nothing.  A
            place that is not valid counts as nothing.
        """
        self.restarts = 0
        self._answer = answer
        self._values: dict[str, bytes] = {}
        self._lengths: dict[str, int] = {}
        # The parts of which the watcher has something.
        self._parts: dict[str, Part] = {}
        self._read(_lengthsOf(place))

    def _read(self, lengths: list[tuple[int, int]]) -> None:
        parts = tuple(self._answer.parts.values())
        found = list(zip(parts, lengths, strict=False))
        if len(lengths) <= len(parts) and all(
            edition == part.edition and length <= part.length and part.isBoundary(length)
            for part, (length, edition) in found
        ):
            self._lengths = {part.name: length for part, (length, _) in found}
            self._parts = {part.name: part for part, _ in found}

    @property
    def place(self) -> str:
        """
        The lengths of the parts that the watcher has, in the order of the parts; with how often
        text of a part was taken back, if it was.
        """
        return ".".join(
            f"{self._lengths[name]}~{part.edition}" if part.edition else str(self._lengths[name])
            for name, part in self._parts.items()
        )

    @property
    def isAtEnd(self) -> bool:
        """Whether there is nothing to take now."""
        return self._answer.isCut or not any(
            self._parts.get(part.name, part) is not part
            or part.shown > self._lengths.get(part.name, 0)
            or (part.value is not None and part.value is not self._values.get(part.name))
            for part in self._answer.parts.values()
        )

    def take(self, most: int) -> list[Growth]:
        """
        Take what the watcher lacks.

        @param most: After how many characters to take no more; those of the places count.
        """
        growths: list[Growth] = []
        if self._answer.isCut:
            return growths
        if any(
            self._parts.get(name, part) is not part for name, part in self._answer.parts.items()
        ):
            self.restarts += 1
            self._lengths.clear()
            self._parts.clear()
            self._values.clear()
        for part in self._answer.parts.values():
            self._parts[part.name] = part
            known = self._lengths.setdefault(part.name, 0)
            for start, text, _ in part.pieces(known, part.shown):
                self._lengths[part.name] = start + units(text)
                place = self.place
                growths.append(Grown(part.name, part.kind, text, place))
                most -= len(text) + len(place)
                if most <= 0:
                    return growths
            if part.value is not None and part.value is not self._values.get(part.name):
                self._values[part.name] = part.value
                growths.append(Valued(part.name, part.kind, _values.decode(part.value)))
        return growths


def growthOf(parts: Sequence[Mapping[str, Any]], place: str = "") -> tuple[list[Growth], bool]:
    """
    What a watcher lacks of an answer that has ended, as one growth for each text and each value.

    @param parts: The C{parts} of a stream, as C{ai.get} and the history have them.
    @param place: See L{Cursor}.
    @return: That, and whether the place is one of this answer.
    """
    lengths = _lengthsOf(place)
    if len(lengths) > len(parts):
        return growthOf(parts)[0], False
    growths: list[Growth] = []
    places = place.split(".") if lengths else []
    for number, fields in enumerate(parts):
        name, kind = str(fields.get("part")), str(fields.get("kind"))
        text = fields.get("args" if kind == "tool" else "text")
        value = {key: each for key, each in fields.items() if key not in _OWN}
        known, edition = lengths[number] if number < len(lengths) else (0, 0)
        rest = after(text if isinstance(text, str) else "", known)
        if rest is None or (number < len(lengths) and edition != fields.get("edition", 0)):
            return growthOf(parts)[0], False
        places[number : number + 1] = [placeOf((fields,))]
        if rest:
            growths.append(Grown(name, kind, rest, ".".join(places)))
        if kind in ("tool", "data") and value:
            growths.append(Valued(name, kind, value))
    return growths, bool(lengths)


def placeOf(parts: Sequence[Mapping[str, Any]]) -> str:
    """
    The place of a watcher that has all of an answer which has ended.

    @param parts: See L{growthOf}.
    """
    numbers = []
    for fields in parts:
        text = fields.get("args" if fields.get("kind") == "tool" else "text")
        number = str(units(text if isinstance(text, str) else ""))
        edition = fields.get("edition", 0)
        numbers.append(f"{number}~{edition}" if edition else number)
    return ".".join(numbers)


def _lengthsOf(place: str) -> list[tuple[int, int]]:
    """The length of each part in a place, and how often text of the part was taken back."""
    if len(place) > MAX_PLACE or not _PLACE.fullmatch(place):
        return []
    numbers = [number.partition("~") for number in place.split(".")]
    return [(int(length), int(edition or "0")) for length, _, edition in numbers]


_OWN = ("part", "kind", "edition", "text", "args")
