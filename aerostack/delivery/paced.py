"""
The sets of members and the pasts of topics, which a client gets piece by piece at its turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from twisted.internet.defer import Deferred

from aerostack.core.backlog import Backlog
from aerostack.delivery.catchup import Catchup
from aerostack.delivery.interfaces import Delivery, IRecovery, Recipient
from aerostack.delivery.portions import CHUNK, Portions
from aerostack.interfaces.messaging import IConnection
from aerostack.protocol.framing import Frame


class PacedOutbound(Recipient):
    """
    The part of a session's sending half that sends in portions, as fast as the client reads.

    @ivar deliver: Takes a frame (see L{aerostack.interfaces.messaging.ISubscriber}).  Only
        L{_switch} sets it.  While nothing stands in the way it is the connection's own C{send},
        because this is called more often than anything else in the daemon.
    """

    __slots__ = ("_backlog", "_connection", "_delivery", "_portions", "_recovery", "deliver")

    deliver: Callable[[Frame], None]

    def __init__(
        self, connection: IConnection, recovery: IRecovery[Any], backlog: Backlog[Any]
    ) -> None:
        """
        @param backlog: Counts what waits for all clients of the project.
        """
        self._backlog = backlog
        self._connection = connection
        self._recovery = recovery
        # Most clients never need it.
        self._portions: Portions | None = None
        self._switch(Delivery.DIRECT)

    @property
    def connectionId(self) -> str:
        """The connection's id, as it stands in logs and in presence."""
        return self._connection.connectionId

    @property
    def connection(self) -> IConnection:
        """The client's socket."""
        return self._connection

    def _switch(self, delivery: Delivery) -> None:
        """Choose what happens to frames from now on."""
        self._delivery = delivery
        if delivery is Delivery.DIRECT:
            self.deliver = self._connection.send
        elif delivery is Delivery.WAITING:
            self.deliver = self._wait
        else:
            self.deliver = _drop

    @property
    def isShut(self) -> bool:
        """Whether nothing is sent any more."""
        return self._delivery is Delivery.SHUT

    @property
    def isDirect(self) -> bool:
        """Whether frames go to the socket at once, and nothing waits for the client's turn."""
        return self._delivery is Delivery.DIRECT and not self._portions

    def _wait(self, frame: Frame) -> None:
        """Take a frame while something stands in the way."""
        raise NotImplementedError

    def _isFree(self) -> bool:
        """Whether a frame can be sent ahead of all that may wait."""
        raise NotImplementedError

    def _settle(self) -> None:
        """Let frames go out directly again, if nothing stands in the way any more."""
        if not self._isFree():
            return
        if self._portions is None or not self._portions.catchups:
            self._switch(Delivery.DIRECT)
        if self._portions:
            self._recovery.pace(self)

    def _openPortions(self) -> Portions:
        if self._portions is None:
            self._portions = Portions(self._connection, self._isFree, self._backlog)
        return self._portions

    def sendPast(self, size: int) -> int:
        """
        Send a portion of a topic's members or, if there are none to send, of a topic's past.  The
        topics take turns.

        @param size: About how many bytes.
        @return: How many were sent.  There may be none: the client is not ready for more,
            or the database has not answered.
        """
        sent = self._portions.send(size) if self._portions and self._isFree() else None
        if sent is not None:
            self._settle()
        return sent or 0

    # Members

    def takesPages(self, topic: str) -> bool:
        """
        Whether the client takes a topic's members in pages.
        """
        return self._portions is not None and topic in self._portions.paged

    def takePages(self, topic: str, paged: bool) -> None:
        """
        Note whether the client takes the members of a topic in pages.  It subscribes to the topic.
        """
        if paged:
            self._openPortions().paged.add(topic)
        elif self._portions is not None:
            self._portions.paged.discard(topic)

    def isSyncing(self, topic: str) -> bool:
        """
        Whether pages of a topic's members are still to be sent.
        """
        return self._portions is not None and self._portions.isPaging(topic)

    def endSync(self, topic: str) -> None:
        """
        Send no more of a topic's members.
        """
        if self._portions is not None:
            self._portions.endSync(topic)

    def sync(self, topic: str, frames: Iterator[Frame], paged: bool, atOnce: bool) -> None:
        """
        Send a topic's members, as fast as the client reads.

        @param frames: Each is made when the client is ready for it, so that nothing of it
            waits.
        @param paged: Whether they are pages.
        @param atOnce: Whether they are so few that they need not wait for their turn.
        """
        if self._delivery is Delivery.SHUT:
            return
        portions = self._openPortions()
        portions.beginSync(topic, frames, paged)
        if atOnce and self._isFree():
            portions.sendSync(topic, CHUNK)
        self._settle()

    # The past

    def catchUp(self, topic: str, catchup: Catchup) -> None:
        """
        Hold back what is live on a topic, until the client has the topic's past.
        """
        if self._delivery is Delivery.SHUT:
            catchup.end()
            return
        self._openPortions().enter(topic, catchup)
        self._switch(Delivery.WAITING)

    def catchingUp(self, topic: str) -> Catchup | None:
        """
        What is still to be sent of a topic's past, if anything is.
        """
        return None if self._portions is None else self._portions.catchups.get(topic)

    def endCatchUp(self, topic: str) -> None:
        """
        Send no more of a topic's past, nor what was held back.
        """
        catchup = None if self._portions is None else self._portions.catchups.pop(topic, None)
        if catchup is not None:
            catchup.end()
            self._settle()

    def writePast(self, catchup: Catchup, frames: Iterable[Frame]) -> Deferred[None]:
        """
        Send a part of a topic's past when it is the client's turn; see L{Catchup.write}.
        """
        return self._paced(catchup.write(frames))

    def writeHeld(self, catchup: Catchup) -> Deferred[None]:
        """
        Send the live frames that were held back; see L{Catchup.writeHeld}.
        """
        return self._paced(catchup.writeHeld())

    def awaitTurn(self, catchup: Catchup) -> Deferred[None]:
        """
        Wait until the client can take more; see L{Catchup.awaitTurn}.
        """
        return self._paced(catchup.awaitTurn())

    def _paced(self, written: Deferred[None]) -> Deferred[None]:
        # What has happened already needs no turn.
        if not written.called and self._portions and self._isFree():
            self._recovery.pace(self)
        return written


def _drop(frame: Frame) -> None:
    """The connection is over."""
