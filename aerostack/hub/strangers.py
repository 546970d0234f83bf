"""
Token streams whose beginnings this process has not seen, because it began to follow their topics
later.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.answers import isFirst, isReminder
from aerostack.core.answers.blockframes import BlockFrames
from aerostack.core.answers.copying import Page, Place, endBefore, lacksText, takePage
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.hub.sequencing import Sequencer
from aerostack.protocol.framing import Frame
from aerostack.protocol.streams import snapshotFrames

MAX_HELD = 1000
"""How many entries of one topic the process holds back while it reads the beginning."""

MAX_PAGES = 1000
"""How many pages of one stream are read.  It may change all the time."""

MAX_UNFOUND = 10_000
"""How many streams without a beginning the process remembers."""


Copying = Callable[[str, str, Place], Deferred[Page]]
"""See L{aerostack.interfaces.streams.IStreams.copy}."""

_Held = list[tuple[SharedEntry, Frame]]


class Strangers:
    """
    Finds the beginning of such a stream in the shared log, or at the node that has the stream;
    sends it to the subscribers, and then what has come meanwhile on the topic.

    If the beginning is gone, subscribers get what is published from now on.
    """

    log = Logger()

    def __init__(
        self,
        sequencer: Sequencer,
        fill: Callable[[str], Deferred[None] | None],
        copy: Copying,
        send: Callable[[str, Frame], None],
    ) -> None:
        """
        @param fill: See L{aerostack.interfaces.logs.ILogSource.fill}.
        @param send: Sends a frame to all subscribers of a topic.
        """
        self._sequencer = sequencer
        self._fill = fill
        self._copy = copy
        self._send = send
        # By topic for which a beginning is being read, what has come since.
        self._held: dict[str, _Held] = {}
        # By such a topic, the streams that its subscribers had already.
        self._known: dict[str, set[str]] = {}
        # By such a topic, copies of streams of which only the end came here, by their ids.
        self._ended: dict[str, dict[str, Answer]] = {}
        # By project and id, the streams of which there is no beginning.
        self._unfound: set[tuple[str, str]] = set()

    def hold(self, entry: SharedEntry, frame: Frame) -> bool:
        """
        Hold an entry back if its stream is a stranger, or while earlier entries of the topic are
        held back.

        @return: Whether it is held back.  It is sent later then.
        """
        topic = entry.publication.topic
        held = self._held.get(topic)
        if held is not None:
            held.append((entry, frame))
            mark = entry.publication.stream
            if mark is not None and isFirst(entry.publication, mark):
                # Subscribers get the whole stream with what is held back.
                self._known[topic].add(mark.stream)
            if len(held) >= MAX_HELD:
                self._go(topic, held)
            return True
        if not self._isStrange(entry):
            return False
        held = self._held[topic] = [(entry, frame)]
        self._known[topic] = self._knownBefore(entry)
        self._ended[topic] = {}
        finding = Deferred.fromCoroutine(self._find(topic, held)).addErrback(self._failed)
        finding.addCallback(lambda _: self._go(topic, held))
        return True

    def _isStrange(self, entry: SharedEntry) -> bool:
        """Whether subscribers lack what comes before an entry."""
        topic, mark = entry.publication.topic, entry.publication.stream
        if mark is None:
            return False
        key = projectOf(topic), mark.stream
        answers = self._sequencer.answers
        answer = answers.get(*key)
        if answer is None:
            return key not in self._unfound
        if answer.isUnseen:
            return True
        if answer.isOver or not answer.isMirror or not lacksText(answer, mark):
            return False
        # The log has broken off meanwhile.
        answers.forget(answer)
        return key not in self._unfound

    def _knownBefore(self, entry: SharedEntry) -> set[str]:
        """The streams of a topic that subscribers have, but for that of an entry."""
        publication = entry.publication
        known = {
            answer.id
            for answer in self._sequencer.answers.of(publication.topic)
            if not answer.isUnseen
        }
        if publication.stream is not None:
            known.discard(publication.stream.stream)
        return known

    async def _find(self, topic: str, held: _Held) -> None:
        filling = self._fill(topic)
        if filling is not None:
            await filling.addErrback(self._failed)
        project, tried = projectOf(topic), set[str]()
        while (wanted := self._missing(topic, held) - tried) and self._held.get(topic) is held:
            for stream in wanted:
                tried.add(stream)
                found = await self._read(topic, stream)
                known = self._sequencer.answers.get(project, stream)
                if found is None or self._held.get(topic) is not held:
                    continue
                marks = (entry.publication.stream for entry, _ in held)
                endBefore(found, (mark for mark in marks if mark is not None))
                if known is None:
                    self._sequencer.answers.enter(found)
                elif _isOnlyEnd(known):
                    self._ended[topic][stream] = found

    async def _read(self, topic: str, stream: str) -> Answer | None:
        """Copy a stream from the node that has it; L{None} if no node has it."""
        found: Answer | None = None
        place = Place()
        try:
            for _ in range(MAX_PAGES):
                page = await self._copy(projectOf(topic), stream, place)
                found = takePage(found, topic, stream, page)
                if page.next is None:
                    return found
                place = page.next
        except RealtimeError as error:
            self.log.debug("{stream} cannot be copied: {error}", stream=stream, error=error)
        return None

    def _missing(self, topic: str, held: _Held) -> set[str]:
        """The streams among held entries of which this process knows nothing, or only the end."""
        answers, project = self._sequencer.answers, projectOf(topic)
        marks = (entry.publication.stream for entry, _ in held)
        names = {mark.stream for mark in marks if mark is not None}
        known = {name: answers.get(project, name) for name in names}
        return {name for name, answer in known.items() if answer is None or _isOnlyEnd(answer)}

    def _failed(self, failure: Failure) -> None:
        if not failure.check(RealtimeError):
            self.log.failure("the beginning of a stream cannot be read", failure)

    def _go(self, topic: str, held: _Held) -> None:
        """Send what was found, and what was held back."""
        if self._held.get(topic) is not held:
            # So much came that the process does not wait for the beginning any more.
            return
        del self._held[topic]
        for stream in self._missing(topic, held):
            self._forget((projectOf(topic), stream))
        marks = [entry.publication.stream for entry, _ in held]
        names = {mark.stream for mark in marks if mark is not None} - self._known.pop(topic)
        answers = self._sequencer.answers
        for name in names:
            answer = answers.get(projectOf(topic), name)
            if answer is not None:
                answer.isUnseen = False
        found = [answer for answer in answers.of(topic) if answer.id in names]
        for frame in snapshotFrames(found, None, answers.frames):
            self._send(topic, frame)
        # These are over: no client that comes later gets their frames.
        for frame in snapshotFrames(tuple(self._ended.pop(topic).values()), None, BlockFrames()):
            self._send(topic, frame)
        for entry, frame in held:
            self._sequencer.refer(entry, frame)
            if not isReminder(entry.publication):
                self._send(topic, frame)

    def _forget(self, key: tuple[str, str]) -> None:
        if len(self._unfound) >= MAX_UNFOUND:
            self._unfound.clear()
        self._unfound.add(key)


def _isOnlyEnd(answer: Answer) -> bool:
    """Whether this process knows of a stream only that it is over."""
    return answer.isOver and answer.isUnseen
