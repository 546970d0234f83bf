"""
The connection to the daemon: one WebSocket, and another one when it is lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.application.internet import backoffPolicy
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import Interface, implementer

from aerostack.client.address import Address
from aerostack.client.closing import Closing
from aerostack.client.errors import ClientError, seconds
from aerostack.client.frames import ANSWERS, Frame, Head, Unreadable, known, readFrame
from aerostack.client.interfaces import ITransport, ITransportUser, OpenTransport
from aerostack.client.pending import Pending
from aerostack.errors import CLOSE_NORMAL

IDLE = "idle"
CONNECTING = "connecting"
CONNECTED = "connected"
RECONNECTING = "reconnecting"
DISCONNECTED = "disconnected"

OPEN_PATIENCE = 20.0
"""Seconds in which the daemon must accept a connection."""

SILENCE = 30.0
"""Seconds without bytes of the daemon after which the client sends a ping.  The daemon itself pings
more often."""

PONG_PATIENCE = 20.0
"""Seconds in which the daemon must answer that ping."""

CLOSE_PATIENCE = 5.0
"""Seconds that a connection may take to end after a close frame."""

STABLE = 10.0
"""Seconds that a connection must last to count as a success."""

_PING = b'{"type":"ping"}'


class IConnectionUser(Interface):
    """
    What uses a L{Connection}: the session.
    """

    def statusChanged(status: str) -> None:
        """
        The status has changed.
        """

    def opened() -> None:
        """
        There is a new connection.  The daemon knows nothing of what the client sent on the one
        before.
        """

    def received(head: Head, frame: Frame) -> None:
        """
        A frame came.
        """

    def tooLarge(most: int | None) -> bool:
        """
        The daemon has closed the connection because of a frame that is too large.

        @param most: The bytes that a frame may have; L{None} if that is not known.
        @return: Whether the user found such a frame and will not send it again.  Only then
            another connection helps.
        """

    def unreadable(error: ClientError, head: Head) -> None:
        """
        A frame came that cannot be read.

        @param head: Those of its fields that can be read.
        """

    def closed(error: ClientError) -> None:
        """
        An attempt failed, or the connection is lost.  Another attempt will follow.
        """

    def gaveUp(error: ClientError, exhausted: bool) -> None:
        """
        The connection is lost, and no other attempt will follow.

        @param exhausted: Whether the reason is that too many attempts have failed.
        """


@implementer(ITransportUser)
class Connection:
    """
    Keeps a WebSocket open, from the first attempt to the last.

    @ivar address: Where to connect, with which credentials.  A change counts from the next
        attempt on.
    @ivar status: One of L{IDLE}, L{CONNECTING}, L{CONNECTED}, L{RECONNECTING},
        L{DISCONNECTED}.
    @ivar fault: Why the connection was given up, if it was.
    @ivar lacksToken: Whether the daemon refused the token.
    """

    def __init__(
        self,
        clock: IReactorTime,
        openTransport: OpenTransport,
        address: Address,
        user: Any,
        maxRetries: int | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """
        @param user: An L{IConnectionUser}.
        @param maxRetries: How many attempts in a row may fail after the first; L{None}
            for any number.
        @param jitter: Gives a random number from 0 to 1, which spreads clients that come back.
        """
        self.address = address
        self.status = IDLE
        self.fault: ClientError | None = None
        self.lacksToken = False
        self._clock = clock
        self._openTransport = openTransport
        self._user = user
        self._maxRetries = maxRetries
        self._backOff = backoffPolicy(initialDelay=0.5, maxDelay=30.0, jitter=jitter)
        self._wanted = False
        self._transport: ITransport | None = None
        # The address with which the present connection was opened.
        self._opening = address
        self._openedAt: float | None = None
        self._canSend = False
        # Why the client ends the present connection, if it does.
        self._verdict: Closing | None = None
        self._leaving: list[Deferred[None]] = []
        self._announced: float | None = None
        self._failures = 0
        self._heard = False
        self._pings: list[Deferred[None]] = []
        # The only timer: of the next attempt, the opening, the daemon's silence or the close.
        self._timer: IDelayedCall | None = None

    # From the application

    def start(self) -> None:
        """
        Connect.  During the pause before an attempt, connect at once.
        """
        self._wanted = True
        self.fault, self.lacksToken = None, False
        if self._transport is None:
            self._failures = 0
            self._disarm()
            self._setStatus(RECONNECTING if self.status == RECONNECTING else CONNECTING)
        if self._wanted and self._transport is None:
            self._attempt()

    def stop(self) -> Deferred[None]:
        """
        Disconnect, and stay disconnected.

        @return: Fires when the connection has ended.
        """
        self._wanted = False
        self._disarm()
        self._setStatus(DISCONNECTED)
        if self._transport is None:
            return succeed(None)
        gone: Deferred[None] = Deferred()
        self._leaving.append(gone)
        if self._canSend:
            self._transport.close(CLOSE_NORMAL, "bye")
        else:
            self._transport.abort()
        return gone

    def send(self, payload: bytes) -> None:
        """
        Send a frame.  Without a connection the frame is lost.
        """
        if self._canSend and self._transport is not None:
            self._transport.send(payload)

    def ping(self) -> Deferred[None]:
        """
        Send a ping.

        @return: Fires when the answer has come, and all that the daemon sent before it.
            Fails when the connection is closed.
        """
        answered: Pending[None] = Pending()
        self._pings.append(answered)
        if self._canSend:
            self.send(_PING)
        else:
            self._failPings(ClientError("unreachable", "There is no connection."))
        return answered

    def pingRefused(self, error: ClientError) -> bool:
        """
        The daemon refused the oldest ping that it has not answered.

        @return: Whether there is such a ping.
        """
        if not self._pings:
            return False
        self._pings.pop(0).errback(error)
        return True

    @property
    def outdated(self) -> bool:
        """Whether the connection was opened with another token than the present one."""
        return self.address.token != self._opening.token

    # From the transport

    def opened(self) -> None:
        self._openedAt = self._clock.seconds()
        self._canSend = True
        self._listen()
        self._setStatus(CONNECTED)
        if self._canSend:
            self._user.opened()

    def heard(self) -> None:
        self._heard = True

    def received(self, payload: bytes) -> None:
        self._heard = True
        if self._verdict is not None or not self._wanted:
            return
        try:
            head, frame = readFrame(payload)
        except Unreadable as error:
            # On another connection the daemon would send the same frame again.
            head, frame = error.head, known(error.head)
            self._user.unreadable(ClientError("invalid_frame", f"{self.address.url} {error}"), head)
            if head.type not in ANSWERS:
                return
        if head.type == "reconnect":
            self._announced = seconds(head.delay)
        elif head.type == "pong":
            if self._pings:
                self._pings.pop(0).callback(None)
        else:
            self._user.received(head, frame)

    def closeStarted(self) -> None:
        self._canSend = False
        if self._transport is not None:
            self._arm(CLOSE_PATIENCE, self._transport.abort)

    def closed(self, closing: Closing) -> None:
        openedAt = self._openedAt
        closing, self._verdict = self._verdict or closing, None
        announced, self._announced = self._announced, None
        self._transport, self._openedAt, self._canSend = None, None, False
        self._disarm()
        self._failPings(closing.error)
        if self._leaving:
            leaving, self._leaving = self._leaving, []
            for gone in leaving:
                gone.callback(None)
            if self._wanted and self._transport is None:
                # The application has started the client again meanwhile.
                self.start()
            return
        if openedAt is not None and self._clock.seconds() - openedAt >= STABLE:
            self._failures = 0
        self._failures += 1
        renewed = closing.token and self.outdated
        if closing.oversized:
            closing = replace(closing, again=self._user.tooLarge(closing.most))
        if not closing.again and not renewed:
            self._giveUp(closing.error, token=closing.token)
        elif self._maxRetries is not None and self._failures > self._maxRetries:
            self._giveUp(closing.error, exhausted=True)
        else:
            self._comeBack(
                replace(closing, delay=closing.delay if announced is None else announced)
            )

    # Attempts

    def _attempt(self) -> None:
        self._opening = self.address
        self._transport = self._openTransport(self.address, self)
        self._arm(OPEN_PATIENCE, self._openedLate)
        self._transport.open()

    def _openedLate(self) -> None:
        self._cut(
            "timed_out",
            f"{self.address.url} has not accepted the connection within {OPEN_PATIENCE:g} seconds.",
        )

    def _comeBack(self, closing: Closing) -> None:
        delay = self._backOff(self._failures)
        if closing.delay is not None:
            # The first time the client obeys.  After several failures a short delay must not make
            # it try without end.
            delay = closing.delay if self._failures == 1 else max(delay, closing.delay)
        # Before the callbacks, because they may start or stop the client.
        self._arm(delay, self._attempt)
        self._setStatus(RECONNECTING)
        self._user.closed(closing.error)

    def _giveUp(self, error: ClientError, token: bool = False, exhausted: bool = False) -> None:
        self._wanted = False
        self.fault, self.lacksToken = error, token
        self._setStatus(DISCONNECTED)
        if self.fault is error:
            # No callback has started the client again.
            self._user.gaveUp(error, exhausted)

    # Liveness

    def _listen(self) -> None:
        self._heard = False
        self._arm(SILENCE, self._silent)

    def _silent(self) -> None:
        if self._heard:
            self._listen()
            return
        # All bytes of the daemon count as an answer.
        self.ping().addErrback(lambda _: None)
        self._arm(PONG_PATIENCE, self._stillSilent)

    def _stillSilent(self) -> None:
        if self._heard:
            self._listen()
            return
        patience = SILENCE + PONG_PATIENCE
        self._cut("timed_out", f"{self.address.url} has said nothing for {patience:g} seconds.")

    # Tools

    def _cut(self, code: str, message: str) -> None:
        """End a connection that does not work."""
        if self._transport is not None and self._verdict is None:
            self._verdict = Closing(ClientError(code, message))
            self._canSend = False
            self._transport.abort()

    def _failPings(self, error: ClientError) -> None:
        pings, self._pings = self._pings, []
        for ping in pings:
            ping.errback(error)

    def _arm(self, delay: float, call: Callable[[], object]) -> None:
        self._disarm()
        self._timer = self._clock.callLater(delay, self._fire, call)

    def _fire(self, call: Callable[[], object]) -> None:
        self._timer = None
        call()

    def _disarm(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _setStatus(self, status: str) -> None:
        if status != self.status:
            self.status = status
            self._user.statusChanged(status)
