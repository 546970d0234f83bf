"""
The sending half of a session: what a client gets, in which order, and how much of it may
wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.limits.tally import Tally
from aerostack.core.outbox import Outbox, Verdict
from aerostack.delivery.catchup import Catchup
from aerostack.errors import CLOSE_SLOW, RealtimeError
from aerostack.interfaces import IConnection, ISubscriber
from aerostack.protocol.encoding import wireFrame
from aerostack.protocol.frames import Error, ServerFrame
from aerostack.protocol.framing import Frame, joinFrames

CHUNK = 65536
"""How many bytes are written at once of what waited."""


class _Sync:
    """
    Who is present on a topic, as far as it is still to be sent.

    @ivar paged: Whether it is in pages.
    @ivar begun: Whether any of it was looked up.
    """

    __slots__ = ("begun", "frames", "paged")

    def __init__(self, frames: Iterator[Frame], paged: bool) -> None:
        self.frames = frames
        self.paged = paged
        self.begun = False


@implementer(ISubscriber)
class Outbound:
    """
    Sends frames to one client, as fast as it reads.

    What it does not take at once waits, within a bound.  Where more would have to wait,
    what can be read again is forgotten, and read when the client has taken the rest:
    a flood of table changes reaches a slow client slowly, but whole.  A client that
    cannot take what exists nowhere else is closed, and may come back.

    @ivar deliver: Takes a frame (see L{ISubscriber}).  While nothing stands in the way
        it is the connection's own C{send}, because this is called more often than
        anything else in the daemon.
    """

    __slots__ = (
        "_catchups",
        "_congested",
        "_connection",
        "_held",
        "_limit",
        "_outbox",
        "_pace",
        "_paged",
        "_readOn",
        "_syncAgain",
        "_syncs",
        "deliver",
    )

    log = Logger()
    deliver: Callable[[Frame], None]

    def __init__(
        self,
        connection: IConnection,
        limit: int,
        pace: Callable[[Outbound], None],
        readOn: Callable[[Outbound, str, Catchup], None],
        syncAgain: Callable[[Outbound, str], None],
    ) -> None:
        """
        @param limit: How many bytes may wait.
        @param pace: Is called when there is a part of the past to send; calls
            L{sendPast} when it is this client's turn.
        @param readOn: Is called with a topic and its L{Catchup} when the client has all
            that is before the place where the topic's log is to be read on.
        @param syncAgain: Is called with a topic when the client has missed who came and
            went; calls L{sync}.
        """
        self._connection = connection
        self._limit = limit
        self._outbox: Outbox[Frame] = Outbox(limit)
        self._pace = pace
        self._readOn = readOn
        self._syncAgain = syncAgain
        self._congested = False
        # By topic, what a client that came back gets of the past.
        self._catchups: dict[str, Catchup] | None = None
        # How many bytes are held back for these.
        self._held = Tally()
        # By topic, what is still to be sent of who is present.
        self._syncs: dict[str, _Sync] | None = None
        # The topics for which the client takes that in pages.
        self._paged: set[str] | None = None
        self.deliver = connection.send

    @property
    def connectionId(self) -> str:
        """The connection's id, as it stands in logs and in presence."""
        return self._connection.connectionId

    @property
    def isCongested(self) -> bool:
        """Whether the client's socket takes no more for now."""
        return self._congested

    @property
    def queued(self) -> int:
        """How many bytes wait for the client, those that are held back with them."""
        return self._outbox.waiting + self._held.size

    @property
    def connection(self) -> IConnection:
        """The client's socket."""
        return self._connection

    def send(self, frame: ServerFrame) -> None:
        """
        Send a frame to this client alone.
        """
        self.deliver(wireFrame(frame))

    def sendLast(self, frame: ServerFrame) -> None:
        """
        Send a frame before the end, and the answers that wait.  What waits of topics is
        left: the client gets it when it comes back.
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
        End the connection, because we failed.
        """
        raise NotImplementedError

    def reauthorize(self, topic: str | None = None) -> None:
        """
        Decide anew what is delivered.
        """
        raise NotImplementedError

    def congested(self) -> None:
        """Note that the socket has begun to queue."""
        self._congested = True
        if not self._isShut:
            self.deliver = self._wait

    def drained(self) -> None:
        """Note that the socket took all that was queued."""
        self._congested = False
        while self._outbox and not self._congested:
            self._connection.send(joinFrames(self._outbox.take(CHUNK)))
        self._settle()

    def _settle(self) -> None:
        """Choose how frames go out from now on."""
        if self._congested or self._outbox or self._isShut:
            return
        if not self._catchups:
            self.deliver = self._connection.send
        if self._catchups or self._syncs:
            self._pace(self)

    def _wait(self, frame: Frame) -> None:
        """Take a frame while something stands in the way."""
        if self._hold(frame):
            return
        if not self._congested and not self._outbox:
            self._connection.send(frame)
            return
        if len(frame.parts) > 1:
            for part in frame.parts:
                # What becomes of the client with one holds for the next.
                self.deliver(part)
            return
        if frame.isState and self._isToSync(frame.topic):
            # The set will tell it.
            return
        verdict = self._outbox.add(frame, self._held.size)
        if verdict is Verdict.FULL and not self._makeRoom(frame):
            self.giveUp()
        elif verdict is Verdict.LAGGING:
            self._outbox.add(_LAGGING)

    def _hold(self, frame: Frame) -> bool:
        """Keep back what is live while the past is sent."""
        catchup = self._catchups.get(frame.topic) if self._catchups and frame.topic else None
        if catchup is None:
            return False
        catchup.hold(frame)
        if self.queued > self._limit:
            self._spare()
            if self.queued > self._limit:
                self.giveUp()
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
        return self._outbox.add(frame, self._held.size) is not Verdict.FULL

    def _spare(self) -> None:
        """Forget what waits, or is held back, and can be had again."""
        for topic, catchup in tuple((self._catchups or {}).items()):
            if catchup.spare():
                self._renew(topic)
        for each in self._outbox.extract(lambda frame: frame.isReplaceable):
            self._missed(each)

    def _missed(self, frame: Frame) -> None:
        """See to it that the client has what a frame says in another way."""
        topic = frame.topic
        assert topic is not None
        if frame.isState:
            self._renew(topic)
        elif self._catchups is None or topic not in self._catchups:
            self._enter(topic, Catchup(frame.logPosition))

    def _renew(self, topic: str) -> None:
        """Have the client told who is present, unless it will be."""
        catchup = self._catchups.get(topic) if self._catchups else None
        # Behind the answer it is told in any case.
        if not self._isToSync(topic) and (catchup is None or catchup.isAnswered):
            self._syncAgain(self, topic)

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
        self.deliver = _ignore
        self._outbox.clear()
        for catchup in (self._catchups or {}).values():
            catchup.end()
        self._catchups = None
        self._syncs = None
        self._paged = None

    @property
    def _isShut(self) -> bool:
        return self.deliver is _ignore

    def drop(self, topic: str) -> None:
        """
        Send nothing any more of a topic that the client has left.
        """
        self.restart(topic)
        self.endSync(topic)
        if self._paged:
            self._paged.discard(topic)

    def restart(self, topic: str) -> None:
        """
        Send nothing any more of what a topic's log has had until now: the client begins
        anew.
        """
        if self._outbox:
            self._outbox.extract(lambda frame: frame.topic == topic)
        self.endCatchUp(topic)

    # Who is present

    def takesPages(self, topic: str) -> bool:
        """
        Whether the client takes who is present on a topic in pages.
        """
        return self._paged is not None and topic in self._paged

    def takePages(self, topic: str, paged: bool) -> None:
        """
        Note how the client, which subscribes to a topic, takes who is present.
        """
        if paged:
            self._paged = self._paged or set()
            self._paged.add(topic)
        elif self._paged:
            self._paged.discard(topic)

    def endSync(self, topic: str) -> None:
        """
        Tell no more of who is present on a topic.
        """
        if self._syncs:
            self._syncs.pop(topic, None)

    def isSyncing(self, topic: str) -> bool:
        """
        Whether the pages of who is present on a topic are still to be sent.
        """
        sync = self._syncs.get(topic) if self._syncs else None
        return sync is not None and sync.paged

    def _isToSync(self, topic: str | None) -> bool:
        """Whether who is present is still to be looked up for the client."""
        sync = self._syncs.get(topic) if self._syncs and topic else None
        return sync is not None and not sync.begun

    def sync(self, topic: str, frames: Iterator[Frame], paged: bool, atOnce: bool) -> None:
        """
        Tell who is present on a topic, as fast as the client reads.

        @param frames: Each is made when the client is ready for it, so that nothing of it
            waits.
        @param paged: Whether they are pages.
        @param atOnce: Whether they are so few that they need not wait for their turn.
        """
        if self._isShut:
            return
        if self._syncs is None:
            self._syncs = {}
        self._syncs[topic] = _Sync(frames, paged)
        if atOnce and not self._congested and not self._outbox:
            self._sendSync(topic, CHUNK)
        self._settle()

    def _sendSync(self, topic: str, size: int) -> int:
        """
        Send a piece of who is present on a topic.

        @return: How many bytes.
        """
        assert self._syncs is not None
        sync = self._syncs.pop(topic)
        sync.begun = True
        sent = 0
        while sent < size and not self._congested:
            frame = next(sync.frames, None)
            if frame is None:
                return sent
            self._connection.send(frame)
            sent += len(frame)
        # The connection may have gone down under it.
        if not self._isShut:
            # The other topics have their turn.
            self._syncs[topic] = sync
        return sent

    # The past

    def catchUp(self, topic: str, catchup: Catchup) -> None:
        """
        Send a part of a topic's past, and hold back what is live until that is done.
        """
        if self._isShut:
            return
        self._enter(topic, catchup)
        self.deliver = self._wait
        self.resumeCatchUp()

    def _enter(self, topic: str, catchup: Catchup) -> None:
        if self._catchups is None:
            self._catchups = {}
        elif topic in self._catchups:
            self._catchups[topic].end()
        catchup.tally = self._held
        self._catchups[topic] = catchup

    def catchingUp(self, topic: str) -> Catchup | None:
        """
        What is still to be sent of a topic's past, if anything is.
        """
        return self._catchups.get(topic) if self._catchups else None

    def endCatchUp(self, topic: str) -> None:
        """
        Send no more of a topic's past, nor what was held back.
        """
        catchup = self._catchups.pop(topic, None) if self._catchups else None
        if catchup is not None:
            catchup.end()
            self._settle()

    def resumeCatchUp(self) -> None:
        """
        Go on with the past: there may be something to send.
        """
        if not self._congested and not self._outbox and self._catchups:
            self._pace(self)

    def sendPast(self, size: int) -> int:
        """
        Send a piece of who is present, or else of the past, of the topic whose turn it is.

        @param size: About how many bytes.
        @return: How many were sent.  It may be none: the client is not ready for more,
            or the database has not answered.
        """
        if self._congested or self._outbox:
            return 0
        if self._syncs:
            sent = self._sendSync(next(iter(self._syncs)), size)
            self._settle()
            return sent
        if not self._catchups:
            return 0
        ready = (item for item in self._catchups.items() if not item[1].isWaiting)
        topic, catchup = next(ready, ("", None))
        if catchup is None:
            # Whoever waits for the database goes on when it has answered.
            return 0
        if catchup.isBehind:
            self._readOn(self, topic, catchup)
        frames = catchup.take(size)
        if self.catchingUp(topic) is not catchup:
            # It has ended while it was asked for more.
            return 0
        data = joinFrames(frames) if frames else None
        if data is not None:
            self._connection.send(data)
        # The connection may have gone down under it.
        if self._catchups and self._catchups.pop(topic, None) is not None:
            if catchup.done:
                catchup.end()
            else:
                # The other topics have their turn.
                self._catchups[topic] = catchup
            self._settle()
        return 0 if data is None else len(data)


def _ignore(frame: Frame) -> None:
    """The connection is over."""


_WARNING = RealtimeError(
    "lagging", "Half of what may wait for you does; read faster, or you are closed with 4008."
)
_LAGGING = wireFrame(Error(code=_WARNING.code, message=_WARNING.message))
