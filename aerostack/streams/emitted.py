"""
Makes token streams of the events that servers emit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from msgspec.structs import replace
from twisted.internet.defer import Deferred, fail

from aerostack.core.answers.answer import ABORTED, IMPLICIT, LIMIT, NOBODY, Answer, End, Terms
from aerostack.core.answers.answer import DONE as STATE_DONE
from aerostack.core.answers.answers import Answers
from aerostack.core.answers.part import TEXT, Part
from aerostack.core.replay.publications import Publication, Receipt, StreamMark
from aerostack.core.topics.topics import topicOf
from aerostack.errors import RealtimeError
from aerostack.protocol.streams import DONE, TOKEN, tokenOf
from aerostack.streams.run import Run

LEASE = 120.0
"""After how many seconds without an event such a stream ends."""

_TERMS = Terms(None, NOBODY, LEASE, persist=False, implicit=True)


class Judge(Protocol):
    """
    What lets streams begin, grow and end.
    """

    isSure: Callable[[], bool]
    """Whether this node may publish of its streams now."""

    def flush(self, topic: str) -> None:
        """Publish at once what the streams of a topic have grown by."""

    def runOf(self, answer: Answer) -> Run | None:
        """What is known of a stream that runs here."""

    def enter(self, answer: Answer) -> Run:
        """Let a stream run."""

    def grow(self, run: Run, name: str, kind: str, text: str, edition: int = 0) -> Part:
        """Let the text of a part grow; raise L{RealtimeError} if it is too large."""

    def finish(self, run: Run, end: End, data: bytes | None = None, persist: bool = False) -> None:
        """End a stream; the outcome of the run says when that is done."""


class Emitted:
    """
    The streams that began with an C{ai:token} of a server, one a topic at the most.  See
    L{aerostack.hub.publishing.StreamHook}.
    """

    def __init__(
        self,
        judge: Judge,
        answers: Answers,
        publish: Callable[[Publication], Deferred[Any]],
        now: Callable[[], float],
        newId: Callable[[], str],
    ) -> None:
        """
        @param now: Gives the clock's time, seconds.
        """
        self._judge = judge
        self._answers = answers
        self._publish = publish
        self._now = now
        self._newId = newId
        # By topic.
        self._running: dict[str, Answer] = {}

    def precede(
        self, publication: Publication, publisher: str | None, messageId: str | None
    ) -> Deferred[Receipt | None] | None:
        """
        See L{aerostack.hub.publishing.StreamHook}.
        """
        self._judge.flush(publication.topic)
        if publisher is not None:
            return None
        if publication.event == TOKEN and messageId is None:
            return self._token(publication)
        if publication.event == DONE:
            return self._done(publication, messageId is not None)
        return None

    def _token(self, publication: Publication) -> Deferred[Any] | None:
        if publication.topic in self._running and not self._judge.isSure():
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
            part = self._judge.grow(run, IMPLICIT, TEXT, token)
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
            self._judge.finish(run, End(ABORTED, LIMIT))
        return failure

    def _runOn(self, publication: Publication) -> Run | None:
        """The stream of a topic, begun if there is none; L{None} if there can be none."""
        topic = publication.topic
        answer = self._running.get(topic)
        if answer is not None and answer.end is None:
            return self._judge.runOf(answer)
        if topicOf(topic).table is not None or self._answers.of(topic):
            return None
        try:
            self._answers.admit(topic)
        except RealtimeError:
            return None
        name = self._newId()
        answer = self._running[topic] = Answer(name, name, topic, _TERMS, publication.timestamp)
        return self._judge.enter(answer)

    def _done(self, publication: Publication, persist: bool) -> Deferred[Receipt | None] | None:
        answer = self._running.pop(publication.topic, None)
        run = None if answer is None else self._judge.runOf(answer)
        if run is None or run.answer.end is not None:
            return None
        self._judge.finish(run, End(STATE_DONE), publication.data, persist)
        return run.outcome.wait()

    def over(self, answer: Answer) -> None:
        """
        Forget a stream that has ended.
        """
        if self._running.get(answer.topic) is answer:
            del self._running[answer.topic]
