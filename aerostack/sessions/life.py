"""
One client's session in time: its pings, its deadlines and its end.
"""

from __future__ import annotations

from enum import Enum

from twisted.python.failure import Failure

from aerostack.core.access.permissions import Identity
from aerostack.core.diagnosis.traces import Ended
from aerostack.errors import CLOSE_GOING_AWAY, CLOSE_INTERNAL, CLOSE_SILENT, RealtimeError
from aerostack.interfaces.messaging import IConnection
from aerostack.protocol.serverframes import Reconnect
from aerostack.sessions.context import SessionContext
from aerostack.sessions.interfaces import CommandedSession


class State(Enum):
    """
    Where a session is in its life.
    """

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class SessionLife(CommandedSession):
    """
    The part of a session that is about time: whether the client is alive, when its token
    expires, and how the connection ends.

    @ivar opened: When the client connected, seconds since the epoch.
    """

    __slots__ = (
        "_context",
        "_ending",
        "_limits",
        "_pingDue",
        "_pongDue",
        "_returns",
        "_state",
        "opened",
    )

    def __init__(
        self, connection: IConnection, identity: Identity, context: SessionContext
    ) -> None:
        limits = context.limits
        backlog = context.backlogs.of(identity.project)
        super().__init__(connection, limits.outboxBytes, context.recovery, backlog)
        self.identity = identity
        self._context = context
        self._limits = limits
        # The code and the reason of the daemon's close, once it closes.
        self._ending: tuple[int, str] | None = None
        self._state = State.OPEN
        self.opened = context.wall()
        # The milliseconds after which the client reconnects, once the daemon sends it away.
        self._returns: int | None = None
        self._pingDue = context.clock.seconds() + limits.pingInterval
        # When the daemon gives the client up; L{None} while it waits for no answer.
        self._pongDue: float | None = None

    def heard(self) -> None:
        """
        Note that bytes came from the client, which shows that it is alive.
        """
        self._pongDue = None

    def _noteEnd(self, code: int | None, reason: str) -> None:
        """Remember how the connection of a known user ended."""
        identity = self.identity
        if identity.userId is not None:
            self._context.traces.ended.note(
                self.connectionId,
                Ended(
                    self.connectionId,
                    identity.project,
                    identity.userId,
                    self._now,
                    code,
                    reason,
                ),
            )

    @property
    def _now(self) -> int:
        """The time, milliseconds since the epoch."""
        return int(self._context.wall() * 1000)

    def close(self, code: int, reason: str) -> None:
        """
        Close the connection.  The client has C{limits.close_timeout} seconds to answer.
        """
        if self._state is not State.OPEN:
            return
        self._beginClosing(code, reason)
        self._connection.close(code, reason)

    def closing(self, code: int | None, reason: str) -> None:
        """
        Note that the daemon or the client sent a close frame.  The daemon drops the connection if
        it is still open after C{limits.close_timeout} seconds.

        @param code: The code with which the daemon closes; L{None} if the client closes.
        """
        if self._state is State.OPEN:
            self._beginClosing(code, reason)

    @property
    def leaving(self) -> bool:
        """Whether the daemon sends the client away, and first answers its publications."""
        return self._returns is not None and self._state is State.OPEN

    def depart(self) -> None:
        """
        Close, if the daemon has sent the client away; first say when to reconnect.
        """
        if self._returns is None or self._state is not State.OPEN:
            return
        self.sendLast(Reconnect(delay=self._returns, reason="restart"))
        # The close says it too: other WebSocket clients show its reason, but not the frame.
        self.close(CLOSE_GOING_AWAY, f"restarting; reconnect in {self._returns} ms")

    def _beginClosing(self, code: int | None, reason: str) -> None:
        if code is not None:
            self._ending = code, reason
        self._state = State.CLOSING
        self.shut()
        self._context.deadlines.set(self, self._context.clock.seconds() + self._limits.closeTimeout)

    def due(self) -> None:
        """
        Ping the client, or close if the client is silent or its token has expired.
        """
        now = self._context.clock.seconds()
        if self._state is State.CLOSING:
            self._connection.abort()
            return
        if self.identity.expires is not None and self.identity.expires <= self._context.wall():
            self.endToken(RealtimeError("token_expired", "The token expired; send a new one."))
            return
        if self._pongDue is not None and self._pongDue <= now:
            self.log.info("silent, given up", connection=self.connectionId)
            self.close(CLOSE_SILENT, "no answer to ping")
            return
        if self._pingDue <= now:
            self._connection.ping()
            self._pingDue = now + self._limits.pingInterval
            if self._pongDue is None:
                self._pongDue = now + self._limits.pongTimeout
        self._setDeadline()

    def _setDeadline(self) -> None:
        due = self._pingDue if self._pongDue is None else min(self._pingDue, self._pongDue)
        expires = self.identity.expires
        if expires is not None:
            # The wall clock may be set meanwhile; the next ping looks at it again.
            left = max(0.0, expires - self._context.wall())
            due = min(due, self._context.clock.seconds() + left)
        self._context.deadlines.set(self, due)

    def setIdentity(self, identity: Identity) -> None:
        """
        Go on as another user, or for longer.
        """
        before, self.identity = self.identity, identity
        if before.userId != identity.userId:
            self._context.change(self)
        self._setDeadline()

    def fail(self, failure: Failure) -> None:
        """
        Close, because the daemon failed.
        """
        self.log.failure("a frame failed", failure, connection=self.connectionId)
        self.close(CLOSE_INTERNAL, "the daemon failed")
