"""
Messages between the hub and a worker, as bytes.

A frame is a length of four bytes, the most significant byte first, and so many bytes of msgpack:
an array of the message's kind, a number, and of its fields.  Both ends run the same code, so that
frames have no versions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any

from msgspec import DecodeError, Raw, Struct, msgpack

MAX_FRAME = 16_777_216
"""How many bytes one frame may have, without its length."""

HEADER = 4
"""How many bytes the length has."""


class FrameError(Exception):
    """
    Bytes are not a frame that the codec knows, or a message makes too large a frame.
    """


class Question(Struct, frozen=True, array_like=True, tag=0):
    """
    A message that the other end answers.

    @ivar number: Counts the questions of one end.
    @ivar body: The question, itself a message.
    """

    number: int
    body: Raw


class Answer(Struct, frozen=True, array_like=True, tag=1):
    """
    What a question led to.

    @ivar number: The question's number.
    @ivar body: The answer, itself a message.
    """

    number: int
    body: Raw


class Refusal(Struct, frozen=True, array_like=True, tag=2):
    """
    A question failed.

    @ivar number: The question's number.
    @ivar code: One of L{aerostack.errors.ERRORS}.
    @ivar message: One sentence for a client.
    @ivar retryAfter: Milliseconds after which asking again may help; L{None} if it will not.
    @ivar details: What else a client gets with the error; see L{RealtimeError}.
    """

    number: int
    code: str
    message: str
    retryAfter: int | None
    details: Mapping[str, Any] = {}


class Ready(Struct, frozen=True, array_like=True, tag=3):
    """
    A worker can serve clients from now on.
    """


class Beat(Struct, frozen=True, array_like=True, tag=4):
    """
    A worker tells each second that it is alive, and how much it has to do.

    @ivar connections: How many clients' connections it has.
    @ivar received: How many connections it has received since it was started.
    @ivar lag: How late its reactor was with this message, seconds.
    @ivar processor: The processor time that it has used since it was started, seconds.
    @ivar memory: How much memory it has, bytes; 0 if the system does not say.
    """

    connections: int
    received: int
    lag: float
    processor: float
    memory: int


class LogLine(Struct, frozen=True, array_like=True, tag=5):
    """
    An event of a worker's log.

    @ivar time: Seconds since 1970.
    @ivar level: The name of a level of L{twisted.logger.LogLevel}.
    @ivar namespace: Where the event comes from.
    @ivar text: What the event says, with its traceback.
    @ivar connection: The id of the client's connection that the event is about, if there is one.
    @ivar lost: How many events before this one were lost, because too many waited.
    """

    time: float
    level: str
    namespace: str
    text: str
    connection: str | None
    lost: int


BASE: tuple[type[Struct], ...] = (Question, Answer, Refusal, Ready, Beat, LogLine)
"""The kinds that every codec knows.  Others have tags from 16 on."""


class Codec:
    """
    Makes frames of messages, and messages of frames.
    """

    def __init__(self, kinds: Sequence[type[Struct]] = (), largest: int = MAX_FRAME) -> None:
        """
        @param kinds: Frozen structs like those of L{BASE}, each with a tag of its own.
        @param largest: How many bytes a frame may have, without its length.
        @raise TypeError: Two kinds have one tag.
        """
        self.largest = largest
        self._kinds = frozenset((*BASE, *kinds))
        self._encoder = msgpack.Encoder()
        union: Any = reduce(or_, (*BASE, *kinds))
        self._decoder: msgpack.Decoder[Any] = msgpack.Decoder(union)

    def encodeBody(self, message: Struct) -> bytes:
        """
        Encode a message that becomes a part of another one.

        @raise TypeError: The codec does not know the message's kind.
        @raise FrameError: The message is too large.
        """
        if type(message) not in self._kinds:
            raise TypeError(f"{type(message).__name__} is not among the codec's kinds")
        body = self._encoder.encode(message)
        if len(body) > self.largest:
            raise FrameError(
                f"a {type(message).__name__} has {len(body)} bytes, but a frame has"
                f" {self.largest} at the most"
            )
        return body

    def encode(self, message: Struct) -> bytes:
        """
        Encode a message as a frame.

        @raise TypeError: See L{encodeBody}.
        @raise FrameError: See L{encodeBody}.
        """
        body = self.encodeBody(message)
        return len(body).to_bytes(HEADER, "big") + body

    def decodeBody(self, body: bytes | bytearray | Raw) -> Any:
        """
        Decode what L{encodeBody} has encoded.

        @return: A message of one of the codec's kinds.
        @raise FrameError: The bytes are no such message.
        """
        try:
            return self._decoder.decode(body)
        except (DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise FrameError(f"a frame cannot be read: {error}") from error


class FrameReader:
    """
    Finds the frames in bytes that come in pieces of any size.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._buffer = bytearray()
        # Where the first frame that was not taken begins.
        self._start = 0

    def feed(self, data: bytes) -> None:
        """
        Take more bytes.
        """
        if self._start:
            del self._buffer[: self._start]
            self._start = 0
        self._buffer += data

    def take(self) -> Any:
        """
        Take the next message.

        @return: L{None} if no whole frame is there.
        @raise FrameError: The frame cannot be read, or its length is beyond the codec's bound.
            After this the bytes have no meaning.
        """
        begin = self._start + HEADER
        if len(self._buffer) < begin:
            return None
        length = int.from_bytes(self._buffer[self._start : begin], "big")
        if length > self._codec.largest:
            raise FrameError(
                f"a frame has {length} bytes, but a frame has {self._codec.largest} at the most"
            )
        end = begin + length
        if len(self._buffer) < end:
            return None
        self._start = end
        # The decoder may keep parts of what it was given, so it gets a copy.
        return self._codec.decodeBody(self._buffer[begin:end])
