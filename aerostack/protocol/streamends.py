"""
The ends of token streams, with and without the texts of these.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from aerostack.core.answers.answer import Answer
from aerostack.protocol.codec import encodeValue
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.framing import Frame, payloadOf
from aerostack.protocol.serverframes import Event
from aerostack.protocol.streams import DONE, readFields, textFields


class EndEvent(msgspec.Struct, frozen=True):
    """
    The event with which a stream ends, as watchers get it: without the text.
    """

    topic: str
    timestamp: int
    event: str = ""
    stream: str = ""
    state: str = ""
    pos: str = ""
    data: Raw = Raw(b"null")

    def whole(self, data: bytes) -> Frame:
        """
        Make the frame of the same event with other data.

        @param data: JSON.
        """
        event = Event(
            topic=self.topic,
            event=DONE,
            data=Raw(data),
            timestamp=self.timestamp,
            stream=self.stream,
            state=self.state or UNSET,
            pos=self.pos or UNSET,
        )
        return wireFrame(event, self.topic)


_ABOUT_END = DONE.encode()

_events = msgspec.json.Decoder(EndEvent)


def readEnd(frame: Frame) -> EndEvent | None:
    """
    Read a frame with which a stream ends; L{None} for any other frame.
    """
    payload = payloadOf(frame)
    if _ABOUT_END not in payload:
        return None
    try:
        found = _events.decode(payload)
    except msgspec.ValidationError:
        return None
    # What a client has published names no stream.
    return found if found.event == DONE and found.stream else None


def wholeData(answer: Answer, data: bytes) -> bytes:
    """
    The data of the event with which a stream ends, with its text, as JSON.

    @param data: The data without the text, JSON.
    """
    return encodeValue({**textFields(answer), **(readFields(data) or {})})


def wholeReadData(read: bytes, data: bytes) -> bytes:
    """
    The same, by what L{aerostack.protocol.streams.readData} gives.

    @param read: That, JSON.
    @param data: The data without the text, JSON.
    """
    fields = readFields(read) or {}
    text = {name: fields[name] for name in ("text", "parts") if name in fields}
    return encodeValue({**text, **(readFields(data) or {})})
