"""
Sends frames to all subscribers of a topic, without stopping everything else.

The first frame of a topic in a turn of the reactor goes to all subscribers at once: that is the
fastest while things are quiet.  Frames that follow in the same turn wait for its end and go out
together.  The frames of a topic that was busy in the last turn all wait.

A topic with very many subscribers is served in slices.  Between them, other topics are served and
the reactor reads from sockets.

Frames are put together in three places, each for a reason of its own:

1. Here, for all subscribers of a topic: the frames are joined once, whatever the number of
   subscribers, and each subscriber is called once.
2. L{aerostack.net.websocket.writer}, for one connection: it gathers the bytes of different topics
   and of answers, which only the connection brings together, and makes one system call.
3. L{aerostack.core.outbox.Outbox.take}, for one client that reads slowly: its frames wait one by
   one, because a newer one may replace any of them, until the socket has room for some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.diagnosis.histogram import SIZES, TopicHistograms
from aerostack.core.limits.tally import Tally
from aerostack.delivery.turnend import TurnEnd
from aerostack.interfaces.messaging import ISubscriber
from aerostack.protocol.framing import Frame, joinFrames

Subscribers = tuple[ISubscriber, ...]


class _Pass:
    """
    Frames on their way to one set of subscribers.

    @ivar skipped: The subscribers that joined or left since; they get nothing of this.
    @ivar then: The functions to call when all subscribers have the frames.
    @ivar sample: One more, which measures the pass; L{None} if it is not measured.
    """

    __slots__ = ("_data", "_done", "frames", "sample", "size", "skipped", "subscribers", "then")

    def __init__(self, subscribers: Subscribers) -> None:
        self.subscribers = subscribers
        self.frames: list[Frame] = []
        self.size = 0
        self.skipped: set[ISubscriber] | None = None
        self.then: list[Callable[[], object]] = []
        self.sample: Callable[[], object] | None = None
        self._done = 0
        self._data: Frame | None = None

    @property
    def started(self) -> bool:
        """Whether it is too late to add frames."""
        return self._data is not None

    def add(self, frame: Frame) -> None:
        """Let one frame more go out with the others."""
        self.frames.append(frame)
        self.size += len(frame)

    def awaits(self, subscriber: ISubscriber) -> bool:
        """Whether a subscriber is still to get the frames."""
        if self.skipped is not None and subscriber in self.skipped:
            return False
        # As tuples go, this is fast.
        return subscriber in self.subscribers[self._done :]

    def step(self, count: int) -> Sequence[ISubscriber]:
        """
        Move on by some subscribers.

        @return: At most so many; fewer only if there are no more, or if some are skipped.
        """
        begin, self._done = self._done, min(self._done + count, len(self.subscribers))
        chosen: Sequence[ISubscriber] = self.subscribers[begin : self._done]
        if self.skipped is not None:
            chosen = [s for s in chosen if s not in self.skipped]
        return chosen

    @property
    def data(self) -> Frame:
        """The bytes that each subscriber gets."""
        if self._data is None:
            self._data = joinFrames(self.frames)
        return self._data

    @property
    def left(self) -> int:
        """How many subscribers are still to come."""
        return len(self.subscribers) - self._done


class _Queue:
    """
    The frames of one topic that are still to be sent.
    """

    __slots__ = ("_open", "_tally", "passes", "size")

    def __init__(self, tally: Tally) -> None:
        """
        @param tally: How much all topics have to send together.
        """
        self.passes: deque[_Pass] = deque()
        self.size = 0
        self._tally = tally
        # Passes that take more frames, by the identity of their subscribers.  Two tuples of
        # subscribers have none in common, so their passes need no order.
        self._open: dict[int, _Pass] = {}

    def add(self, subscribers: Subscribers, frame: Frame) -> None:
        """Let a frame wait."""
        going = self._open.get(id(subscribers))
        if going is None or going.started:
            going = self._open[id(subscribers)] = _Pass(subscribers)
            self.passes.append(going)
        going.add(frame)
        self.size += len(frame)
        self._tally.size += len(frame)

    def leaveOut(self, subscriber: ISubscriber) -> None:
        """Let a subscriber get nothing of what waits.  Frames that come later are not affected."""
        self._open.clear()
        for going in self.passes:
            if going.skipped is None:
                going.skipped = set()
            going.skipped.add(subscriber)

    def finish(self) -> None:
        """Take the first pass away: all its subscribers have been served."""
        going = self.passes.popleft()
        self.size -= going.size
        self._tally.size -= going.size
        if going.sample is not None:
            going.sample()
        for call in going.then:
            call()


AGAIN = 8
"""How many subscribers that get something of a turn already are as much work as one that does not.
Their connections gather the frames; the system call is most of the work."""

MAX_WAITING = 1_048_576
"""How many bytes may wait before L{Fanout.whenDrained} holds the tracker back."""


class Fanout:
    """
    Sends frames to the subscribers of topics, in one order for each topic.

    @ivar delivered: How many frames were given to subscribers.
    @ivar sizes: How large live frames are, each counted once for each of its subscribers.
    """

    log = Logger()

    def __init__(
        self, turnEnd: TurnEnd, slice: int = 4000, kindOf: Callable[[str], str] = str
    ) -> None:
        """
        @param turnEnd: Ends the turns of the reactor.
        @param slice: How many subscribers are served in one turn of the reactor; see also
            L{AGAIN}.
        @param kindOf: Gives the kind of a topic; L{sizes} has a histogram for each kind.
        """
        self.delivered = 0
        self.sizes = TopicHistograms(kindOf, SIZES)
        self._turnEnd = turnEnd
        self._slice = slice
        self._queues: dict[str, _Queue] = {}
        self._waiting = Tally()
        # Topics that have sent something in this turn.
        self._sent: set[str] = set()
        # Topics that had more than one frame for a pass in the last turn.
        self._busy: set[str] = set()
        self._spent = 0
        self._scheduled = False
        # Callers that wait for the backlog to shrink.
        self._patient: list[Deferred[None]] = []

    def send(self, topic: str, subscribers: Subscribers, frame: Frame) -> None:
        """
        Send a frame to subscribers of a topic.

        @param subscribers: From L{aerostack.core.registry.Registry.groups}.
        """
        self.sizes.observe(topic, len(frame), len(subscribers))
        queue = self._queues.get(topic)
        if queue is None:
            self._spent += len(subscribers)
            if topic not in self._sent and topic not in self._busy and self._spent <= self._slice:
                self._sent.add(topic)
                if not self._scheduled:
                    self._schedule()
                self._pass(subscribers, frame, 1)
                return
            queue = self._queues[topic] = _Queue(self._waiting)
        queue.add(subscribers, frame)
        if not self._scheduled:
            self._schedule()

    def dropPending(self, topic: str, subscriber: ISubscriber) -> None:
        """
        Note that a subscriber joins a topic or leaves it: it gets none of the topic's frames that
        still wait.
        """
        queue = self._queues.get(topic)
        if queue is not None:
            queue.leaveOut(subscriber)

    def handOver(self, topic: str, subscriber: ISubscriber) -> None:
        """
        Send a subscriber at once the frames of a topic that still wait for it, so that it has
        everything that was published until now.
        """
        queue = self._queues.get(topic)
        if queue is not None:
            waiting = [going for going in queue.passes if going.awaits(subscriber)]
            queue.leaveOut(subscriber)
            for going in waiting:
                self._pass((subscriber,), going.data, len(going.frames))

    def whenDrained(self) -> Deferred[None] | None:
        """
        Ask when the backlog is small enough for more, for a caller that can wait.

        @return: L{None} if it is now, else a L{Deferred} that fires when it is.
        """
        if self._waiting.size <= MAX_WAITING:
            return None
        patient: Deferred[None] = Deferred()
        self._patient.append(patient)
        return patient

    def backlog(self, topic: str) -> int:
        """
        How many bytes of a topic wait to be sent to its subscribers.
        """
        queue = self._queues.get(topic)
        return 0 if queue is None else queue.size

    def isSending(self, topic: str) -> bool:
        """
        Whether frames of a topic are still to be sent.
        """
        return topic in self._queues

    def whenSent(self, topic: str, call: Callable[[], object]) -> None:
        """
        Call a function when all frames of a topic are sent that are to be sent now; at once if
        there are none.
        """
        going = self._last(topic)
        if going is None:
            call()
        else:
            going.then.append(call)

    def sampleSent(self, topic: str, call: Callable[[], object]) -> bool:
        """
        Call a function as L{whenSent} does, to measure how long frames take.  Only the first
        function is kept for a pass, which has waited longest.

        @return: Whether the function is called, or was called at once; L{False} if it was not
            kept.
        """
        going = self._last(topic)
        if going is None:
            call()
        elif going.sample is not None:
            return False
        else:
            going.sample = call
        return True

    def _last(self, topic: str) -> _Pass | None:
        """The last of the passes that are to be sent of a topic."""
        queue = self._queues.get(topic)
        return queue.passes[-1] if queue is not None and queue.passes else None

    def flush(self) -> None:
        """
        Send everything that waits, now.
        """
        while self._queues:
            self._turn()

    def _schedule(self) -> None:
        self._scheduled = True
        self._turnEnd.call(self._end)

    def _end(self) -> None:
        self._scheduled = False
        self._turn()
        if self._queues and not self._scheduled:
            self._schedule()

    def _turn(self) -> None:
        """End a turn of the reactor."""
        self._sent.clear()
        self._spent = 0
        busy: set[str] = set()
        left = self._slice
        served: set[ISubscriber] | None = set() if len(self._queues) > 1 else None
        for topic in tuple(self._queues):
            if left <= 0:
                break
            queue = self._queues[topic]
            while queue.passes and left > 0:
                going = queue.passes[0]
                if len(going.frames) > 1:
                    busy.add(topic)
                data = going.data
                subscribers = going.step(left)
                left -= max(1, _work(subscribers, served))
                self._pass(subscribers, data, len(going.frames))
                if not going.left:
                    queue.finish()
            del self._queues[topic]
            if queue.passes:
                # The others come first in the next turn.
                self._queues[topic] = queue
                busy.add(topic)
        self._busy = busy
        if self._patient and self._waiting.size <= MAX_WAITING:
            patient, self._patient = self._patient, []
            for each in patient:
                each.callback(None)

    def _pass(self, subscribers: Sequence[ISubscriber], frame: Frame, count: int) -> None:
        self.delivered += len(subscribers) * count
        for subscriber in subscribers:
            try:
                subscriber.deliver(frame)
            except Exception:
                # A fault of one subscriber must not cost the others anything.
                self.log.failure("a subscriber could not be served", Failure())


def _work(subscribers: Sequence[ISubscriber], served: set[ISubscriber] | None) -> int:
    """
    How much work it is to serve subscribers; the unit is one that gets nothing else.

    @param served: Those that are served in this turn already, to which these are added; L{None} if
        it is known that these are none of them.
    """
    if served is None:
        return len(subscribers)
    again = len(served.intersection(subscribers))
    served.update(subscribers)
    return len(subscribers) - again + again // AGAIN
