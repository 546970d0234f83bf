"""
Gives what happens on a topic its place in the topic's log.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from msgspec import structs
from twisted.internet.interfaces import IReactorTime

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.appended import Appended
from aerostack.core.answers.units import units
from aerostack.core.keyed.states import KeyedStates
from aerostack.core.replay.log import Past, TopicLog
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.replay.mirror import MirrorLog
from aerostack.core.replay.positions import Position
from aerostack.core.replay.publications import Publication, StreamMark
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.replay.sharedlog import SharedLog
from aerostack.core.rows.changes import Change
from aerostack.core.rows.views import View
from aerostack.core.topics.policies import KeyedPolicy, TopicPolicies, TopicPolicy
from aerostack.core.topics.topics import projectOf
from aerostack.hub.encoding import publicationFrame
from aerostack.protocol.framing import NO_FRAME, Frame


class ChangeEncoding(Protocol):
    """
    The frames of one change of a table, for the subscribers of one topic.
    """

    @property
    def topic(self) -> str:
        """The canonical topic."""

    @property
    def change(self) -> Change:
        """The change."""

    def encode(self, position: Position, policy: TopicPolicy, logPosition: Position) -> Frame:
        """
        Make the frame of the whole change, before any other frame of it.

        @param position: The change's position in the topic's log.
        @param logPosition: See L{Frame}.
        """

    def encodeFor(self, view: View) -> Frame | None:
        """
        Make the frame that subscribers with a view get; L{None} if they get none.
        """

    def endTransaction(self) -> Sequence[tuple[View, Frame]]:
        """
        If the change is the last of its transaction: the views whose subscribers got a part of
        the transaction and not this change, each with the frame that says that it is over.
        """


class Sequencer:
    """
    Adds publications and changes of tables to the logs of their topics, each as the frame that its
    subscribers get.

    @ivar logs: The logs of topics, as far as they are in memory.
    @ivar answers: The token streams of topics.
    @ivar keyed: The values of keyed topics; L{None} if another process or the engine has them.
    @ivar floor: The newest mark of any topic's log.  No log begins before it: if an operator
        sets the clock back, new messages would otherwise stand before those that the database has
        already, and a client that comes back would not find them.
    @ivar kindOf: See L{TopicPolicies.kindOf}.
    @ivar patternOf: See L{TopicPolicies.patternOf}.
    """

    def __init__(
        self,
        clock: IReactorTime,
        now: Callable[[], int],
        logs: TopicLogs,
        policies: TopicPolicies,
        answers: Answers | None = None,
    ) -> None:
        """
        @param clock: Measures how old the entries of logs are.
        @param now: The time of day, milliseconds since the epoch.
        @param policies: The policy of each topic.
        @param answers: Those that run here; L{None} if all run in other processes.
        """
        self.logs = logs
        self.answers = Answers() if answers is None else answers
        self.keyed: KeyedStates | None = None
        self.floor = 0
        self._clock = clock
        self._now = now
        self._policies = policies
        self.kindOf = policies.kindOf
        self.patternOf = policies.patternOf

    def place(self, publication: Publication) -> Frame | None:
        """
        Add a publication to its topic's log.

        @return: Its frame; L{None} if the topic has no log.
        """
        topic, now = publication.topic, self._clock.seconds()
        answer = self.answers.take(publication, now)
        publication = _withoutTakenBack(publication, answer)
        log = self.logs.get(topic)
        if log is None:
            # Without a log there is no subscriber, and no client that could come back.
            return None
        # On a table's topic the marks are the journal's, and the daemon can read the log again
        # for a client that reads slowly.
        mark, logPosition = publication.mark, None
        if log.lineage:
            mark, logPosition = None, log.standing
        if mark is not None:
            self.floor = max(self.floor, mark)
        position = log.next(mark)
        frame = publicationFrame(publication, position, self._policies.of(topic), logPosition)
        self._append(log, publication, frame, position, mark, answer, now)
        self._applyKeyed(publication, position, now)
        return frame

    def _applyKeyed(self, publication: Publication, position: Position, now: float) -> None:
        """Take the value that a publication brings, if the values are here."""
        if publication.key is not None and self.keyed is not None:
            self.keyed.apply(publication, position, now)

    def _append(
        self,
        log: TopicLog,
        publication: Publication,
        frame: Frame,
        position: Position,
        mark: int | None,
        answer: Answer | None,
        now: float,
    ) -> None:
        """
        Add a publication to a log; a text of a token stream as a reference.

        @param answer: The token stream.
        @param now: The clock's time, seconds.
        """
        topic, stream = publication.topic, publication.stream
        if answer is None or stream is None:
            self.logs.append(topic, log, frame, mark, None, now, position.tag)
            return
        answer.last = position.offset or 0
        frame.appended = _appendedOf(answer, stream, publication, position)
        # The frame of an event that a server has sent has more than the text.
        isText = frame.appended is not None and not publication.data
        entry, source = (NO_FRAME, frame.appended) if isText else (frame, None)
        self.logs.append(topic, log, entry, mark, source, now, position.tag)

    def refer(self, entry: SharedEntry, frame: Frame) -> None:
        """
        Take up a part of a token stream whose beginning was found after its frame was made.
        """
        publication, mark = entry.publication, entry.publication.stream
        answer = self.answers.take(publication, self._clock.seconds())
        if answer is not None and mark is not None:
            frame.appended = _appendedOf(answer, mark, publication, entry.position)

    def placePacked(
        self, publication: Publication, pack: Callable[[Publication, bool], bytes]
    ) -> bytes:
        """
        Add a publication to its topic's log in a form that other processes make frames of.  If the
        topic has no log, it is only packed.

        @param pack: Makes that form of the publication, and of whether the newest mark of the log
            is a kept message's then.
        """
        answer = self.answers.take(publication, self._clock.seconds())
        publication = _withoutTakenBack(publication, answer)
        log = self.logs.get(publication.topic)
        if log is None:
            return pack(publication, False)
        mark = publication.mark
        self.floor = max(self.floor, mark or 0)
        packed, position = pack(publication, log.sees(mark)), log.next(mark)
        now = self._clock.seconds()
        self.logs.append(publication.topic, log, packed, mark, None, now)
        self._applyKeyed(publication, position, now)
        return packed

    def pastFrame(self, publication: Publication, position: Position) -> Frame:
        """
        Make the frame of a publication that has its place in another process's log.  If it brings
        text of a token stream that is known here, it refers to that.
        """
        frame = publicationFrame(publication, position, self._policies.of(publication.topic))
        mark = publication.stream
        if mark is not None and not publication.data:
            answer = self.answers.get(projectOf(publication.topic), mark.stream)
            if answer is not None:
                frame.appended = _appendedOf(answer, mark, publication, position)
        return frame

    def placeEntry(self, entry: SharedEntry) -> Frame | None:
        """
        Add an entry of a log that nodes share to the topic's log.

        @return: Its frame; L{None} if the topic has no log that follows the shared one.
        """
        publication = entry.publication
        topic = publication.topic
        log = self.logs.get(topic)
        if not isinstance(log, SharedLog):
            return None
        now = self._clock.seconds()
        answer = self.answers.take(publication, now)
        frame = publicationFrame(publication, entry.position, self._policies.of(topic))
        self._append(log, publication, frame, entry.position, publication.mark, answer, now)
        return frame

    def placeChange(self, encoding: ChangeEncoding) -> Frame | None:
        """
        Add a change of a table to the log of one topic.

        @return: The frame of the whole change; L{None} if the topic has no log.
        """
        topic, change = encoding.topic, encoding.change
        log = self.logs.get(topic)
        if log is None:
            return None
        logPosition = log.standing
        log.within = not change.last
        position, policy = log.next(change.seq), self._policies.of(topic)
        whole = encoding.encode(position, policy, logPosition)
        self.logs.append(topic, log, whole, change.seq, change, self._clock.seconds())
        return whole

    def keyedPolicy(self, topic: str) -> KeyedPolicy | None:
        """
        What holds for the values of a topic; L{None} if it is not keyed.

        @param topic: The canonical topic.
        """
        return self._policies.keyedOf(topic)

    # Logs

    def rewindOf(self, topic: str) -> int:
        """
        How many of a topic's newest frames a subscription begins with that asks for no number.
        """
        return self._policies.of(topic).rewind

    def hasLog(self, topic: str) -> bool:
        """
        Whether a topic has a log.  Without one it has no subscriber, and no client holds a
        position in it.
        """
        return self.logs.get(topic) is not None

    def openLog(self, topic: str) -> TopicLog:
        """
        The log of a topic that is no table's; a new one if it has none.
        """
        log = self.logs.get(topic)
        if log is None:
            # What is kept from now on gets a later mark than this one.  What was kept before has an
            # earlier one.
            mark = self.floor = max(self.floor, self._now() - 1)
            log = self.logs.open(topic, mark, self._clock.seconds())
        return log

    def followLog(self, topic: str, head: Position) -> None:
        """
        Give a topic a log that goes on as another process's log does.

        @param head: That log's head.
        """
        self.logs.follow(topic, head, self._clock.seconds())

    def fillLog(self, topic: str, log: MirrorLog, past: Past | None) -> None:
        """
        Put in front of such a log what the other process has from before; see
        L{MirrorLog.prepend}.
        """
        self.logs.prepend(topic, log, past, self._clock.seconds())

    def shareLog(self, topic: str, head: Position) -> None:
        """
        Give a topic a log that follows one which nodes share, from its head on.
        """
        self.logs.share(topic, head, self._clock.seconds())

    def fillSharedLog(self, topic: str, log: SharedLog, entries: Sequence[SharedEntry]) -> None:
        """
        Put in front of a topic's log what the server has from before.

        @param entries: See L{SharedLog.fill}.
        """
        if self.logs.get(topic) is not log:
            return
        policy = self._policies.of(topic)
        frames = [publicationFrame(each.publication, each.position, policy) for each in entries]
        self.answers.adopt((each.publication for each in entries), self._clock.seconds())
        self.logs.fill(topic, log, entries, frames, self._clock.seconds())

    def openTableLog(self, topic: str, lineage: str, mark: int, within: bool) -> TopicLog:
        """
        The log of a table's topic; a new one if it has none, or one of another lineage.

        @param lineage: See L{Position}.
        @param mark: The number of the newest change that was delivered, of any table.
        @param within: Whether a transaction goes on there.
        """
        now = self._clock.seconds()
        log = self.logs.open(topic, mark, now, lineage)
        if log.lineage != lineage:
            # The table was made again.
            self.logs.drop(topic)
            log = self.logs.open(topic, mark, now, lineage)
        # Every change up to here was delivered.
        log.reach(mark)
        log.within = within
        return log

    def restartLog(self, topic: str, mark: int) -> None:
        """
        Give a topic a new log, if it has one: no client can go on from a position in the
        present one without a gap.

        @param mark: Where the new one begins.
        """
        self.logs.restart(topic, mark, self._clock.seconds())

    def dropLog(self, topic: str) -> None:
        """
        Take a topic's log away.
        """
        self.logs.drop(topic)

    def expire(self) -> Iterator[None]:
        """
        Forget the entries of logs that are too old, and the token streams that have ended a while
        ago, a piece at a time.
        """
        for answer in self.answers.expire(self._clock.seconds()):
            log = self.logs.get(answer.topic)
            if log is not None:
                # A client that comes back to a place before has to read the history.
                log.lose(answer.last)
        return self.logs.expire(self._clock.seconds())

    def leaveProjects(self, projects: Collection[str]) -> Iterator[None]:
        """
        Note, a piece at a time, that the daemon serves some projects no more.  If it serves
        them again later, their logs lack what happened in between.
        """
        return self.logs.breakOff(
            lambda canonical: projectOf(canonical) in projects, self._clock.seconds()
        )

    def need(self, topic: str) -> None:
        """
        Note that a topic has subscribers, so that its log has to stay.

        @param topic: The canonical topic.
        """
        self.logs.need(topic)

    def release(self, topic: str) -> None:
        """
        Note that a topic has no subscribers any more.

        @param topic: The canonical topic.
        """
        self.logs.leave(topic, self._clock.seconds())


def _withoutTakenBack(publication: Publication, answer: Answer | None) -> Publication:
    """
    Leave out text that was taken back before the publication had its place.  The text that replaces
    it begins no later.
    """
    mark = publication.stream
    part = None if answer is None or mark is None else answer.parts.get(mark.part)
    if mark is None or part is None or mark.at < 0 or mark.edition >= part.edition:
        return publication
    empty = structs.replace(mark, at=0, text="", isReset=False)
    return structs.replace(publication, stream=empty)


def _appendedOf(
    answer: Answer, mark: StreamMark, publication: Publication, position: Position
) -> Appended | None:
    """Refer to the text that a publication brings; L{None} if it brings none that is here."""
    part, until = answer.parts.get(mark.part), mark.at + units(mark.text)
    if mark.at < 0 or part is None or part.shown < until or part.edition != mark.edition:
        return None
    timestamp = publication.timestamp
    return Appended(answer, part, mark.at, until, timestamp, str(position), mark.isReset)
