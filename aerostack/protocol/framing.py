"""
WebSocket frames, as far as the daemon sends them: whole and unmasked.

A publication's bytes are the same for every subscriber, because a server does not
mask what it sends (RFC 6455, 5.1).  So the frame is built here once, and written to
every socket as it is.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from struct import pack

from aerostack.core.answers.appended import Appended
from aerostack.core.replay.positions import Position

_FIN_TEXT = 0x81


class Frame(bytes):
    """
    The bytes of one or more whole frames, and what must be known of them where they
    cannot go out at once.

    @ivar topic: The canonical topic whose subscribers get it; L{None} for what
        answers one client.
    @ivar key: Of frames with the same key only the newest need wait for a client
        that reads slowly; L{None} where all must be sent.
    @ivar logPosition: Where the topic's log stood before the frame, if the daemon can read
        the log again from there for a client that reads slowly; L{None} if it cannot.
    @ivar isEntry: Whether it is an entry of the log of a topic that is no table's.
    @ivar isState: Whether it tells of a change of who is present on the topic, which the
        whole set tells as well.
    @ivar appended: The text of a token stream that it brings; L{None} if it brings none.
    @ivar isStreamPart: Whether it is a part of a token stream, and not the stream's end.
    @ivar holders: For how many slow readers it waits.
    @ivar parts: The single frames, in order.
    @ivar grows: Whether it may take up newer frames; see L{absorb}.
    """

    holders = 0
    topic: str | None = None
    key: Hashable = None
    logPosition: Position | None = None
    isEntry = False
    isState = False
    appended: Appended | None = None
    isStreamPart = False
    grows = False

    @property
    def isReplaceable(self) -> bool:
        """Whether a slow reader can have what it says in another way."""
        return self.logPosition is not None or self.isState

    @property
    def parts(self) -> Sequence[Frame]:
        return (self,)

    def absorb(self, frame: Frame) -> bool:
        """
        Take up a newer frame of the same topic, if both wait for the same client.

        @return: Whether it was taken up.
        """
        return False

    def portion(self, size: int) -> Sequence[Frame] | None:
        """
        Take out the next frames of one that stands for several.

        @param size: About how many bytes; one frame may go beyond it.
        @return: L{None} if it stands for itself.  Fewer bytes only if no more follow.
        """
        return None


NO_FRAME = Frame()
"""Stands in a log for the frames that are made of a text of a token stream when they are needed."""


class Frames(Frame):
    """
    Several frames of one topic that go out together.
    """

    _parts: Sequence[Frame]

    @property
    def parts(self) -> Sequence[Frame]:
        return self._parts


def textFrame(
    payload: bytes,
    topic: str | None = None,
    key: Hashable = None,
    logPosition: Position | None = None,
) -> Frame:
    """
    Wrap a text message into one final, unmasked frame (RFC 6455, 5.2).

    @param topic: See L{Frame}.
    @param key: See L{Frame}.
    @param logPosition: See L{Frame}.
    """
    frame = Frame(frameHeader(_FIN_TEXT, len(payload)) + payload)
    if topic is not None:
        frame.topic = topic
    if key is not None:
        frame.key = key
    if logPosition is not None:
        frame.logPosition = logPosition
    return frame


def frameHeader(first: int, length: int) -> bytes:
    """
    The header of an unmasked frame.

    @param first: Its first byte: FIN, the reserved bits and the opcode.
    @param length: Of its payload.
    """
    if length < 126:
        return pack("!BB", first, length)
    if length < 65536:
        return pack("!BBH", first, 126, length)
    return pack("!BBQ", first, 127, length)


def payloadOf(frame: Frame) -> bytes:
    """
    What is in a single frame that L{textFrame} made.
    """
    length = frame[1]
    return frame[{126: 4, 127: 10}.get(length, 2) :]


def viewKey(topic: str, view: str) -> str:
    """
    The C{topic} of frames for one view of a topic: what waits for a client on one view does not
    wait on the others.

    @param topic: The canonical topic.
    @param view: The name of the view.
    """
    # No topic has a line feed.
    return f"{topic}\n{view}"


def topicOfKey(key: str) -> str:
    """
    The canonical topic in what L{viewKey} has made, or in a canonical topic.
    """
    return key.partition("\n")[0]


def viewFrame(frame: Frame, view: str) -> Frame:
    """
    Make the frame that subscribers with a named view get in place of another one.

    @param frame: A single frame with an object that has fields, and no C{view}.
    @param view: The name of the view: letters, digits and C{._:-}.
    """
    topic = None if frame.topic is None else viewKey(frame.topic, view)
    key = None if frame.key is None else (view, frame.key)
    payload = b'%b,"view":"%b"}' % (payloadOf(frame)[:-1], view.encode())
    return textFrame(payload, topic, key, frame.logPosition)


def joinFrames(frames: Sequence[Frame]) -> Frame:
    """
    Put frames of one topic together, to be written at once.
    """
    if len(frames) == 1:
        return frames[0]
    joined = Frames(b"".join(frames))
    joined.topic = frames[0].topic
    joined._parts = tuple(frames)
    return joined
