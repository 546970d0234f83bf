"""
Follows topics on the server: subscribes to their channels, compares each topic's log with what the
node has of it, and passes on its entries without a hole.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred, ensureDeferred, gatherResults
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from aerostack.core.replay.following import Follower
from aerostack.core.replay.positions import Position
from aerostack.core.replay.receivedtags import ReceivedTags
from aerostack.core.replay.shared import SharedEntry
from aerostack.engine.valkey.entries import MalformedEntry, decodeEntry
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.link import Link
from aerostack.engine.valkey.marks import Marks
from aerostack.engine.valkey.questions import NO_MARKS, Questions
from aerostack.engine.valkey.reading import Reading
from aerostack.engine.valkey.refusals import LOST, errorOf, unavailable
from aerostack.engine.valkey.subscribing import subscribe
from aerostack.engine.valkey.topics import Followed, groups, pieces
from aerostack.errors import RealtimeError
from aerostack.interfaces.engine import ILogReceiver
from aerostack.interfaces.messaging import IHistory

LOOK = 0.25
"""How long to wait between two looks for topics whose time is over, in seconds."""

AGAIN = 1.0
"""How long to wait before a topic is attached again that could not be, in seconds."""


class Attaching:
    """
    The topics that the node follows.

    @ivar interval: Every how many seconds the heads of all topics are compared with the server's,
        so that a last entry that was lost is found.
    """

    _logger = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        link: Link,
        keys: Keys,
        history: IHistory,
        receiver: ILogReceiver,
        questions: Questions,
        patience: float,
        interval: float,
        ready: Callable[[str], None],
        tags: ReceivedTags,
    ) -> None:
        """
        @param patience: For how many seconds an attach may wait.
        @param interval: See L{interval}.
        @param ready: Is called when publications of a topic can be sent.
        @param tags: Remembers the publications that came.
        """
        self._clock = clock
        self._link = link
        self._keys = keys
        self._marks = Marks(history, self._marked, self._unmarked)
        self._receiver = receiver
        self._questions = questions
        self._patience = patience
        self.interval = interval
        self._ready = ready
        self._tags = tags
        self._reading = Reading(questions, self)
        self._topics: dict[str, Followed] = {}
        self._waiting: dict[str, Followed] = {}
        # What the end of this turn is to do.
        self._joining: dict[str, Followed] = {}
        self._doubtful: dict[str, Followed] = {}
        self._leaving: set[str] = set()
        self._isJoining = False
        # Counts how often the connection came or went.
        self._generation = 0
        self._isUp = False
        self._isStopped = False
        self._failing: dict[str, Followed] = {}
        self._calls: dict[str, IDelayedCall] = {}

    def __len__(self) -> int:
        return len(self._topics)

    def follows(self, topic: str) -> bool:
        """
        Whether the node follows a topic.
        """
        return topic in self._topics

    def isReady(self, topic: str) -> bool:
        """
        Whether publications of a topic can be sent: it is not followed, or was attached over this
        connection.
        """
        followed = self._topics.get(topic)
        return followed is None or followed.isLive

    def had(self, topic: str, tag: str) -> bool:
        """
        Whether the node has received a publication in an earlier log of a topic.
        """
        followed = self._topics.get(topic)
        if followed is None or followed.follower is None:
            return False
        return self._tags.had(topic, tag, followed.follower.head.epoch, self._clock.seconds())

    def received(self, topic: str, entry: SharedEntry) -> None:
        """
        Pass an entry on.
        """
        if not entry.kept:
            self._tags.note(topic, entry.position, self._clock.seconds())
        self._receiver.received(topic, entry)

    def attach(self, topic: str, known: Position | None) -> Deferred[Position]:
        """
        See L{aerostack.interfaces.engine.ILog.attach}.
        """
        if topic in self._topics:
            raise ValueError(f"{topic} is attached already")
        followed = Followed(topic, known, self._clock.seconds() + self._patience)
        waiting: Deferred[Position] = Deferred(lambda _: self.detach(topic))
        followed.waiting = waiting
        self._topics[topic] = self._waiting[topic] = self._joining[topic] = followed
        self._leaving.discard(topic)
        self._later("turn", 0, self._turn)
        self._later("look", LOOK, self._look)
        return waiting

    def detach(self, topic: str) -> None:
        """
        See L{aerostack.interfaces.engine.ILog.detach}.
        """
        followed = self._drop(topic)
        if followed is not None and followed.waiting is not None:
            waiting, followed.waiting = followed.waiting, None
            waiting.cancel()

    def _drop(self, topic: str) -> Followed | None:
        """Follow a topic no longer."""
        for each in (self._waiting, self._joining, self._doubtful, self._failing):
            each.pop(topic, None)
        self._marks.forget(topic)
        followed = self._topics.pop(topic, None)
        if followed is not None:
            self._leaving.add(topic)
            self._later("turn", 0, self._turn)
            # It waits for this topic no longer.
            self._ready(topic)
        return followed

    def verify(self, topic: str) -> None:
        """
        Ask the server again for a topic's log.
        """
        followed = self._topics.get(topic)
        if followed is not None:
            followed.isLive = False
            self._doubtful[topic] = followed
            self._later("turn", 0, self._turn)

    def isLive(self, followed: Followed) -> bool:
        """
        Whether entries of a topic can be taken.
        """
        return followed.isLive and self._topics.get(followed.name) is followed

    # The link

    def up(self, witnesses: Mapping[str, Position]) -> Deferred[None]:
        """
        Attach every topic over a new connection.

        @param witnesses: Places that the server has given on topics that are not followed.  If it
            does not have them any more, it makes their logs anew.
        @return: Fires when all that were attached before are attached again, or the connection is
            lost.
        """
        self._generation += 1
        self._isUp = True
        for each in (self._joining, self._doubtful, self._failing):
            each.clear()
        self._leaving.clear()
        self._isJoining = False
        self._later("heads", self.interval, self._compareHeads)
        attached = [self._start(self._join(tuple(self._topics)))]
        attached += [
            self._start(self._testify({topic: witnesses[topic] for topic in piece}))
            for piece in pieces(witnesses)
        ]
        return gatherResults(attached).addCallback(lambda _: None)

    def down(self) -> None:
        """
        Take no entries until the topics are attached again.
        """
        self._generation += 1
        self._isUp = False
        for followed in self._topics.values():
            followed.isLive = False

    def stop(self) -> None:
        """
        Follow nothing.
        """
        self.down()
        self._isStopped = True
        for topic in tuple(self._topics):
            self.detach(topic)
        for call in self._calls.values():
            call.cancel()
        self._calls.clear()

    def pushed(self, channel: bytes, message: bytes) -> None:
        """
        Take what the server pushes.
        """
        topic = self._keys.topicOf(channel)
        followed = None if topic is None else self._topics.get(topic)
        if followed is None or not followed.isLive:
            # The server sends answers and pushes in the order of its doing: what comes before the
            # answer to the attach is in the log that the answer tells of.
            return
        try:
            self._reading.take(followed, decodeEntry(followed.name, message))
        except MalformedEntry as error:
            self._logger.warn("Another program publishes on our channels: {error}", error=error)
        self._reading.goOn(followed)

    # Attaching

    def _turn(self) -> None:
        """Do for all topics together what one turn asked for."""
        doubtful, self._doubtful = self._doubtful, {}
        leaving, self._leaving = self._leaving, set()
        if not self._isUp:
            # The next connection attaches all.
            self._joining.clear()
            return
        for names in groups(tuple(leaving)):
            self._link.unsubscribe([self._keys.channelOf(topic) for topic in names]).addErrback(
                lambda failure: failure.trap(ValkeyError)
            )
        if self._joining and not self._isJoining:
            joining, self._joining = self._joining, {}
            self._isJoining = True
            self._start(self._join(tuple(joining))).addCallback(self._joined, self._generation)
        for piece in pieces(doubtful):
            self._start(self._compare(piece))

    def _joined(self, result: None, generation: int) -> None:
        """Attach together what has come while other topics were being attached."""
        if generation == self._generation:
            self._isJoining = False
            if self._joining:
                self._later("turn", 0, self._turn)

    async def _join(self, names: Sequence[str]) -> None:
        """Subscribe to channels, and attach their topics."""
        subscribed = await subscribe(self._link, names, self._keys.channelOf, self._refused)
        await gatherResults([self._start(self._compare(piece)) for piece in pieces(subscribed)])

    def _refused(self, name: str, error: ValkeyError) -> None:
        self.failed(self._present([name]), error)

    async def _compare(self, names: Sequence[str], marks: Mapping[str, int] = NO_MARKS) -> None:
        """
        Compare logs with what the node has of them.

        @param marks: Where the logs begin that the server does not have.
        """
        topics = self._present(names)
        known = [each.follower.head if each.follower else each.known for each in topics]
        try:
            answers = await self._questions.compare([each.name for each in topics], known, marks)
        except LOST:
            return
        except ValkeyError as error:
            self.failed(topics, error)
            return
        cold: list[str] = []
        for followed, answer in zip(topics, answers, strict=True):
            if self._topics.get(followed.name) is not followed:
                continue
            if answer is None:
                cold.append(followed.name)
            else:
                self._attached(followed, *answer)
        self._marks.ask(cold)

    def _marked(self, marks: Mapping[str, int]) -> None:
        """Make logs that the server does not have."""
        for piece in pieces(marks):
            self._start(self._compare(piece, marks))

    def _unmarked(self, names: Sequence[str], error: RealtimeError) -> None:
        """Take note that the history does not answer."""
        topics = self._present(names)
        if topics:
            self.failed(topics, error)

    def _attached(self, followed: Followed, head: Position, reason: str | None) -> None:
        """Go on by what the server says of a log."""
        followed.isLive = True
        if followed.follower is None:
            start = head if reason is not None or followed.known is None else followed.known
            followed.follower = Follower(start)
            followed.follower.compare(head)
            followed.known = None
            self._waiting.pop(followed.name, None)
            waiting, followed.waiting = followed.waiting, None
            if waiting is not None:
                waiting.callback(start)
        else:
            followed.follower.verified(head, reason)
            if reason is not None:
                self._receiver.broken(followed.name, head, reason)
        self._ready(followed.name)
        self._reading.goOn(followed)

    def failed(self, topics: Iterable[Followed], error: Exception) -> None:
        """
        Let topics go that wait for their first answer, and try the others again later.
        """
        for followed in topics:
            waiting, followed.waiting = followed.waiting, None
            if waiting is None:
                self._failing[followed.name] = followed
                self._later("again", AGAIN, self._tryAgain)
            else:
                self._drop(followed.name)
                waiting.errback(errorOf(error))
        self._logger.warn("Topics could not be attached: {error}", error=str(error))

    def _tryAgain(self) -> None:
        failing, self._failing = self._failing, {}
        if self._isUp:
            self._start(self._join(tuple(failing)))

    async def _testify(self, witnesses: Mapping[str, Position]) -> None:
        """Tell the server of places that it has given."""
        try:
            await self._questions.compare(tuple(witnesses), tuple(witnesses.values()))
        except ValkeyError as error:
            self._logger.warn("The engine could not be asked: {error}", error=str(error))

    def _look(self) -> None:
        """Let topics go that have waited for too long."""
        now = self._clock.seconds()
        for followed in tuple(self._waiting.values()):
            waiting = followed.waiting
            if followed.deadline <= now and waiting is not None:
                followed.waiting = None
                self._drop(followed.name)
                waiting.errback(unavailable("The engine does not answer."))
        if self._waiting:
            self._later("look", LOOK, self._look)

    # Heads

    def _compareHeads(self) -> None:
        if self._isUp:
            self._later("heads", self.interval, self._compareHeads)
            self._start(self._readHeads())

    async def _readHeads(self) -> None:
        """Compare the heads of all topics with the server's."""
        for piece in pieces(self._topics):
            try:
                heads = await self._questions.heads(piece)
            except ValkeyError as error:
                self._logger.warn("The engine's heads could not be read: {error}", error=str(error))
                return
            for name, head in zip(piece, heads, strict=True):
                followed = self._topics.get(name)
                if followed is None or followed.follower is None or not followed.isLive:
                    continue
                if head is None:
                    # The log is gone.
                    self.verify(name)
                else:
                    followed.follower.compare(head)
                    self._reading.goOn(followed)

    # Helpers

    def _present(self, names: Iterable[str]) -> list[Followed]:
        """Those of some topics that are followed still."""
        return [self._topics[name] for name in names if name in self._topics]

    def _later(self, name: str, pause: float, call: Callable[[], None]) -> None:
        """Call something after a while, unless it is about to be called."""

        def due() -> None:
            del self._calls[name]
            call()

        if name not in self._calls and not self._isStopped:
            self._calls[name] = self._clock.callLater(pause, due)

    def _start(self, doing: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Run a coroutine; if it fails unexpectedly, the log gets the traceback."""
        return ensureDeferred(doing).addErrback(
            lambda failure: self._logger.failure("Following topics failed", failure)
        )
