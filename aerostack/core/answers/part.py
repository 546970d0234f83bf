"""
One part of a streamed answer: a text that grows, a value, or both.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

from aerostack.core.answers.units import after, units

TEXT = "text"
REASONING = "reasoning"
TOOL = "tool"
DATA = "data"

GROWING = (TEXT, REASONING, TOOL)
"""The kinds of parts that have a text."""

VALUED = (TOOL, DATA)
"""The kinds of parts that have a value."""

PIECE = 16_384
"""How many UTF-16 units a piece of text has at the most.  As JSON in UTF-8 it has about 64 KiB at
the most, if it has no control characters."""

MANY = 64
"""How many small texts are held one by one before they become one."""

OVERHEAD = 400
"""About how many bytes a part takes beside its text and its value."""


class Block:
    """
    A piece of a part's text that does not change any more.

    @ivar start: Where it begins in the part, UTF-16 units.
    @ivar text: The text.
    @ivar length: UTF-16 units of the text.
    @ivar frame: The frame of the whole block, once a client was sent it.
    """

    __slots__ = ("frame", "length", "start", "text")

    def __init__(self, start: int, text: str) -> None:
        self.start = start
        self.text = text
        self.length = units(text)
        self.frame: Any = None


class Part:
    """
    A part.  Only its end grows: what was taken never changes.  Where a producer takes text back,
    another part goes on in its place (see L{takeBack}).

    @ivar name: The part's id, unique in its answer.
    @ivar kind: L{TEXT}, L{REASONING}, L{TOOL} or L{DATA}.
    @ivar length: How much text was taken, UTF-16 units.
    @ivar published: How much of it was given to the engine.
    @ivar shown: How much of it has its place in the topic's log.
    @ivar edition: How often text of it was taken back before.
    @ivar isReset: Whether watchers are still to get that text was taken back.
    @ivar value: The newest value as JSON; L{None} without one.
    @ivar size: About how many bytes of memory it takes.
    """

    __slots__ = (
        "_blocks",
        "_former",
        "_fresh",
        "_open",
        "_openLength",
        "_starts",
        "edition",
        "isReset",
        "kind",
        "length",
        "name",
        "published",
        "shown",
        "size",
        "value",
    )

    def __init__(self, name: str, kind: str, edition: int = 0) -> None:
        self.name = name
        self.kind = kind
        self.edition = edition
        self.isReset = False
        self.length = 0
        self.published = 0
        self.shown = 0
        self.value: bytes | None = None
        self.size = OVERHEAD
        self._blocks: list[Block] = []
        self._starts: list[int] = []
        # The text behind the last block.
        self._open: list[str] = []
        self._openLength = 0
        # What was taken since the newest text was given to the engine.
        self._fresh: list[str] = []
        # The parts in whose place this one goes on.
        self._former: list[Part] = []

    def append(self, text: str) -> None:
        """
        Let the text grow.
        """
        if not text:
            return
        grown = units(text)
        self.length += grown
        self.size += _bytesOf(text)
        self._fresh.append(text)
        self._open.append(text)
        self._openLength += grown
        if self._openLength >= PIECE:
            self._close()
        elif len(self._open) >= MANY:
            self._open = ["".join(self._open)]

    def _close(self) -> None:
        """Make blocks of the text behind the last one."""
        text = "".join(self._open)
        start = self.length - self._openLength
        while self._openLength >= PIECE:
            head = before(text, PIECE)
            block = Block(start, head)
            self._blocks.append(block)
            self._starts.append(start)
            start += block.length
            self._openLength -= block.length
            text = text[len(head) :]
        self._open = [text] if text else []

    def takeFresh(self) -> str:
        """
        Take the text that was not given to the engine yet, to give it to the engine now.
        """
        text = "".join(self._fresh)
        self._fresh.clear()
        self.published = self.length
        return text

    def giveBack(self, at: int) -> None:
        """
        Note that the engine did not take text that it was given.

        @param at: Where the text begins, UTF-16 units.
        """
        self.published = min(self.published, at)
        self._fresh = [self.read(self.published, self.length)]

    def cut(self) -> None:
        """
        Forget what has no place in the topic's log.
        """
        text = self.read(0, self.shown)
        self.size = OVERHEAD + len(self.value or b"")
        self.length = self.published = 0
        self._blocks, self._starts, self._open, self._openLength = [], [], [], 0
        self.append(text)
        self.takeFresh()

    def clear(self) -> None:
        """
        Forget the text and the value.
        """
        self._blocks, self._starts, self._open, self._fresh = [], [], [], []
        self.value = None
        for former in self._former:
            former.clear()

    def takeBack(self, at: int, edition: int) -> Part:
        """
        Take back the text behind a place.

        The topic's log still refers to this part, and so do frames that wait for slow readers.  It
        ends at that place from now on, so that none of them gets what was taken back.

        @param at: The place, UTF-16 units.  It is not within a character.
        @param edition: How often text was taken back with this time.
        @return: The part that goes on in place of this one.
        """
        other = Part(self.name, self.kind, edition)
        kept, rest = self._headOf(at)
        other._blocks, other._starts, other._open = self._blocks[:kept], self._starts[:kept], [rest]
        other._openLength = units(rest)
        other.length = at
        # Watchers may have less of the text.
        other.published = other.shown = min(at, self.shown)
        other._fresh = [other.read(other.shown, at)]
        other.isReset = True
        other.value = self.value
        other.size = OVERHEAD + len(self.value or b"") + _bytesOf(rest)
        other.size += sum(_bytesOf(block.text) for block in other._blocks)
        # As long as watchers did not get it, the log does not refer to this part.
        other._former = self._former if self.isReset else [*self._former, self]
        for former in (*other._former, self):
            former._endAt(at)
        return other

    @property
    def whole(self) -> int:
        """About how many bytes it takes with the parts in whose place it goes on."""
        return self.size + sum(former.size for former in self._former)

    def _headOf(self, at: int) -> tuple[int, str]:
        """How many whole blocks are before a place, and the text between these and the place."""
        kept = bisect_right(self._starts, at)
        if kept and self._blocks[kept - 1].start + self._blocks[kept - 1].length > at:
            kept -= 1
        begin = self._blocks[kept - 1].start + self._blocks[kept - 1].length if kept else 0
        return kept, self.read(begin, at)

    def _endAt(self, at: int) -> None:
        """End at a place, and grow no more."""
        if at < self.length:
            kept, rest = self._headOf(at)
            self._blocks, self._starts, self._open = (
                self._blocks[:kept],
                self._starts[:kept],
                [rest],
            )
            self._openLength = units(rest)
            self.length = at
            self.shown, self.published = min(self.shown, at), min(self.published, at)
        self._fresh = []
        # The whole blocks are those of the part that goes on.
        self.size = OVERHEAD + _bytesOf("".join(self._open))

    def replace(self, value: bytes) -> None:
        """
        Take a value in place of the one before.

        @param value: JSON.
        """
        self.size += len(value) - len(self.value or b"")
        self.value = value

    def isBoundary(self, place: int) -> bool:
        """
        Whether a place in the text, UTF-16 units, is not within a character.
        """
        for start, text, _ in self.pieces(max(0, self._startOf(place)), self.length):
            return after(text, place - start) is not None
        return place == self.length

    def _startOf(self, place: int) -> int:
        """Where the piece begins in which a place is."""
        number = bisect_right(self._starts, place) - 1
        if number < 0:
            return self.length - self._openLength
        block = self._blocks[number]
        end = block.start + block.length
        return block.start if place < end else end

    def read(self, start: int, until: int) -> str:
        """
        The text between two places, UTF-16 units.  Neither is within a character.
        """
        return "".join(text for _, text, _ in self.pieces(start, until))

    def pieces(self, start: int, until: int) -> Iterator[tuple[int, str, Block | None]]:
        """
        The text between two places, cut into pieces.  Neither place is within a character.

        @return: Where each piece begins, its text, and the block that it is, if it is a whole one.
        """
        # Between two pieces the text may grow, so that there are more blocks, or be taken back.
        while start < (until := min(until, self.length)):
            number = bisect_right(self._starts, start) - 1
            block = self._blocks[number] if number >= 0 else None
            if block is not None and start < block.start + block.length:
                begin, text, end = block.start, block.text, block.start + block.length
            else:
                self._open = ["".join(self._open)]
                block = None
                begin, text, end = self.length - self._openLength, self._open[0], self.length
            if block is None or start > begin or end > until:
                block = None
                text = between(text, start - begin, until - begin)
            yield start, text, block
            start = end


def before(text: str, count: int) -> str:
    """
    Give the first UTF-16 units of a text: C{count} of them, or one less if the cut would split a
    character.
    """
    if text.isascii():
        return text[:count]
    encoded = text[:count].encode("utf-16-le")[: 2 * count]
    # The first half of a character's two units is left out.
    return encoded.decode("utf-16-le", "ignore")


def between(text: str, start: int, until: int) -> str:
    """
    Give a text between two places, UTF-16 units, neither of which is within a character.  The
    second may be behind the end.
    """
    if text.isascii():
        return text[start:until]
    rest = after(text, start)
    assert rest is not None, "the place is within a character"
    return before(rest, until - start)


def _bytesOf(text: str) -> int:
    """About how many bytes of memory a text takes."""
    return len(text) if text.isascii() else 2 * len(text)
