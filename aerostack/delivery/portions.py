"""
What one client gets in portions, when it is the client's turn: topics' members, and topics'
pasts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aerostack.core.backlog import Backlog
from aerostack.core.limits.tally import Tally
from aerostack.delivery.catchup import Catchup
from aerostack.interfaces.messaging import IConnection
from aerostack.protocol.framing import Frame, joinFrames

CHUNK = 65536
"""How many bytes a portion has, and a write of frames that waited."""


class _Sync:
    """
    The members of one topic, as far as they are still to be sent.

    @ivar paged: Whether the frames are pages.
    @ivar begun: Whether any of them was made.
    """

    __slots__ = ("begun", "frames", "paged")

    def __init__(self, frames: Iterator[Frame], paged: bool) -> None:
        self.frames = frames
        self.paged = paged
        self.begun = False


class Portions:
    """
    Sets of members and pasts, both in the order of their topics' turns.

    @ivar catchups: The pasts, by topic.
    @ivar held: How many bytes of live frames are held back for these.
    @ivar paged: The topics whose members the client takes in pages.
    """

    __slots__ = ("_backlog", "_connection", "_isFree", "_syncs", "catchups", "held", "paged")

    def __init__(
        self, connection: IConnection, isFree: Callable[[], bool], backlog: Backlog[Any]
    ) -> None:
        """
        @param isFree: Whether the client's socket takes a frame now.
        @param backlog: Counts what waits for all clients of the project.
        """
        self._backlog = backlog
        self.catchups: dict[str, Catchup] = {}
        self.held = Tally()
        self.paged: set[str] = set()
        self._syncs: dict[str, _Sync] = {}
        self._connection = connection
        self._isFree = isFree

    def __bool__(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self.catchups or self._syncs)

    def send(self, size: int) -> int | None:
        """
        Send a portion of a topic's members or, if there are none to send, of a topic's past.  The
        topics take turns.

        @param size: About how many bytes.
        @return: How many were sent; L{None} if no topic is ready.  A past that waits for the
            database goes on when the database has answered.
        """
        if self._syncs:
            return self.sendSync(next(iter(self._syncs)), size)
        for topic, catchup in self.catchups.items():
            if catchup.isReady:
                return self._sendCatchup(topic, catchup, size)
        return None

    # Members

    def beginSync(self, topic: str, frames: Iterator[Frame], paged: bool) -> None:
        """
        Have a topic's members sent, instead of those that are still to be sent.

        @param frames: Each is made when the client is ready for it.
        @param paged: Whether they are pages.
        """
        self._syncs[topic] = _Sync(frames, paged)

    def sendSync(self, topic: str, size: int) -> int:
        """
        Send a portion of a topic's members.

        @return: How many bytes.
        """
        sync = self._syncs.pop(topic)
        sync.begun = True
        sent = 0
        while sent < size and self._isFree():
            frame = next(sync.frames, None)
            if frame is None:
                return sent
            self._connection.send(frame)
            sent += len(frame)
        # The other topics have their turn.
        self._syncs[topic] = sync
        return sent

    def endSync(self, topic: str) -> None:
        """
        Send no more of a topic's members.
        """
        self._syncs.pop(topic, None)

    def isPaging(self, topic: str) -> bool:
        """
        Whether pages of a topic's members are still to be sent.
        """
        sync = self._syncs.get(topic)
        return sync is not None and sync.paged

    def isToSync(self, topic: str | None) -> bool:
        """
        Whether a topic's members are to be sent, and the first frame of them is not made yet.
        """
        sync = self._syncs.get(topic) if topic else None
        return sync is not None and not sync.begun

    # The past

    def enter(self, topic: str, catchup: Catchup) -> None:
        """
        Have a topic's past sent, instead of one that is still to be sent.
        """
        if topic in self.catchups:
            self.catchups[topic].end()
        catchup.countIn(self.held, self._backlog)
        self.catchups[topic] = catchup

    def endAll(self) -> None:
        """
        Send nothing any more.
        """
        self._syncs.clear()
        # What hears of the end of one past may end another one.
        catchups, self.catchups = self.catchups, {}
        for catchup in catchups.values():
            catchup.end()

    def spare(self) -> Sequence[str]:
        """
        Forget what is held back and can be had again.

        @return: The topics whose members have to be sent anew.
        """
        return [topic for topic, catchup in self.catchups.items() if catchup.spare()]

    def _sendCatchup(self, topic: str, catchup: Catchup, size: int) -> int:
        sent = 0
        while sent < size and catchup.isReady and self._isFree():
            frames = catchup.take(size - sent)
            if frames:
                data = joinFrames(frames)
                self._connection.send(data)
                sent += len(data)
            catchup.advance()
        # The catch-up may have ended meanwhile, or the connection may be gone.
        if self.catchups.get(topic) is catchup:
            # The other topics have their turn.
            self.catchups[topic] = self.catchups.pop(topic)
        return sent
