"""
What a publisher has written of a stream, and how much of it the daemon has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

from aerostack.client.errors import ClientError
from aerostack.client.outgoing import encodeGiven, requireText
from aerostack.core.answers.units import after, units

TEXT, REASONING, TOOL, DATA = "text", "reasoning", "tool", "data"
"""The kinds of a part."""

LONGEST = 16_384
"""How many characters one operation has at most."""

_BATCH = 4 * LONGEST
"""About how many characters go out together."""

_REFUSALS = frozenset(("invalid_arguments", "stream_mismatch", "too_large"))
"""The codes of such refusals: a value is too large, there are too many parts, a part changes its
kind."""


class StreamEnded(ClientError):
    """
    The stream takes nothing more: it was cancelled or aborted, or another publisher has taken it
    over.

    @ivar state: C{done}, C{failed}, C{cancelled} or C{aborted}; C{streaming} where another
        publisher goes on.
    @ivar by: The user who cancelled it, if the daemon says so.
    """

    def __init__(self, code: str, message: str, state: str, by: str | None = None) -> None:
        super().__init__(code, message)
        self.state = state
        self.by = by


def readEnd(error: ClientError) -> StreamEnded | None:
    """
    Read a refusal that ends a stream.

    @return: L{None} if the stream goes on.
    """
    if isinstance(error, StreamEnded):
        return error
    if error.code == "stream_ended":
        state, by = error.details.get("state"), error.details.get("by")
        return StreamEnded(
            error.code, error.message, str(state), by if isinstance(by, str) else None
        )
    if error.code == "stream_fenced":
        return StreamEnded(error.code, error.message, "streaming")
    if error.code == "stream_unknown":
        return StreamEnded(error.code, error.message, "unknown")
    return None


def isRefused(error: object) -> TypeGuard[ClientError]:
    """
    Whether the daemon refuses what was written of a stream, however often it is sent.
    """
    return isinstance(error, ClientError) and error.code in _REFUSALS


Held = tuple[Mapping[str, int], Mapping[str, int]]
"""What the daemon has of a stream: the length of each part, UTF-16 units; and how often text of the
part was taken back, if it was."""


def readGap(error: object) -> Held | None:
    """
    Read a refusal of text that begins behind what the daemon has.

    @return: What the daemon has; L{None} for another error.
    """
    if not isinstance(error, ClientError) or error.code != "stream_gap":
        return None
    lengths, editions = error.details.get("length"), error.details.get("edition")
    if not isinstance(lengths, dict):
        return None
    return lengths, editions if isinstance(editions, dict) else {}


@dataclass(slots=True)
class _Piece:
    """
    What one operation brings: text, or a value.

    @ivar at: Where the text begins in its part, UTF-16 units.
    @ivar edition: How often text of the part was taken back, with this piece.
    """

    part: str
    kind: str
    at: int
    text: str | None
    value: Any = None
    edition: int = 0

    def isIn(self, held: Held) -> bool:
        """Whether the daemon certainly has it."""
        if self.text is None:
            # A value does no harm twice.
            return False
        length, edition = (each.get(self.part, 0) for each in held)
        if self.edition != edition:
            return self.edition < edition
        return self.at + units(self.text) <= length

    @property
    def operation(self) -> dict[str, Any]:
        """The operation, as C{ai.append} takes it."""
        named = {"part": self.part, "kind": self.kind}
        if self.text is None:
            return {**named, "value": self.value}
        again = {"edition": self.edition} if self.edition else {}
        return {**named, "at": self.at, "text": self.text, **again}


class Draft:
    """
    All that the publisher has written of a stream, in order.

    The draft also keeps what the daemon has: a daemon that was restarted may have lost the newest
    text, and gets it again.
    """

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        # By part, its length in UTF-16 units.
        self._lengths: dict[str, int] = {}
        self._editions: dict[str, int] = {}
        # How many pieces the daemon has; how many of the others are under way; and how many have
        # ever been.
        self._taken = 0
        self._flying = 0
        self._flown = 0

    @property
    def isPending(self) -> bool:
        """Whether there is something to send, and nothing is under way."""
        return not self._flying and self._taken < len(self._pieces)

    @property
    def hasFlown(self) -> bool:
        """Whether anything has gone out."""
        return self._flown > 0

    @property
    def isTaken(self) -> bool:
        """Whether the daemon has everything."""
        return self._taken == len(self._pieces)

    @property
    def waiting(self) -> int:
        """How many characters the daemon does not have."""
        return sum(len(each.text or "") for each in self._pieces[self._taken :])

    def write(self, part: str, kind: str, text: str, reset: int | None = None) -> None:
        """
        Add text to a part.

        @param reset: Take back first what was written behind this place, UTF-16 units; L{None} to
            take back nothing.
        @raise TypeError: The text, or the name of the part or kind, is no text.
        @raise ValueError: One of them has half a character in it, or C{reset} is no place between
            two characters of the part.
        """
        requireText(text, "what is written")
        try:
            for each in (text, requireText(part, "part"), requireText(kind, "kind")):
                each.encode()
        except UnicodeEncodeError:
            raise ValueError(
                "the text has half a character in it (an unpaired surrogate); cut it elsewhere"
            ) from None
        if reset is not None:
            self._checkPlace(part, reset)
            # An edition of its own says only where the part is cut, and the next one brings the
            # text.  A daemon that was restarted may have lost both; it would take later text of one
            # edition for its beginning, and refuses the text of an edition that leaves one out.
            self._takeBack(part, reset)
            self._add(part, kind, "")
            self._takeBack(part, reset)
        first = text[:LONGEST]
        if first or reset is not None:
            self._add(part, kind, first)
        for begin in range(LONGEST, len(text), LONGEST):
            self._add(part, kind, text[begin : begin + LONGEST])

    def _takeBack(self, part: str, place: int) -> None:
        self._lengths[part] = place
        self._editions[part] = self._editions.get(part, 0) + 1

    def _checkPlace(self, part: str, place: int) -> None:
        """Make sure that a place is between two characters of a part."""
        length = self._lengths.get(part, 0)
        if not 0 <= place <= length:
            raise ValueError(f"reset is a place in the part {part}, which has {length} units")
        for piece in reversed(self._pieces):
            # The newest text of a place is what the part has there.
            if piece.part == part and piece.text is not None and piece.at <= place:
                inner = place - piece.at
                if inner < units(piece.text) and after(piece.text, inner) is None:
                    raise ValueError("reset is within a character; take it back as a whole")
                if inner <= units(piece.text):
                    return

    def put(self, part: str, kind: str, value: Any) -> None:
        """
        Give a part a value, instead of the value before.

        @param value: A JSON value.
        @raise TypeError: The value has a type that JSON does not have.
        @raise ValueError: The value is not in JSON, or common parsers cannot hold it.
        """
        name = f"the value of the part {requireText(part, 'part')}"
        payload = encodeGiven(value, name)
        # As it is now: the application may change it later.
        piece = _Piece(part, kind, 0, None, json.loads(payload))
        # It goes out within a list, which may not be nested too deeply.
        encodeGiven([piece.operation], name)
        self._pieces.append(piece)

    def _add(self, part: str, kind: str, text: str) -> None:
        at, edition = self._lengths.get(part, 0), self._editions.get(part, 0)
        self._lengths[part] = at + units(text)
        # A piece that went out stays as it is: if it goes out again, it must be the same.
        last = self._pieces[-1] if self._flown < len(self._pieces) else None
        if (
            last is not None
            and last.text is not None
            and (last.part, last.kind, last.edition) == (part, kind, edition)
            and len(last.text) + len(text) <= LONGEST
        ):
            last.text += text
        else:
            self._pieces.append(_Piece(part, kind, at, text, None, edition))

    # To the daemon

    def take(self) -> list[dict[str, Any]]:
        """
        Take the next operations, which are then under way.
        """
        size = count = 0
        for piece in self._pieces[self._taken :]:
            size += len(piece.text or "") + 1
            if count and size > _BATCH:
                break
            count += 1
        self._flying = count
        self._flown = max(self._flown, self._taken + count)
        return [piece.operation for piece in self._pieces[self._taken : self._taken + count]]

    @property
    def whole(self) -> dict[str, Any]:
        """
        The fields of the end that say how much was written.  The daemon may have lost text that it
        had taken, in a restart; it does not end the stream then.
        """
        editions = {"edition": dict(self._editions)} if self._editions else {}
        return {"length": dict(self._lengths), **editions}

    def taken(self) -> None:
        """
        The daemon has what was under way.
        """
        self._taken += self._flying
        self._flying = 0

    def again(self) -> None:
        """
        The client does not know whether the daemon has what was under way: the same goes out again.
        """
        self._flying = 0

    def rewind(self, held: Held) -> None:
        """
        Begin again where the daemon's text ends.
        """
        self._flying = 0
        lengths, editions = held
        for place, piece in enumerate(self._pieces):
            if not piece.isIn(held):
                self._taken = place
                if piece.edition == editions.get(piece.part, 0):
                    self._cut(place, lengths.get(piece.part, 0))
                return
        self._taken = len(self._pieces)

    def _cut(self, place: int, held: int) -> None:
        """Divide a piece of which the daemon has the beginning."""
        piece = self._pieces[place]
        if piece.text is None or held <= piece.at:
            return
        rest = after(piece.text, held - piece.at)
        if rest is not None:
            begin = piece.text[: len(piece.text) - len(rest)]
            self._pieces[place : place + 1] = [
                replace(piece, text=begin),
                replace(piece, at=held, text=rest),
            ]
            self._taken += 1
            self._flown += 1
