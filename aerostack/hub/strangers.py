"""
Token streams whose beginnings this process has not seen, because it follows their topics for less
long.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.copying import Page, Place, lacksText, takePage
from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.hub.sequencing import Sequencer
from aerostack.protocol.framing import Frame
from aerostack.protocol.streams import snapshotFrames

MAX_HELD = 1000
"""How many entries of one topic are held back while the beginning is being read."""

MAX_PAGES = 1000
"""How many pages of one stream are read.  It may change all the time."""

MAX_UNFOUND = 10_000
"""How many streams are remembered of which there is no beginning."""


Copying = Callable[[str, str, Place], Deferred[Page]]
"""See L{aerostack.interfaces.streams.IStreams.copy}."""

_Held = list[tuple[SharedEntry, Frame]]


class Strangers:
    """
    Finds the beginning of such a stream in the shared log, or at the node that has the stream;
    sends it to the subscribers, and then what has come meanwhile on the topic.

    If there is the beginning no longer, subscribers get what is published from now on.
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
        # By project and id, the streams of which there is no beginning.
        self._unfound: set[tuple[str, str]] = set()

    def hold(self, entry: SharedEntry, frame: Frame) -> bool:
        """
        Hold an entry back, if its stream is a stranger, or if that of an earlier one on the topic
        was.

        @return: Whether it is held back.  It is sent later then.
        """
        topic = entry.publication.topic
        held = self._held.get(topic)
        if held is not None:
            held.append((entry, frame))
            if len(held) >= MAX_HELD:
                self._go(topic, held)
            return True
        if not self._isStrange(entry):
            return False
        held = self._held[topic] = [(entry, frame)]
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

    async def _find(self, topic: str, held: _Held) -> None:
        filling = self._fill(topic)
        if filling is not None:
            await filling.addErrback(self._failed)
        project, tried = projectOf(topic), set[str]()
        while (wanted := self._missing(topic, held) - tried) and self._held.get(topic) is held:
            for stream in wanted:
                tried.add(stream)
                found = await self._read(topic, stream)
                if found is not None and self._sequencer.answers.get(project, stream) is None:
                    self._sequencer.answers.enter(found)

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
        """The streams among held entries that this process does not know."""
        answers, project = self._sequencer.answers, projectOf(topic)
        marks = (entry.publication.stream for entry, _ in held)
        return {
            mark.stream
            for mark in marks
            if mark is not None and answers.get(project, mark.stream) is None
        }

    def _failed(self, failure: Failure) -> None:
        if not failure.check(RealtimeError):
            self.log.failure("the beginning of a stream cannot be read", failure)

    def _go(self, topic: str, held: _Held) -> None:
        """Send what was found, and what was held back."""
        if self._held.get(topic) is not held:
            # So much came that it was not waited for.
            return
        del self._held[topic]
        for stream in self._missing(topic, held):
            self._forget((projectOf(topic), stream))
        marks = [entry.publication.stream for entry, _ in held]
        names = {mark.stream for mark in marks if mark is not None}
        found = [answer for answer in self._sequencer.answers.of(topic) if answer.id in names]
        for answer in found:
            answer.isUnseen = False
        for frame in snapshotFrames(found, None):
            self._send(topic, frame)
        for entry, frame in held:
            self._sequencer.refer(entry, frame)
            self._send(topic, frame)

    def _forget(self, key: tuple[str, str]) -> None:
        if len(self._unfound) >= MAX_UNFOUND:
            self._unfound.clear()
        self._unfound.add(key)
