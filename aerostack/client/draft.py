"""
What a publisher has written of a stream, and how much of it the daemon has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aerostack.client.errors import ClientError
from aerostack.core.answers.units import after, units

TEXT, REASONING, TOOL, DATA = "text", "reasoning", "tool", "data"
"""The kinds of a part."""

LONGEST = 16_384
"""How many characters one operation has at most."""

_BATCH = 4 * LONGEST
"""About how many characters go out together."""


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


def readGap(error: object) -> Mapping[str, int] | None:
    """
    Read a refusal of text that begins behind what the daemon has.

    @return: How much the daemon has of each part, UTF-16 units; L{None} for another error.
    """
    if not isinstance(error, ClientError) or error.code != "stream_gap":
        return None
    lengths = error.details.get("length")
    return lengths if isinstance(lengths, dict) else None


@dataclass(slots=True)
class _Piece:
    """
    What one operation brings: text, or a value.

    @ivar at: Where the text begins in its part, UTF-16 units.
    """

    part: str
    kind: str
    at: int
    text: str | None
    value: Any = None

    @property
    def operation(self) -> dict[str, Any]:
        """The operation, as C{ai.append} takes it."""
        named = {"part": self.part, "kind": self.kind}
        if self.text is None:
            return {**named, "value": self.value}
        return {**named, "at": self.at, "text": self.text}


class Draft:
    """
    Everything that was written of a stream, in order.

    What the daemon has is kept too: a daemon that was restarted may have lost the newest text, and
    then gets it again.
    """

    def __init__(self) -> None:
        self._pieces: list[_Piece] = []
        self._lengths: dict[str, int] = {}
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

    def write(self, part: str, kind: str, text: str) -> None:
        """
        Add text to a part.

        @raise ValueError: The text has half a character in it.
        """
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ValueError(
                "the text has half a character in it (an unpaired surrogate); cut it elsewhere"
            ) from None
        for begin in range(0, len(text), LONGEST):
            self._add(part, kind, text[begin : begin + LONGEST])

    def put(self, part: str, kind: str, value: Any) -> None:
        """
        Give a part a value, instead of the value before.

        @param value: A JSON value.
        """
        self._pieces.append(_Piece(part, kind, 0, None, value))

    def _add(self, part: str, kind: str, text: str) -> None:
        at = self._lengths.get(part, 0)
        self._lengths[part] = at + units(text)
        # A piece that went out stays as it is: if it goes out again, it must be the same.
        last = self._pieces[-1] if self._flown < len(self._pieces) else None
        if (
            last is not None
            and last.text is not None
            and (last.part, last.kind) == (part, kind)
            and len(last.text) + len(text) <= LONGEST
        ):
            last.text += text
        else:
            self._pieces.append(_Piece(part, kind, at, text))

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

    def rewind(self, lengths: Mapping[str, Any]) -> None:
        """
        Begin again where the daemon's text ends.

        @param lengths: How much the daemon has of each part, UTF-16 units.
        """
        self._flying = 0
        for place, piece in enumerate(self._pieces):
            held = lengths.get(piece.part, 0)
            # A value may be lost too, and does no harm twice.
            if piece.text is None or piece.at + units(piece.text) > held:
                self._taken = place
                self._cut(place, held)
                return
        self._taken = len(self._pieces)

    def _cut(self, place: int, held: int) -> None:
        """Divide a piece of which the daemon has the beginning."""
        piece = self._pieces[place]
        if piece.text is None or held <= piece.at:
            return
        rest = after(piece.text, held - piece.at)
        if rest is not None:
            head = _Piece(
                piece.part, piece.kind, piece.at, piece.text[: len(piece.text) - len(rest)]
            )
            self._pieces[place : place + 1] = [head, _Piece(piece.part, piece.kind, held, rest)]
            self._taken += 1
            self._flown += 1
