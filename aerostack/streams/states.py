"""
What the nodes know of a token stream.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from aerostack.core.answers.openstream import OpenStream
from aerostack.core.topics.topics import projectOf
from aerostack.interfaces.nodes import INodes
from aerostack.streams.streams import Streams

KIND = "so"
"""See L{INodes.serve}."""

PATIENCE = 5.0
"""For how many seconds a node waits for the answers of the others."""

ASKED = 500
"""About how many streams one question to the other nodes has."""

MOST_ENDED = 10_000
"""How many streams a node remembers that it has ended in place of others, and how many that nodes
are about to end."""

CLOSING = 10.0
"""For how many seconds no stream begins with the id of one that a node is about to end.  By then
the end has come, or the node has died."""

UNKNOWN, RUNS, OVER = range(3)
"""What a node knows of a stream: nothing; that the stream, or a later one with its id, runs there;
or that the stream, or a later one with its id, has ended."""


class _Stream(msgspec.Struct, frozen=True, array_like=True):
    """
    Names a stream.  Streams with one id differ in when they began.

    @ivar isClosing: Whether the node that asks ends the stream if no other one knows it.
    """

    project: str
    stream: str
    began: int
    isClosing: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decodeStreams = msgspec.msgpack.Decoder(list[_Stream]).decode
_decodeStates = msgspec.msgpack.Decoder(list[int]).decode


class Waited(Protocol):
    """
    Knows for which nodes a question waits.
    """

    @property
    def silent(self) -> Collection[str]:
        """The names of the nodes for which no question waits."""


class StreamStates:
    """
    Tells the other nodes what this one knows of streams, and asks them.
    """

    def __init__(
        self, clock: IReactorTime, streams: Streams, nodes: INodes, standing: Waited
    ) -> None:
        self._clock = clock
        self._streams = streams
        self._nodes = nodes
        self._standing = standing
        # The streams of others that this node has ended, the first that was ended first.
        self._ended: dict[tuple[str, str, int], None] = {}
        # By project and id, until when no stream begins, the first that was noted first.
        self._closing: dict[tuple[str, str], float] = {}
        nodes.serve(KIND, self._serve)

    def ended(self, stream: OpenStream) -> None:
        """
        Note that this node has ended a stream that ran at another one, and that it may not know.
        """
        if len(self._ended) >= MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[projectOf(stream.topic), stream.stream, stream.began] = None

    def of(self, stream: OpenStream) -> int:
        """
        What this node knows of a stream.
        """
        return self._of(_written(stream))

    def _of(self, stream: _Stream) -> int:
        answer = self._streams.answers.get(stream.project, stream.stream)
        if answer is not None and answer.isOver and answer.began >= stream.began:
            return OVER
        if answer is not None and not answer.isOver and self._streams.runs.of(answer) is not None:
            return RUNS
        isEnded = (stream.project, stream.stream, stream.began) in self._ended
        return OVER if isEnded else UNKNOWN

    def isClosing(self, project: str, stream: str) -> bool:
        """
        Whether a node is about to end a stream of an id, so that none of that id may begin.
        """
        return self._closing.get((project, stream), 0.0) > self._clock.seconds()

    def _close(self, stream: _Stream) -> None:
        key = stream.project, stream.stream
        self._closing.pop(key, None)
        if len(self._closing) >= MOST_ENDED:
            del self._closing[next(iter(self._closing))]
        self._closing[key] = self._clock.seconds() + CLOSING

    async def ask(self, streams: Sequence[OpenStream], isClosing: bool = False) -> list[int] | None:
        """
        Ask the other nodes what they know of streams.

        @param isClosing: Whether this node ends those that no node knows.  From now on none of
            their ids begins at a node that knows nothing of them; see L{isClosing}.
        @return: The most that one of them knows of each; L{None} if some did not answer.
        """
        found: list[int] = []
        for start in range(0, len(streams), ASKED):
            asked = [_written(each, isClosing) for each in streams[start : start + ASKED]]
            if isClosing:
                for each in asked:
                    self._close(each)
            replies = await self._nodes.ask(KIND, _encode(asked), PATIENCE)
            missing = {name for name, data in replies.items() if data is None}
            if missing - set(self._standing.silent):
                return None
            states = [_decodeStates(data) for data in replies.values() if data is not None]
            found += map(max, zip([UNKNOWN] * len(asked), *states, strict=True))
        return found

    def _serve(self, data: bytes, timeout: float) -> Deferred[bytes]:
        asked = _decodeStreams(data)
        states = [self._of(each) for each in asked]
        for each, state in zip(asked, states, strict=True):
            if each.isClosing and state == UNKNOWN:
                self._close(each)
        return succeed(_encode(states))


def _written(stream: OpenStream, isClosing: bool = False) -> _Stream:
    return _Stream(projectOf(stream.topic), stream.stream, stream.began, isClosing)
