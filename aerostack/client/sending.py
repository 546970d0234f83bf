"""
When the pending frames go out over the connection.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from aerostack.client.connection import CONNECTED, Connection
from aerostack.client.errors import ClientError
from aerostack.client.pacing import Pacer
from aerostack.client.pending import Pending


class Sending:
    """
    Sends the pending frames, as fast as the daemon takes them.
    """

    def __init__(self, connection: Connection, next: Callable[[], bytes | None]) -> None:
        """
        @param next: Takes the next pending frame; gives L{None} when no frame is pending.
        """
        self._connection = connection
        self._next = next
        self._pacer = Pacer()
        # Pings of the application that go out behind all pending frames.
        self._pings: list[Deferred[None]] = []
        # How many refusals as too fast have yet to pass before the next frame goes out.
        self._pauses = 0
        # Whether a ping of the client's own is under way: its pong shows that the daemon has
        # dealt with all frames before it.
        self._isAsking = False

    def flush(self) -> None:
        """
        Send the pending frames, as many as may go out now.
        """
        if self._connection.status != CONNECTED or self._pauses:
            return
        payload = None
        while self._pacer.left and (payload := self._next()) is not None:
            self._pacer.sent(len(payload))
            self._connection.send(payload)
        if self._pacer.left:
            # All pending frames are out.
            pings, self._pings = self._pings, []
            for answered in pings:
                self._connection.ping().chainDeferred(answered)
        if not self._pacer.left and not self._isAsking:
            self._isAsking = True
            self._connection.ping().addCallbacks(self._caughtUp, self._notCaughtUp)

    def ping(self) -> Deferred[None]:
        """
        Send a ping behind all pending frames.

        @return: Fires when the daemon has answered.  Fails when the connection is closed.
        """
        if self._connection.status != CONNECTED:
            return self._connection.ping()
        answered: Pending[None] = Pending()
        self._pings.append(answered)
        self.flush()
        return answered

    def _caughtUp(self, _: None) -> None:
        """The daemon has dealt with all frames that went out."""
        self._isAsking = False
        self._pacer.refill()
        self.flush()

    def _notCaughtUp(self, _: object) -> None:
        """The connection is closed, or the ping itself came too fast."""
        self._isAsking = False

    def tooFast(self) -> None:
        """
        The daemon refused a frame as too fast: send none until L{resume} is called.
        """
        self._pacer.tooFast()
        self._pauses += 1

    def resume(self) -> None:
        """
        The pause after one refusal is over.
        """
        self._pauses -= 1

    def closed(self) -> None:
        """
        The connection is closed.
        """
        self._pauses = 0
        pings, self._pings = self._pings, []
        for answered in pings:
            answered.errback(ClientError("unreachable", "The connection is closed."))
        self._pacer.closed()
