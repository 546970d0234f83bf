"""
Token streams whose beginnings this process has not seen, because it follows their topics for less
long.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.replay.shared import SharedEntry
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.hub.sequencing import Sequencer
from aerostack.protocol.framing import Frame
from aerostack.protocol.streams import snapshotFrames

MAX_HELD = 1000
"""How many entries of one topic are held back while the beginning is being read."""

MAX_UNFOUND = 10_000
"""How many streams are remembered of which the server has not the beginning."""


class Strangers:
    """
    Finds the beginning of such a stream in the shared log, sends it to the subscribers, and then
    what has come meanwhile on the topic.

    If the server has the beginning no longer, subscribers get what is published from now on.
    """

    log = Logger()

    def __init__(
        self,
        sequencer: Sequencer,
        fill: Callable[[str], Deferred[None] | None],
        send: Callable[[str, Frame], None],
    ) -> None:
        """
        @param fill: See L{aerostack.interfaces.logs.ILogSource.fill}.
        @param send: Sends a frame to all subscribers of a topic.
        """
        self._sequencer = sequencer
        self._fill = fill
        self._send = send
        # By topic whose log is being read, what has come since.
        self._held: dict[str, list[tuple[SharedEntry, Frame]]] = {}
        # By project and id, the streams of which the server has not the beginning.
        self._unfound: set[tuple[str, str]] = set()

    def hold(self, entry: SharedEntry, frame: Frame) -> bool:
        """
        Hold an entry back, if its stream is a stranger, or if that of an earlier one on the topic
        was.

        @return: Whether it is held back.  It is sent later then.
        """
        topic, mark = entry.publication.topic, entry.publication.stream
        held = self._held.get(topic)
        if held is not None:
            held.append((entry, frame))
            if len(held) >= MAX_HELD:
                self._go(topic, held)
            return True
        if mark is None:
            return False
        key = projectOf(topic), mark.stream
        answer = self._sequencer.answers.get(*key)
        if answer is not None and answer.isUnseen:
            answer.isUnseen = False
            held = self._held[topic] = [(entry, frame)]
            self._go(topic, held)
            return True
        if answer is not None or key in self._unfound:
            return False
        held = self._held[topic] = [(entry, frame)]
        filling = self._fill(topic)
        if filling is None:
            self._go(topic, held)
        else:
            filling.addErrback(self._failed).addCallback(lambda _: self._go(topic, held))
        return True

    def _failed(self, failure: Failure) -> None:
        if not failure.check(RealtimeError):
            self.log.failure("the beginning of a stream cannot be read", failure)

    def _go(self, topic: str, held: list[tuple[SharedEntry, Frame]]) -> None:
        """Send what was found, and what was held back."""
        if self._held.get(topic) is not held:
            # So much came that it was not waited for.
            return
        del self._held[topic]
        answers = self._sequencer.answers
        marks = [entry.publication.stream for entry, _ in held]
        names = {mark.stream for mark in marks if mark is not None}
        found = [answer for answer in answers.of(topic) if answer.id in names]
        for name in names - {answer.id for answer in found}:
            self._forget((projectOf(topic), name))
        for frame in snapshotFrames(found, None):
            self._send(topic, frame)
        for entry, frame in held:
            self._sequencer.refer(entry, frame)
            self._send(topic, frame)

    def _forget(self, key: tuple[str, str]) -> None:
        if len(self._unfound) >= MAX_UNFOUND:
            self._unfound.clear()
        self._unfound.add(key)
