"""
Hands token streams over from one run of a daemon to another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from aerostack.core.answers.answer import ABORTED, RESTART, Answer, End
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.checkpoints import StoredAnswer
from aerostack.core.replay.publications import Publication
from aerostack.core.topics.topics import projectOf
from aerostack.errors import RealtimeError
from aerostack.hub.publishing import Publisher
from aerostack.protocol.streams import readEnd
from aerostack.streams.checkpointing import Checkpointer
from aerostack.streams.placing import Placing
from aerostack.streams.run import Run, Stopped
from aerostack.streams.runs import Runs
from aerostack.streams.ticking import Ticker


class Handover:
    """
    Lets streams go that another node has taken over, and lets those go on here that another run
    of a daemon has left.

    @ivar lost: Called with a stream that another node has taken over, and with what tells its
        producer to stop.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        runs: Runs,
        answers: Answers,
        publisher: Publisher,
        placing: Placing,
        ticker: Ticker,
        checkpoints: Checkpointer,
    ) -> None:
        self.lost: Callable[[Answer, Stopped | None], object] = lambda answer, stopped: None
        self._clock = clock
        self._runs = runs
        self._answers = answers
        self._publisher = publisher
        self._placing = placing
        self._ticker = ticker
        self._checkpoints = checkpoints
        checkpoints.lost = self.letGo

    def letGo(self, answer: Answer, isEnded: bool = False) -> None:
        """
        Let a stream go, because another node has taken it over, or has ended it.

        @param isEnded: Whether another node has ended it, although its end may not have come here.
        """
        run = self._runs.remove(answer)
        if run is None:
            return
        self._ticker.forget(answer)
        self._runs.over(answer)
        self._checkpoints.ended(answer)
        if (isEnded or answer.isOver) and answer.terms.persist:
            # The other node did not have the text; the database may have some.
            isAborted = answer.end is None or answer.state == ABORTED
            self._keepOnly(answer, End(ABORTED, RESTART) if isAborted else End(answer.state))
        if answer.isOver:
            run.tell(answer.state)
            return
        self.lost(answer, run.stopped)
        if self._publisher.isNeeded(answer.topic):
            # What comes of it from the other node goes on from what subscribers have.
            answer.cut()
            self._answers.count(answer)
        else:
            self._answers.forget(answer)

    def abandon(self, answer: Answer) -> Deferred[Any]:
        """
        End a stream that ran at another node, because no node has it any more.  Several nodes may
        do so: subscribers get one end.

        @return: Fires when the end has its place in the topic's order.  Fails with
            L{RealtimeError} if the engine does not take it.
        """
        now = self._clock.seconds()
        return self._placing.abandon(Run(replace(answer, end=End(ABORTED, RESTART)), now, now, now))

    def dropMirrors(self, topic: str) -> None:
        """
        Forget the streams of other nodes that run on a topic, because nothing of it comes here any
        more.
        """
        for answer in self._answers.all(topic):
            if self._runs.of(answer) is None:
                self._answers.forget(answer)

    def restore(self, stored: Iterable[StoredAnswer]) -> None:
        """
        Let the streams go on that an earlier run of the daemon has left.
        """
        for each in stored:
            self.adopt(each)

    def adopt(
        self,
        stored: StoredAnswer,
        published: Sequence[Publication] = (),
        stopped: Stopped | None = None,
    ) -> None:
        """
        Let a stream go on that another run of a daemon has left.  Its producer has its lease to
        come back; if that was the daemon itself, the stream ends.

        @param published: What the topic's log has, if this daemon does not follow the topic.
        @param stopped: Reaches its producer, if that is at another node.
        """
        record = stored.record
        mirror = self._answers.get(projectOf(record.topic), record.name)
        if mirror is not None and (mirror.isReleased or mirror.topic != record.topic):
            mirror = None
        isOther = mirror is not None and self._runs.of(mirror) is not None
        if mirror is not None and isOther and mirror.record == record.id:
            # Another node has taken it over, and is gone, before this one noticed.
            self._regain(mirror, stored)
            return
        try:
            answer = self._checkpoints.restore(stored, None if isOther else mirror, published)
        except ValueError:
            self.log.warn("the stream {name!r} in the database is malformed", name=record.name)
            return
        end = End(ABORTED, RESTART) if isOther else _endAmong(published, answer.id) or answer.end
        if end is not None:
            # Watchers have its end already, or another stream has its id since.
            self._keepOnly(answer, end)
            if mirror is None:
                # Until the database has the end, only this says that the stream may not begin
                # again.
                self._answers.enter(answer)
                self._answers.over(answer, self._clock.seconds())
            return
        if mirror is None:
            answer.isUnseen = self._publisher.isNeeded(answer.topic)
            self._answers.enter(answer)
        else:
            self._answers.count(answer)
        run = self._runs.add(answer, stopped)
        run.isOrphan = answer.isRelayed
        if any(part.length > part.shown for part in answer.parts.values()):
            self._ticker.grown(answer)

    def _regain(self, answer: Answer, stored: StoredAnswer) -> None:
        """Let a stream go on that never stopped here."""
        if answer.end is None:
            self._checkpoints.regain(stored, answer)
            self._answers.count(answer)
            if any(part.length > part.shown for part in answer.parts.values()):
                self._ticker.grown(answer)

    def _keepOnly(self, answer: Answer, end: End) -> None:
        """Have a stream kept whose end is not to be published."""
        self._checkpoints.ended(answer)
        answer.end = end
        kept = self._placing.keep(answer)
        kept.addErrback(lambda failure: failure.trap(RealtimeError))


def _endAmong(published: Sequence[Publication], stream: str) -> End | None:
    """How a stream has ended, by what was published on its topic; L{None} if it has not."""
    for publication in published:
        mark = publication.stream
        if mark is not None and mark.stream == stream and mark.state:
            return readEnd(mark.state, publication.data)
    return None
