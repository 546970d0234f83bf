"""
One part of a streamed answer: a text that grows, a value, or both.

The text is in memory once, as UTF-8: a string of Python takes two or four bytes for each character
as soon as one of them is a quotation mark or an emoji.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import takewhile
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

CHUNK = 1024
"""How many bytes a piece of the text has that is to become a block.  Where a long text grows as one
piece, memory has to be found for it again and again, and holes are left."""

OVERHEAD = 400
"""About how many bytes a part takes beside its text and its value."""


class Block:
    """
    A piece of a part's text that does not change any more.

    @ivar start: Where it begins in the part, UTF-16 units.
    @ivar data: The text as UTF-8.
    @ivar length: UTF-16 units of the text.
    @ivar frame: The frame of the whole block; L{None} if it is not kept (see
        L{aerostack.core.answers.blockframes}).
    """

    __slots__ = ("__weakref__", "data", "frame", "length", "start")

    def __init__(self, start: int, text: str) -> None:
        self.start = start
        self.data = _encode(text)
        self.length = units(text)
        self.frame: Any = None

    @property
    def end(self) -> int:
        """Where it ends in the part, UTF-16 units."""
        return self.start + self.length

    @property
    def text(self) -> str:
        """The text, made anew."""
        return _decode(self.data)


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
    @ivar size: About how many bytes of memory it takes: those of its text as UTF-8, and some more.
    """

    __slots__ = (
        "_blocks",
        "_chunks",
        "_former",
        "_formerSize",
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
        # The text behind the last block, as UTF-8: whole chunks, and what is behind them.
        self._chunks: list[bytes] = []
        self._open = bytearray()
        # UTF-16 units of both.
        self._openLength = 0
        # What was taken since the newest text was given to the engine.
        self._fresh: list[str] = []
        # The parts in whose place this one goes on.  Only the newest part has them: where each had
        # those before it, there would be a way to each of them for every choice of parts between.
        self._former: list[Part] = []
        self._formerSize = 0

    def append(self, text: str) -> None:
        """
        Let the text grow.
        """
        if not text:
            return
        data = _encode(text)
        grown = len(data) if len(data) == len(text) else units(text)
        self.length += grown
        self.size += len(data)
        self._fresh.append(text)
        self._open += data
        self._openLength += grown
        if self._openLength >= PIECE:
            self._close()
        elif len(self._open) >= CHUNK:
            self._cutChunks()

    @property
    def _tail(self) -> bytes:
        """The text behind the last block, as UTF-8."""
        return b"".join((*self._chunks, self._open))

    @_tail.setter
    def _tail(self, data: bytes) -> None:
        self._chunks, self._open = [], bytearray(data)
        self._cutChunks()

    def _cutChunks(self) -> None:
        """Make chunks of what is behind the last one.  They may begin within a character."""
        whole = len(self._open) - len(self._open) % CHUNK
        self._chunks += (bytes(self._open[at : at + CHUNK]) for at in range(0, whole, CHUNK))
        self._open = self._open[whole:]

    def _close(self) -> None:
        """Make blocks of the text behind the last one."""
        text = _decode(self._tail)
        start = self.length - self._openLength
        while self._openLength >= PIECE:
            head = before(text, PIECE)
            block = Block(start, head)
            self._blocks.append(block)
            self._starts.append(start)
            start = block.end
            self._openLength -= block.length
            text = text[len(head) :]
        self._tail = _encode(text)

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
        self._blocks, self._starts, self._tail, self._openLength = [], [], b"", 0
        self.append(text)
        self.takeFresh()

    def clear(self) -> None:
        """
        Forget the text and the value.
        """
        self._blocks, self._starts, self._tail, self._fresh = [], [], b"", []
        self.value = None
        for former in self._former:
            former.clear()
        self._former, self._formerSize = [], 0

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
        other._blocks, other._starts = self._blocks[:kept], self._starts[:kept]
        other._tail = data = _encode(rest)
        other._openLength = units(rest)
        other.length = at
        # Watchers may have less of the text.
        other.published = other.shown = min(at, self.shown)
        other._fresh = [other.read(other.shown, at)]
        other.isReset = True
        other.value = self.value
        other.size = OVERHEAD + len(self.value or b"") + len(data)
        other.size += sum(len(block.data) for block in other._blocks)
        other._former, self._former = self._former, []
        other._formerSize = self._formerSize
        self._endAt(at)
        # Of two parts in whose place others go on, the earlier one does not end behind the later.
        longer = list(takewhile(lambda former: former.length > at, reversed(other._former)))
        for former in longer:
            other._formerSize += former._endAs(self)
        # As long as watchers did not get it, the log does not refer to this part.
        if not self.isReset:
            other._former.append(self)
            other._formerSize += self.size
        elif longer:
            # One of those who share the text is counted with it.
            other._formerSize += self.size - longer[0].size
            longer[0].size = self.size
        return other

    @property
    def whole(self) -> int:
        """About how many bytes it takes with the parts in whose place it goes on."""
        return self.size + self._formerSize

    def _headOf(self, at: int) -> tuple[int, str]:
        """How many whole blocks are before a place, and the text between these and the place."""
        kept = bisect_right(self._starts, at)
        if kept and self._blocks[kept - 1].end > at:
            kept -= 1
        begin = self._blocks[kept - 1].end if kept else 0
        return kept, self.read(begin, at)

    def _endAt(self, at: int) -> None:
        """End at a place, and grow no more."""
        if at < self.length:
            kept, rest = self._headOf(at)
            self._blocks, self._starts = self._blocks[:kept], self._starts[:kept]
            self._tail, self._openLength = _encode(rest), units(rest)
            self.length = at
            self.shown, self.published = min(self.shown, at), min(self.published, at)
        self._fresh = []
        # The whole blocks are those of the part that goes on.
        self.size = OVERHEAD + len(self._tail)

    def _endAs(self, later: Part) -> int:
        """
        End where a part ends that has the same text until there, and share that: where text is
        taken back many times, all parts before end anew each time.

        @return: By how many bytes its size has changed.
        """
        self._blocks, self._starts = later._blocks, later._starts
        self._chunks, self._open, self._openLength = later._chunks, later._open, later._openLength
        self.length = later.length
        self.shown, self.published = min(self.shown, self.length), min(self.published, self.length)
        self._fresh = []
        before, self.size = self.size, OVERHEAD
        return self.size - before

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
        return block.start if place < block.end else block.end

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
        for begin, end, block in self.spans(start, until):
            yield begin, self._between(begin, end) if block is None else block.text, block

    def spans(self, start: int, until: int) -> Iterator[tuple[int, int, Block | None]]:
        """
        As L{pieces}, without the texts: where each piece begins and ends, and the block that it is,
        if it is a whole one.
        """
        # Between two pieces the text may grow, so that there are more blocks, or be taken back.
        while start < (until := min(until, self.length)):
            block = self._blockAt(start)
            end = min(until, self.length if block is None else block.end)
            isWhole = block is not None and (start, end) == (block.start, block.end)
            yield start, end, block if isWhole else None
            start = end

    def _blockAt(self, place: int) -> Block | None:
        """The block that has the character at a place; L{None} if it is behind the last one."""
        number = bisect_right(self._starts, place) - 1
        block = self._blocks[number] if number >= 0 else None
        return block if block is not None and place < block.end else None

    def _between(self, start: int, until: int) -> str:
        """The text between two places of one block, or behind the last one."""
        block = self._blockAt(start)
        if block is not None:
            return _between(block.data, start - block.start, until - block.start)
        begin = self.length - self._openLength
        return _between(self._tail, start - begin, until - begin)


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


def _between(data: bytes, start: int, until: int) -> str:
    """
    Give a text between two places, UTF-16 units, neither of which is within a character.  The
    second may be behind the end.
    """
    if data.isascii():
        return data[start:until].decode()
    rest = after(_decode(data), start)
    assert rest is not None, "the place is within a character"
    return before(rest, until - start)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")
