"""
Lets the streams of nodes that are gone go on, or end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol

import msgspec
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.checkpoints import Claim, StoredAnswer
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.answers import IAnswerStore
from aerostack.interfaces.nodes import INodes
from aerostack.streams.run import Stopped
from aerostack.streams.streams import Streams

KIND = "so"
"""See L{INodes.serve}."""

PATIENCE = 5.0
"""For how many seconds the other nodes are waited for."""

STILL = 10.0
"""After how many seconds without a sign of a stream the other nodes are asked whether it runs."""

CLAIMED = 100
"""How many streams are taken over at once."""

ASKED = 500
"""About how many streams the other nodes are asked at once."""

PAGE = 500
"""How many entries of a topic's log are read at once, ..."""

PAGE_BYTES = 262_144
"""... and about how many bytes of them."""

UNKNOWN, RUNS, OVER = range(3)
"""What a node knows of a stream: nothing, that it runs there, or that it has ended."""


class _Stream(msgspec.Struct, frozen=True, array_like=True):
    """
    A stream; another one of its id began at another time.
    """

    project: str
    stream: str
    began: int


_encode = msgspec.msgpack.Encoder().encode
_decodeStreams = msgspec.msgpack.Decoder(list[_Stream]).decode
_decodeStates = msgspec.msgpack.Decoder(list[int]).decode


class Standing(Protocol):
    """
    Which nodes there are, as this one knows.
    """

    @property
    def isCurrent(self) -> bool:
        """Whether the engine answers, so that this is how it is now."""

    @property
    def isHeard(self) -> bool:
        """Whether the others have reason to think that this node runs."""

    @property
    def silent(self) -> Collection[str]:
        """The names of the nodes that are not waited for."""

    def isGone(self, run: str) -> bool:
        """Whether a run of a node has stopped, or was not heard for so long that it counts as
        dead."""


class Adopter:
    """
    Looks after the streams that no node has any more.

    A stream that the database knows goes to one of the nodes that claim it.  Of any other, nodes
    have what came over the topic's log; they end it, which the engine lets happen once.

    A node that was frozen or cut off is taken for dead.  When it comes back, it publishes nothing
    of its streams until it knows which of them it still has.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        name: str,
        streams: Streams,
        store: IAnswerStore,
        nodes: INodes,
        standing: Standing,
        read: Callable[..., Deferred[list[SharedEntry]]],
        isFollowed: Callable[[str], bool],
        stopped: Stopped,
    ) -> None:
        """
        @param name: This node's name.
        @param read: See L{aerostack.interfaces.engine.ILogFeed.read}.
        @param isFollowed: Tells whether this node follows the log of a topic.
        @param stopped: Tells a producer to stop, which may be at any node.
        """
        self._clock = clock
        self._name = name
        self._streams = streams
        self._store = store
        self._nodes = nodes
        self._standing = standing
        self._read = read
        self._isFollowed = isFollowed
        self._stopped = stopped
        self._looking: Deferred[Any] = succeed(None)
        # What an earlier run of this node has left.
        self._left: deque[StoredAnswer] = deque()
        # How often this node was taken for dead, and the last time that it looked what it has.
        self._lapses = self._settled = 0
        # Of other nodes' streams, the size, and since when they have it.
        self._still: dict[Answer, tuple[int, float]] = {}
        streams.runs.isSure = self.isSure
        nodes.serve(KIND, self._serve)

    def leave(self, stored: Iterable[StoredAnswer]) -> None:
        """
        Take the streams that an earlier run of this node has left.  They go on when the engine
        answers: their watchers at other nodes may have more of them than the database.
        """
        self._left.extend(stored)

    def isSure(self) -> bool:
        """
        Whether this node still has the streams that it ran.
        """
        return self._lapses == self._settled and self._standing.isHeard

    def lapsed(self) -> None:
        """
        Note that this node was not heard for so long that others have taken it for dead.
        """
        self._lapses += 1
        self.look()

    def look(self) -> Deferred[Any]:
        """
        Look after streams now, unless that is being done.

        @return: Fires when it is done.  It never fails.
        """
        if self._looking.called:
            self._looking = Deferred.fromCoroutine(self._look()).addErrback(self._failed)
        return self._looking

    def _failed(self, failure: Failure) -> None:
        # The store has logged what it could not do; the next look tries again.
        if not failure.check(RealtimeError):
            self.log.failure("the streams of other daemons could not be looked after", failure)

    async def _look(self) -> None:
        if self._standing.isCurrent:
            while self._left:
                await self._restore(self._left.popleft())
            await self._settle()
            await self._adopt()
            await self._end()

    def isComing(self, project: str, stream: str) -> Deferred[bool]:
        """
        Tell whether a stream that no node has is about to be taken over by one.
        """

        def found(run: str | None) -> bool:
            # A stream of this node that is not here is being restored, or cannot be.
            isOwn = run == self._streams.checkpoints.run
            return run is not None and (not isOwn or not self._looking.called)

        return self._store.runOf(project, stream).addCallback(found)

    # What this node still has

    async def _settle(self) -> None:
        """Let the streams go that other nodes have taken over or ended."""
        lapses = self._lapses
        if lapses == self._settled:
            return
        streams, checkpoints = self._streams, self._streams.checkpoints
        running = streams.runs.running
        owned = await self._store.owned(checkpoints.run)
        states = await self._ask(running)
        if states is None:
            return
        for answer, state in zip(running, states, strict=True):
            isTaken = checkpoints.isWritten(answer) and answer.record not in owned
            if isTaken or state != UNKNOWN:
                streams.handover.letGo(answer)
        self._settled = lapses

    # What other nodes have left

    async def _adopt(self) -> None:
        """Take over the streams in the database of nodes that are gone."""
        for run in await self._store.runs():
            if self._standing.isGone(run):
                claim = Claim(self._name, self._streams.checkpoints.run, ofRun=run, most=CLAIMED)
                while taken := await self._store.take(claim):
                    self.log.info("{n} streams of a daemon that is gone go on here", n=len(taken))
                    for each in taken:
                        await self._restore(each)

    async def _restore(self, stored: StoredAnswer) -> None:
        record = stored.record
        published: Sequence[Publication] = ()
        if self._streams.answers.get(projectOf(record.topic), record.name) is None:
            published = await self._readLog(record.topic, record.name)
        self._streams.handover.adopt(stored, published, self._stopped)
        # Other streams may be many.
        await deferLater(self._clock, 0)

    async def _readLog(self, topic: str, stream: str) -> list[Publication]:
        """Read what the topic's log has of a stream."""
        found: list[Publication] = []
        after = 0
        try:
            while page := await self._read(topic, after, None, PAGE, PAGE_BYTES):
                marked = (entry.publication for entry in page)
                found += [each for each in marked if each.stream and each.stream.stream == stream]
                after = page[-1].position.offset or 0
        except RealtimeError as error:
            # The stream is this node's by now.  What the database has of it is enough to go on.
            self.log.warn("The log of {topic} cannot be read: {error}", topic=topic, error=error)
        return found

    async def _end(self) -> None:
        """End the streams of which no node and no database knows any more."""
        due = self._due()
        states = await self._ask(due)
        for answer, state in zip(due, states or (), strict=False):
            if state == UNKNOWN and self._isFollowed(answer.topic):
                if await self._store.runOf(projectOf(answer.topic), answer.id) is None:
                    self._streams.handover.abandon(answer)
            elif state != RUNS and self._isForeign(answer):
                # Its end did not come here.
                self._streams.answers.forget(answer)

    def _due(self) -> list[Answer]:
        """The streams of other nodes that have been still for long."""
        now, still = self._clock.seconds(), self._still
        self._still, due = {}, []
        for answer in self._streams.answers:
            if not self._isForeign(answer):
                continue
            size, since = still.get(answer, (answer.size, now))
            if size != answer.size or now - since >= STILL:
                if size == answer.size:
                    due.append(answer)
                size, since = answer.size, now
            self._still[answer] = size, since
        return due

    def _isForeign(self, answer: Answer) -> bool:
        return not answer.isOver and self._streams.runs.of(answer) is None

    # The other nodes

    async def _ask(self, answers: Sequence[Answer]) -> list[int] | None:
        """
        Ask the other nodes what they know of streams.

        @return: The most that one of them knows of each; L{None} if some did not answer.
        """
        found: list[int] = []
        for start in range(0, len(answers), ASKED):
            portion = answers[start : start + ASKED]
            asked = [_Stream(projectOf(each.topic), each.id, each.began) for each in portion]
            replies = await self._nodes.ask(KIND, _encode(asked), PATIENCE)
            missing = {name for name, data in replies.items() if data is None}
            if missing - set(self._standing.silent):
                return None
            states = [_decodeStates(data) for data in replies.values() if data is not None]
            found += map(max, zip([UNKNOWN] * len(portion), *states, strict=True))
        return found

    def _serve(self, data: bytes, timeout: float) -> Deferred[bytes]:
        return succeed(_encode([*self._statesOf(_decodeStreams(data))]))

    def _statesOf(self, asked: Iterable[_Stream]) -> Iterable[int]:
        streams = self._streams
        for each in asked:
            answer = streams.answers.get(each.project, each.stream)
            if answer is None or answer.began != each.began:
                yield UNKNOWN
            elif answer.isOver:
                yield OVER
            else:
                yield UNKNOWN if streams.runs.of(answer) is None else RUNS
