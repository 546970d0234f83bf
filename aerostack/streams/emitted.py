"""
Makes token streams of the events that servers emit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail

from aerostack.core.answers.answer import ABORTED, IMPLICIT, LIMIT, NOBODY, Answer, End, Terms
from aerostack.core.answers.answer import DONE as STATE_DONE
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.part import TEXT
from aerostack.core.replay.publications import Publication, Receipt, StreamMark
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.protocol.streams import DONE, TOKEN, tokenOf
from aerostack.streams.ending import Ending
from aerostack.streams.growing import Growing
from aerostack.streams.run import Run
from aerostack.streams.runs import Runs
from aerostack.streams.ticking import Ticker

LEASE = 120.0
"""After how many seconds without an event such a stream ends."""

_TERMS = Terms(None, NOBODY, LEASE, persist=False, implicit=True)


class Emitted:
    """
    The streams that began with an C{ai:token} of a server, one a topic at the most.  See
    L{aerostack.hub.publishing.StreamHook}.
    """

    def __init__(
        self,
        runs: Runs,
        growing: Growing,
        ending: Ending,
        ticker: Ticker,
        answers: Answers,
        publish: Callable[[Publication], Deferred[Any]],
        now: Callable[[], float],
        newId: Callable[[], str],
    ) -> None:
        """
        @param now: Gives the clock's time, seconds.
        """
        self._runs = runs
        self._growing = growing
        self._ending = ending
        self._ticker = ticker
        self._answers = answers
        self._publish = publish
        self._now = now
        self._newId = newId

    def precede(
        self,
        publication: Publication,
        publisher: str | None,
        messageId: str | None,
        place: Callable[[], Any],
    ) -> Deferred[Receipt | None] | None:
        """
        See L{aerostack.hub.publishing.StreamHook}.
        """
        if publisher is None and isStreamEvent(publication.event, messageId):
            return self.emit(publication, messageId is not None)
        self.flush(publication.topic)
        return None

    def flush(self, topic: str) -> None:
        """
        Publish what the streams of a topic have grown by.
        """
        self._ticker.flush(topic)

    def emit(self, publication: Publication, persist: bool) -> Deferred[Receipt | None] | None:
        """
        Let a stream of this node grow, or end, by an event for which L{isStreamEvent} holds.

        @param persist: Whether the event is to be kept.
        @return: L{None} if the event is no part of a stream.
        """
        self.flush(publication.topic)
        if publication.event == DONE:
            return self._done(publication, persist)
        return self._token(publication)

    def has(self, topic: str) -> bool:
        """
        Whether such a stream of a topic goes on at this node.
        """
        answer = self._runs.emitted.get(topic)
        return answer is not None and answer.end is None and self._runs.of(answer) is not None

    def holds(self, topic: str) -> bool:
        """
        Whether this node has such a stream of a topic whose end is not published yet.
        """
        return any(
            answer.terms.implicit and self._runs.of(answer) is not None
            for answer in self._answers.all(topic)
        )

    def mayBegin(self, topic: str) -> bool:
        """
        Whether the next token of a topic begins a stream, while no stream goes on: it is no
        table's, and no stream of a producer runs on it.
        """
        # A stream of emitted events that is still here has ended, or its node is gone.
        return topicOf(topic).table is None and all(map(_isEmitted, self._answers.of(topic)))

    def _token(self, publication: Publication) -> Deferred[Any] | None:
        if publication.topic in self._runs.emitted and not self._runs.isSure():
            return fail(
                RealtimeError("engine_unavailable", "The daemon is not joined to others now.", 1000)
            )
        token = tokenOf(publication.data)
        run = None if token is None else self._runOn(publication)
        if token is None or run is None:
            return None
        answer = run.answer
        at = answer.parts[IMPLICIT].length if IMPLICIT in answer.parts else 0
        try:
            part = self._growing.grow(run, IMPLICIT, TEXT, token)
        except RealtimeError:
            # The stream was too large.  The token is an event of its own.
            return None
        run.renew(self._now())
        part.takeFresh()
        mark = StreamMark(answer.id, IMPLICIT, TEXT, at, token)
        published = self._publish(replace(publication, stream=mark))
        return published.addErrback(self._lost, run)

    def _lost(self, failure: Any, run: Run) -> Any:
        """End a stream whose subscribers lack a token, because too much waits on the topic."""
        if run.answer.end is None:
            self._ending.finish(run, End(ABORTED, LIMIT))
        return failure

    def _runOn(self, publication: Publication) -> Run | None:
        """The stream of a topic, which begins if none runs; L{None} if the topic can have none."""
        topic = publication.topic
        answer = self._runs.emitted.get(topic)
        if answer is not None and answer.end is None:
            return self._runs.of(answer)
        if not self.mayBegin(topic):
            return None
        try:
            self._answers.admit(topic)
        except RealtimeError:
            return None
        name = self._newId()
        answer = self._runs.emitted[topic] = Answer(
            name, name, topic, _TERMS, publication.timestamp
        )
        return self._runs.begin(answer)

    def _done(self, publication: Publication, persist: bool) -> Deferred[Receipt | None] | None:
        answer = self._runs.emitted.pop(publication.topic, None)
        run = None if answer is None else self._runs.of(answer)
        if run is None or run.answer.end is not None:
            return None
        self._ending.finish(run, End(STATE_DONE), publication.data, persist)
        return run.outcome.wait()


def isStreamEvent(event: str, messageId: str | None) -> bool:
    """
    Whether an event of a server may be a part of a stream.  A token that is to be kept by itself is
    none.

    @param messageId: The id under which the event is to be kept; L{None} if it is not to be kept.
    """
    return event == DONE or (event == TOKEN and messageId is None)


def _isEmitted(answer: Answer) -> bool:
    return answer.terms.implicit or (answer.isMirror and not answer.head)
