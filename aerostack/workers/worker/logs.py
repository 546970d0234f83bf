"""
The topics' logs of a worker, which follow those of the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.replay.log import Entry, Past
from aerostack.core.replay.mirror import MirrorLog
from aerostack.core.replay.positions import Position
from aerostack.hub.sequencing import Sequencer
from aerostack.interfaces.logs import ILogSource
from aerostack.interfaces.publishing import IReceiver
from aerostack.protocol.framing import NO_FRAME
from aerostack.workers.messages.logs import (
    Attach,
    Attached,
    Detach,
    Elsewhere,
    Fill,
    PastPage,
    Published,
)
from aerostack.workers.worker.asking import unanswered
from aerostack.workers.worker.backlogs import Backlogs
from aerostack.workers.worker.links import HubLink

PATIENCE = 30.0
"""Seconds that the hub has for an answer."""


@implementer(ILogSource)
class RemoteLogs:
    """
    Attaches topics at the hub, and hands their publications to what brings them to subscribers.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    def __init__(self, clock: IReactorTime, hub: HubLink, sequencer: Sequencer) -> None:
        """
        @param sequencer: Has this process's logs.
        """
        self.handlers: Mapping[type, Callable[[Any], None]] = {Published: self._published}
        self._clock = clock
        self._hub = hub
        self._sequencer = sequencer
        self._receiver: IReceiver
        self._attached: set[str] = set()
        # By topic that is not attached yet, the number of the question whose answer attaches it.
        self._asked: dict[str, int] = {}
        self._number = 0
        # By log that is being filled, the callers that wait for it.
        self._filling: dict[MirrorLog, list[Deferred[None]]] = {}
        self._backlogs = Backlogs(clock, hub)
        sequencer.logs.needed = self._attached.__contains__

    def start(self, receiver: IReceiver) -> None:
        """
        Begin.

        @param receiver: Gets the publications of attached topics.
        """
        self._receiver = receiver
        self._backlogs.start(receiver)

    # Attaching

    def attach(self, topic: str) -> Deferred[None]:
        """
        See L{ILogSource.attach}.
        """
        self._number = number = self._number + 1
        self._asked[topic] = number
        asked = self._hub.ask(Attach(topic), PATIENCE)
        attached: Deferred[None] = asked.addCallbacks(
            self._attach, self._refused, (topic, number), errbackArgs=(topic, number)
        )
        return attached

    def detach(self, topic: str) -> None:
        """
        See L{ILogSource.detach}.
        """
        if self._asked.pop(topic, None) is None:
            self._attached.remove(topic)
            self._backlogs.forget(topic)
            # What is published from now on does not come here.
            self._sequencer.dropLog(topic)
        self._hub.send(Detach(topic))

    def _attach(self, answer: Attached, topic: str, number: int) -> None:
        if self._asked.get(topic) != number:
            # It was detached meanwhile.
            return
        del self._asked[topic]
        self._attached.add(topic)
        if answer.head is not None:
            self._sequencer.followLog(topic, answer.head)

    def _refused(self, failure: Failure, topic: str, number: int) -> Failure:
        if self._asked.get(topic) == number:
            del self._asked[topic]
            if failure.check(TimeoutError):
                # The hub may still get to it.
                self._hub.send(Detach(topic))
        return unanswered(failure)

    # Publications

    def _published(self, message: Published) -> None:
        topic = message.topic
        if topic not in self._attached:
            # It was detached, and the hub did not know yet.
            return
        self._receiver.deliver(message.publication)
        self._backlogs.note(topic)

    # Filling

    def fill(self, topic: str) -> Deferred[None] | None:
        """
        See L{ILogSource.fill}.
        """
        log = self._sequencer.logs.get(topic)
        if not isinstance(log, MirrorLog) or log.isFilled:
            return None
        waited: Deferred[None] = Deferred()
        waiting = self._filling.setdefault(log, [])
        waiting.append(waited)
        if len(waiting) == 1:
            filling = Deferred.fromCoroutine(self._fill(topic, log))
            filling.addErrback(unanswered).addBoth(self._filled, log)
        return waited

    def _filled(self, result: Failure | None, log: MirrorLog) -> None:
        for waited in self._filling.pop(log):
            waited.callback(result)

    async def _fill(self, topic: str, log: MirrorLog) -> None:
        """
        Read what the hub has of a log from before it was attached, page by page.
        """
        begin, after = log.begin, 0
        entries: list[Entry] = []
        while True:
            page = await self._hub.ask(Fill(topic, log.epoch, after, begin), PATIENCE)
            if self._sequencer.logs.get(topic) is not log:
                # It was detached meanwhile.
                return
            if isinstance(page, Elsewhere):
                self._sequencer.fillLog(topic, log, None)
                return
            if page.begin != after + 1:
                # What was read is no longer next to this page.
                entries.clear()
            entries += self._entriesOf(page, log.epoch)
            after = page.begin + len(page.entries) - 1
            if after >= begin or not page.entries:
                past = Past(page.first, page.base, page.lostOffset, page.lostMark, tuple(entries))
                self._sequencer.fillLog(topic, log, past)
                return

    def _entriesOf(self, page: PastPage, epoch: str) -> list[Entry]:
        now = self._clock.seconds()
        entries = []
        for offset, each in enumerate(page.entries, page.begin):
            message = each.published
            position = Position(epoch, offset, each.mark, seen=message.seen)
            frame = self._sequencer.pastFrame(message.publication, position)
            kept, text = message.mark is not None, frame.appended
            # Text of a token stream is in memory already.
            entry = frame if text is None else NO_FRAME
            entries.append(Entry(offset, each.mark, kept, entry, text, now - each.age))
        return entries
