"""
Server-sent events (WHATWG HTML, 9.2), read from bytes and written to bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

EVENT_BYTES = 1_048_576
"""How many bytes an event has at the most, unless a reader says otherwise."""

COMMENT = b":\n\n"
"""A line that no reader takes for an event.  It keeps proxies from closing a quiet connection."""

DONE = "[DONE]"
"""The data of the last event, by which OpenAI and those who follow it end an answer."""

MEDIA_TYPE = b"text/event-stream"

_END = re.compile(rb"\r\n|\n|\r")

_ONE_LINE = bytes.maketrans(b"\r\n", b"  ")

# Some readers take these characters for the end of a line.  In JSON they stand only in strings,
# where an escape means the same.
_SEPARATORS = (
    (b"\xc2\x85", b"\\u0085"),
    (b"\xe2\x80\xa8", b"\\u2028"),
    (b"\xe2\x80\xa9", b"\\u2029"),
)


class EventTooLarge(ValueError):
    """
    An event has more bytes than the reader takes.
    """


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """
    An event.

    @ivar data: The lines of its data, joined by newlines.
    @ivar event: Its type; empty for a message.
    @ivar id: The id that was given last, by this event or by one before; empty without one.
    """

    data: str
    event: str = ""
    id: str = ""


class EventReader:
    """
    Reads events from bytes that come in pieces of any length.
    """

    def __init__(
        self, eventBytes: int = EVENT_BYTES, comment: Callable[[bytes], object] | None = None
    ) -> None:
        """
        @param eventBytes: How many bytes the lines of one event may have.
        @param comment: Called with each comment, which has a colon at its beginning.
        """
        self._comment = comment
        self._limit = eventBytes
        # The bytes of the line that is not whole yet.
        self._line = bytearray()
        # Whether a newline that comes next belongs to a carriage return before it.
        self._returned = False
        self._isFirst = True
        self._id = ""
        self._reset()

    def _reset(self) -> None:
        self._event = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """
        Read some more bytes.

        @return: The events that are whole now.  An event whose blank line never comes is none.
        @raise EventTooLarge: An event has too many bytes.
        """
        if self._returned and data:
            self._returned = False
            data = data.removeprefix(b"\n")
        if not data:
            return []
        *ended, rest = _END.split(data)
        self._returned = data.endswith(b"\r")
        events: list[ServerSentEvent] = []
        for piece in ended:
            self._grow(piece)
            event = self._take(bytes(self._line))
            self._line.clear()
            if event is not None:
                events.append(event)
        self._grow(rest)
        return events

    def _grow(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._limit:
            raise EventTooLarge(f"an event has more than {self._limit} bytes")
        self._line += piece

    def _take(self, line: bytes) -> ServerSentEvent | None:
        """Read a whole line; give the event that it ends."""
        if self._isFirst:
            self._isFirst = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            event = None
            if self._data:
                event = ServerSentEvent("\n".join(self._data), self._event, self._id)
            self._reset()
            return event
        if line.startswith(b":"):
            # A comment takes no memory.
            self._size -= len(line)
            if self._comment is not None:
                self._comment(line)
            return None
        # No newline is a part of a character, so every line is whole.
        field, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id" and "\0" not in value:
            self._id = value
        return None


def writeEvent(data: bytes, event: str = "", id: str = "") -> bytes:
    """
    Write an event.

    @param data: JSON, or a line of text.
    @param event: Its type, a word; empty for a message.
    @param id: Its id, which a reader brings back as C{Last-Event-ID}; empty for none.
    """
    # JSON that clients have sent may have several lines.  Line ends stand only between its tokens.
    data = data.translate(_ONE_LINE)
    for character, escape in _SEPARATORS:
        data = data.replace(character, escape)
    head = f"event: {event}\n" if event else ""
    if id:
        head += f"id: {id}\n"
    return b"%bdata: %b\n\n" % (head.encode(), data)
