"""
Sends the texts of streams that have grown to their watchers, all of them at the same moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aerostack.core.answers.answer import Answer
from aerostack.core.answers.pace import pause
from aerostack.core.diagnosis.histogram import Histogram


class Ticker:
    """
    One tick sends what every stream has grown by.  It comes as often as the number of watchers
    allows (see L{aerostack.core.answers.pace}).  Where nothing grows, there are no ticks.

    @ivar took: How long ticks took.
    """

    def __init__(
        self,
        clock: IReactorTime,
        publish: Callable[[Sequence[Answer], bool], None],
        isReady: Callable[[str], bool],
        whenSent: Callable[[Iterable[str], Callable[[], object]], None],
    ) -> None:
        """
        @param publish: Publishes what streams of one topic have grown by.  Its second argument says
            whether it may wait for a later tick.
        @param isReady: Whether text can be sent on a topic now.
        @param whenSent: See L{aerostack.interfaces.publishing.IReceiver}.
        """
        self.took = Histogram()
        self._clock = clock
        self._publish = publish
        self._isReady = isReady
        self._whenSent = whenSent
        # By topic, the streams that have grown.
        self._grown: dict[str, dict[Answer, None]] = {}
        self._call: IDelayedCall | None = None
        # Whether a tick is to come, or its pieces are being sent.
        self._isTicking = self._isStopped = False
        # When the next tick may come.
        self._next = 0.0

    def grown(self, answer: Answer) -> None:
        """
        Note that a stream has grown.
        """
        self._grown.setdefault(answer.topic, {})[answer] = None
        self._schedule()

    def _schedule(self) -> None:
        if not self._isTicking and not self._isStopped:
            self._isTicking = True
            self._call = self._clock.callLater(
                max(0.0, self._next - self._clock.seconds()), self._tick
            )

    def stop(self) -> None:
        """
        Tick no more.
        """
        self._isStopped = True
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def flush(self, topic: str) -> None:
        """
        Publish at once what the streams of a topic have grown by, because something else follows
        that must not overtake it.
        """
        self._send(topic, mayWait=False)

    def _send(self, topic: str, mayWait: bool) -> None:
        grown = self._grown.pop(topic, None)
        if grown is not None:
            self._publish(tuple(grown), mayWait)

    def forget(self, answer: Answer) -> None:
        """
        Publish no more of a stream.
        """
        grown = self._grown.get(answer.topic)
        if grown is not None:
            grown.pop(answer, None)
            if not grown:
                del self._grown[answer.topic]

    def _tick(self) -> None:
        self._call = None
        began = self._clock.seconds()
        topics = [topic for topic in self._grown if self._isReady(topic)]
        for topic in topics:
            self._send(topic, mayWait=True)
        self._whenSent(topics, lambda: self._gathered(began))

    def _gathered(self, began: float) -> None:
        """
        Wait until the frames are written: connections gather what a turn of the reactor has for
        them, and most of a tick's work are the system calls at the end of the turn.
        """
        if not self._isStopped:
            self._call = self._clock.callLater(0, self._sent, began)

    def _sent(self, began: float) -> None:
        """Decide when the next tick comes."""
        self._call = None
        took = self._clock.seconds() - began
        self.took.observe(took)
        self._next = began + pause(took)
        self._isTicking = False
        if self._grown:
            self._schedule()
