"""
The sending half of a session: what a client gets, in which order, and how much may wait.
"""

from __future__ import annotations

from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.backlog import Backlog
from aerostack.core.outbox import Outbox, Verdict
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.interfaces import Delivery, IRecovery, NamedViews
from aerostack.delivery.paced import PacedOutbound
from aerostack.delivery.portions import CHUNK
from aerostack.delivery.runs import Runs
from aerostack.errors import CLOSE_SLOW, RealtimeError
from aerostack.interfaces.messaging import IConnection, ISubscriber
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.framing import Frame, joinFrames, topicOfKey
from aerostack.protocol.serverframes import Error, ServerFrame


@implementer(ISubscriber)
class Outbound(PacedOutbound):
    """
    Sends frames to one client, as fast as it reads.

    What the client does not take at once waits, within a bound.  Where more would have to
    wait, the frames that can be read again are forgotten, and are read when the client has
    taken the rest: a flood of table changes reaches a slow client slowly, but whole.  A client
    that cannot take what exists nowhere else is closed, and may come back.  If too much waits for
    all slow readers together, the one that has not read for longest is closed.

    @cvar log: The session makes it.
    @ivar views: Further subscriptions of the client that have names; L{None} if it never had any.
    """

    __slots__ = ("_congested", "_limit", "_outbox", "views")

    log: Logger

    def __init__(
        self,
        connection: IConnection,
        limit: int,
        recovery: IRecovery[Outbound],
        backlog: Backlog[Outbound],
    ) -> None:
        """
        @param limit: How many bytes may wait.
        @param backlog: Counts what waits for all clients of the project.
        """
        super().__init__(connection, recovery, backlog)
        self._limit = limit
        self._outbox: Outbox[Frame] = Outbox(limit, backlog)
        self._congested = False
        self.views: NamedViews | None = None

    @property
    def reader(self) -> Outbound:
        """See L{Recipient.reader}."""
        return self

    @property
    def members(self) -> Outbound:
        """See L{Recipient.members}."""
        return self

    @property
    def viewCount(self) -> int:
        """How many named views the client has."""
        return 0 if self.views is None else len(self.views)

    @property
    def isCongested(self) -> bool:
        """Whether the client's socket takes no more for now."""
        return self._congested

    @property
    def queued(self) -> int:
        """How many bytes wait for the client, with those that are held back."""
        return self._outbox.waiting + self._held

    @property
    def _held(self) -> int:
        return 0 if self._portions is None else self._portions.held.size

    def send(self, frame: ServerFrame) -> None:
        """
        Send a frame to this client alone.
        """
        self.deliver(wireFrame(frame))

    def sendLast(self, frame: ServerFrame) -> None:
        """
        Send a frame before the end, and the answers that wait.  The session drops the
        waiting frames of topics: the client gets them when it comes back.
        """
        while self._outbox:
            for waiting in self._outbox.take(CHUNK):
                if waiting.topic is None:
                    self._connection.send(waiting)
        self._connection.send(wireFrame(frame))

    def close(self, code: int, reason: str) -> None:
        """
        End the connection.
        """
        raise NotImplementedError

    def fail(self, failure: Failure) -> None:
        """
        End the connection, because the daemon failed.
        """
        raise NotImplementedError

    def reauthorize(self, topic: str | None = None) -> None:
        """
        Check again what the client may read.
        """
        raise NotImplementedError

    def congested(self) -> None:
        """Note that the socket has begun to queue."""
        self._congested = True
        self._backlog.stops(self)
        if self._delivery is Delivery.DIRECT:
            self._switch(Delivery.WAITING)

    def drained(self) -> None:
        """Note that the socket took all that was queued."""
        self._congested = False
        self._backlog.goesOn(self)
        while self._outbox and not self._congested:
            if frames := self._outbox.take(CHUNK):
                self._connection.send(joinFrames(frames))
        self._settle()

    def _isFree(self) -> bool:
        """Whether a frame can be sent ahead of all that may wait."""
        return not (self._congested or self._outbox or self._delivery is Delivery.SHUT)

    def _wait(self, frame: Frame) -> None:
        """Take a frame while something stands in the way."""
        if self._hold(frame):
            return
        if not self._congested and not self._outbox:
            self._connection.send(frame)
            return
        if len(frame.parts) > 1:
            for part in frame.parts:
                # The client may become slow, or be closed, with any of them; the next one goes by
                # that.
                self.deliver(part)
            return
        if frame.isState and self._portions and self._portions.isToSync(frame.topic):
            # The set of members is not made yet, and will contain this change.
            return
        if frame.appended is not None:
            frame = Runs.of(frame.appended)
        verdict = self._outbox.add(frame, self._held)
        if verdict is Verdict.FULL and not self._makeRoom(frame):
            self.giveUp()
        elif verdict is Verdict.LAGGING:
            self._outbox.add(_LAGGING)
        self._relieve()

    def _relieve(self) -> None:
        """Close the slowest readers of all, as long as too much waits for all together."""
        while (slowest := self._backlog.slowest()) is not None:
            slowest.giveUp()
            self._backlog.goesOn(slowest)

    def _hold(self, frame: Frame) -> bool:
        """Keep back what is live while the past is sent."""
        catchup = None if frame.topic is None else self.catchingUp(frame.topic)
        if catchup is None:
            return False
        catchup.hold(frame)
        if self.queued > self._limit:
            self._spare()
            if self.queued > self._limit:
                self.giveUp()
        self._relieve()
        return True

    def _makeRoom(self, frame: Frame) -> bool:
        """
        Forget what waits and can be had again, for a frame for which there is no room.

        @return: Whether the frame waits, or can itself be had again.
        """
        self._spare()
        if frame.isReplaceable:
            self._missed(frame)
            return True
        return self._outbox.add(frame, self._held) is not Verdict.FULL

    def _spare(self) -> None:
        """Forget what waits, or is held back, and can be had again."""
        for topic in self._portions.spare() if self._portions else ():
            self._renew(topic)
        for each in self._outbox.extract(lambda frame: frame.isReplaceable):
            self._missed(each)

    def _missed(self, frame: Frame) -> None:
        """See to it that the client has what a frame says in another way."""
        topic = frame.topic
        assert topic is not None
        if frame.isState:
            self._renew(topic)
        elif self.catchingUp(topic) is None:
            catchup = Catchup(frame.logPosition)
            self._openPortions().enter(topic, catchup)
            view = None if self.views is None else self.views.recipient(topic)
            canonical = topicOfKey(topic)
            self._recovery.readOn(self if view is None else view, canonical, catchup)

    def _renew(self, topic: str) -> None:
        """Send a topic's members once more, unless they are to be sent anyway."""
        catchup = self.catchingUp(topic)
        # Right behind its answer a subscription gets the set in any case.
        isToSync = self._portions is not None and self._portions.isToSync(topic)
        if not isToSync and (catchup is None or catchup.isAnswered):
            self._recovery.syncAgain(self, topic)

    def giveUp(self) -> None:
        """
        Close, because the client does not take what there is for it.
        """
        self.log.info(
            "too slow: {waiting} bytes unsent",
            waiting=self._outbox.waiting,
            connection=self.connectionId,
        )
        self.close(CLOSE_SLOW, "reading too slowly; resume")

    def shut(self) -> None:
        """
        Send nothing any more.
        """
        self._backlog.goesOn(self)
        self._switch(Delivery.SHUT)
        self._outbox.clear()
        portions, self._portions = self._portions, None
        if portions is not None:
            portions.endAll()

    def drop(self, topic: str) -> None:
        """
        Send nothing any more of a topic that the client has left.
        """
        self.restart(topic)
        self.endSync(topic)
        self.takePages(topic, False)

    def restart(self, topic: str) -> None:
        """
        Send nothing any more of what a topic's log has had until now: the client begins
        anew.
        """
        if self._outbox:
            self._outbox.extract(lambda frame: frame.topic == topic)
        self.endCatchUp(topic)


_WARNING = RealtimeError(
    "lagging", "Half of what may wait for you does; read faster, or you are closed with 4008."
)
_LAGGING = wireFrame(Error(code=_WARNING.code, message=_WARNING.message))
