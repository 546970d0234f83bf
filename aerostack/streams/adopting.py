"""
Lets the streams of nodes that are gone go on, or end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer, Terms
from aerostack.core.answers.checkpoints import Claim, StoredAnswer
from aerostack.core.answers.openstream import OpenStream
from aerostack.core.replay.publications import Publication
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.interfaces.answers import IAnswerStore
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.openstreams import IOpenStreams
from aerostack.streams.run import Stopped
from aerostack.streams.runs import openStreamOf
from aerostack.streams.states import OVER, RUNS, UNKNOWN, StreamStates, Waited
from aerostack.streams.streams import Streams

STILL = 10.0
"""Seconds without a sign of a stream, until the node asks the others whether the stream runs."""

CLAIMED = 100
"""How many streams a node takes over at once."""

PAGE = 500
"""How many entries of a topic's log the node reads at once."""

PAGE_BYTES = 262_144
"""About how many bytes of entries it reads at once."""


class Standing(Waited, Protocol):
    """
    Which nodes there are, as this one knows.
    """

    @property
    def isCurrent(self) -> bool:
        """Whether the engine answers, so that this list of nodes is the present one."""

    @property
    def isNamed(self) -> bool:
        """Whether this node has its name: no other node that runs has the same name."""

    @property
    def isHeard(self) -> bool:
        """Whether the other nodes have heard this node lately."""

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

    @ivar isClosing: See L{StreamStates.isClosing}.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        name: str,
        streams: Streams,
        store: IAnswerStore,
        nodes: INodes,
        register: IOpenStreams,
        standing: Standing,
        read: Callable[..., Deferred[list[SharedEntry]]],
        isFollowed: Callable[[str], bool],
        stopped: Stopped,
    ) -> None:
        """
        @param name: This node's name.
        @param register: Knows which streams each run of a node has begun and not ended.
        @param read: See L{aerostack.interfaces.engine.ILogFeed.read}.
        @param isFollowed: Tells whether this node follows the log of a topic.
        @param stopped: Tells a producer to stop, which may be at any node.
        """
        self._clock = clock
        self._name = name
        self._run = streams.checkpoints.run
        self._streams = streams
        self._store = store
        self._states = StreamStates(clock, streams, nodes, standing)
        self.isClosing = self._states.isClosing
        self._register = register
        self._standing = standing
        self._read = read
        self._isFollowed = isFollowed
        self._stopped = stopped
        self._looking: Deferred[Any] = succeed(None)
        # Whether this node has taken the streams that an earlier run of it has left, and whether
        # the database may have given it streams without an answer.
        self._isBack = self._isUnsure = False
        # How often this node was taken for dead, and the last time that it looked what it has.
        self._lapses = self._settled = 0
        # For each stream of another node: its size, and since when it has had that size.
        self._still: dict[Answer, tuple[int, float]] = {}
        streams.runs.isSure = self.isSure
        streams.runs.register = register

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
            await self._comeBack()
            await self._settle()
            await self._adopt()
            await self._close()
            await self._end()

    def isComing(self, project: str, stream: str) -> Deferred[bool]:
        """
        Tell whether a stream that no node has is about to be taken over by one.
        """

        def found(run: str | None) -> bool:
            # A stream of this node that is not here is being restored, or cannot be.
            isOwn = run == self._run
            isLooking = self._isUnsure or not self._looking.called
            return run is not None and (not isOwn or isLooking)

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
        states = await self._states.ask([openStreamOf(each) for each in running])
        if states is None:
            return
        for answer, state in zip(running, states, strict=True):
            isTaken = checkpoints.isWritten(answer) and answer.record not in owned
            if isTaken or state != UNKNOWN:
                streams.handover.letGo(answer, isEnded=state == OVER)
        self._settled = lapses

    # What others have left

    async def _comeBack(self) -> None:
        """
        Take what the database has given this node before without an answer; and once no other node
        has this one's name, what an earlier run of it has left.
        """
        if self._isUnsure:
            for each in await self._store.take(Claim(self._name, self._run, ofRun=self._run)):
                await self._restore(each)
            self._isUnsure = False
        if self._standing.isNamed and not self._isBack:
            await self._take(Claim(self._name, self._run, ofNode=self._name, most=CLAIMED))
            self._isBack = True

    async def _adopt(self) -> None:
        """Take over the streams in the database of nodes that are gone."""
        for run in await self._store.runs():
            if self._standing.isGone(run):
                await self._take(Claim(self._name, self._run, ofRun=run, most=CLAIMED))

    async def _take(self, claim: Claim) -> None:
        """Take over streams, all that there are."""
        self._isUnsure = True
        while taken := await self._store.take(claim):
            self.log.info("{n} streams of a daemon that is gone go on here", n=len(taken))
            for each in taken:
                await self._restore(each)
        self._isUnsure = False

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

    async def _close(self) -> None:
        """End the streams that nodes that are gone had begun and not ended."""
        for run in await self._register.runs():
            if self._standing.isGone(run):
                left = await self._register.of(run)
                lost = [each for each in left if self._states.of(each) == UNKNOWN]
                states = await self._states.ask(lost, isClosing=True)
                if states is None:
                    return
                over = set(left) - set(lost)
                for each, state in zip(lost, states, strict=True):
                    # One that runs may run at that node, which has come back.
                    if state == OVER or (state == UNKNOWN and await self._isOver(each)):
                        over.add(each)
                await self._register.drop(run, [*over])

    async def _isOver(self, stream: OpenStream) -> bool:
        """
        End a stream that no node knows, unless the database does.

        @return: Whether that is done.
        """
        if await self._isElsewhere(stream):
            return True
        # Other streams may be many.
        await deferLater(self._clock, 0)
        try:
            await self._streams.handover.abandon(_standIn(stream))
        except RealtimeError:
            # The next look tries again.
            return False
        self._states.ended(stream)
        return True

    async def _isElsewhere(self, stream: OpenStream) -> bool:
        """Whether the database has a stream, or its end: then watchers get the end from there."""
        project = projectOf(stream.topic)
        if await self._store.runOf(project, stream.stream) is not None:
            return True
        end = await self._streams.keeper.endOf(project, stream.stream, stream.began)
        return end is not None

    async def _end(self) -> None:
        """
        End the streams of which no node and no database knows any more.  They are those that the
        engine has lost, and that came here over the topic's log before.
        """
        due = self._due()
        states = await self._states.ask([openStreamOf(each) for each in due], isClosing=True)
        for answer, state in zip(due, states or (), strict=False):
            if state == UNKNOWN and self._isFollowed(answer.topic):
                if not await self._isElsewhere(openStreamOf(answer)):
                    await self._streams.handover.abandon(answer)
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


def _standIn(stream: OpenStream) -> Answer:
    """A stream of which no text is here."""
    return Answer(stream.stream, stream.stream, stream.topic, Terms(), stream.began)
