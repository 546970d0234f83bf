"""
The line to the daemon: one connection, made again when it is gone.
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
from aerostack.errors import CLOSE_NORMAL

IDLE = "idle"
CONNECTING = "connecting"
CONNECTED = "connected"
RECONNECTING = "reconnecting"
DISCONNECTED = "disconnected"

OPEN_PATIENCE = 20.0
"""Seconds that the daemon has to let us in."""

SILENCE = 30.0
"""Seconds of silence after which it is asked whether it lives; it pings earlier itself."""

PONG_PATIENCE = 20.0
"""Seconds that it then has to answer."""

CLOSE_PATIENCE = 5.0
"""Seconds that a connection may take to go once a close frame was sent."""

STABLE = 10.0
"""Seconds that a connection has to last to count as a success."""

_PING = b'{"type":"ping"}'


class IConnectionUser(Interface):
    """
    Whoever talks over a L{Connection}.
    """

    def statusChanged(status: str) -> None:
        """
        Something begins or is over.
        """

    def opened() -> None:
        """
        There is a new connection; whatever the daemon is to know, it must be told again.
        """

    def received(head: Head, frame: Frame) -> None:
        """
        A frame came.
        """

    def tooLarge(most: int | None) -> bool:
        """
        The daemon has closed the connection because of a frame that is too large.

        @param most: How many bytes a frame may have, if that is known.
        @return: Whether such a frame is not going to be sent again, so that coming back can
            help.
        """

    def unreadable(error: ClientError, head: Head) -> None:
        """
        A frame came that cannot be read.

        @param head: As much of its head as can be.
        """

    def closed(error: ClientError) -> None:
        """
        An attempt failed, or the connection is gone; another one will be made.
        """

    def gaveUp(error: ClientError, exhausted: bool) -> None:
        """
        No other one will be made.

        @param exhausted: Because too many attempts have failed.
        """


@implementer(ITransportUser)
class Connection:
    """
    Keeps a connection.

    @ivar address: Where to connect, and as whom; counts from the next attempt on.
    @ivar status: One of L{IDLE}, L{CONNECTING}, L{CONNECTED}, L{RECONNECTING},
        L{DISCONNECTED}.
    @ivar fault: Why it was given up, if it was.
    @ivar lacksToken: Whether it was given up because of the token.
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
        @param jitter: Spreads those who come back.
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
        # With what the present connection was opened.
        self._opening = address
        self._openedAt: float | None = None
        self._canSend = False
        # Why we end the present connection, if we do.
        self._verdict: Closing | None = None
        self._leaving: list[Deferred[None]] = []
        self._told: float | None = None
        self._failures = 0
        self._heard = False
        self._pings: list[Deferred[None]] = []
        # What is waited for: there is never more than one thing.
        self._timer: IDelayedCall | None = None

    # From the application

    def start(self) -> None:
        """
        Connect; while it waits to come back, at once.
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
        Disconnect, and stay away.

        @return: Fires when the connection is gone.
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
        Send a frame.  What is sent while there is no connection is lost.
        """
        if self._canSend and self._transport is not None:
            self._transport.send(payload)

    def ping(self) -> Deferred[None]:
        """
        Ask the daemon for an answer.

        @return: Fires when it is there; what the daemon sent before has come by then.
            Fails when the connection is gone.
        """
        answered: Deferred[None] = Deferred()
        self._pings.append(answered)
        if self._canSend:
            self.send(_PING)
        else:
            self._failPings(ClientError("unreachable", "There is no connection."))
        return answered

    def pingRefused(self, error: ClientError) -> bool:
        """
        The daemon does not answer a ping: the first of those that it has not answered yet.

        @return: Whether there is one.
        """
        if not self._pings:
            return False
        self._pings.pop(0).errback(error)
        return True

    @property
    def outdated(self) -> bool:
        """Whether the connection was opened with another token than that of now."""
        return self.address.token != self._opening.token

    # From the wire

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
            # To come back would bring it again.
            head, frame = error.head, known(error.head)
            self._user.unreadable(ClientError("invalid_frame", f"{self.address.url} {error}"), head)
            if head.type not in ANSWERS:
                return
        if head.type == "reconnect":
            self._told = seconds(head.delay)
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
        told, self._told = self._told, None
        self._transport, self._openedAt, self._canSend = None, None, False
        self._disarm()
        self._failPings(closing.error)
        if self._leaving:
            leaving, self._leaving = self._leaving, []
            for gone in leaving:
                gone.callback(None)
            if self._wanted and self._transport is None:
                # Somebody has thought better of it meanwhile.
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
            self._comeBack(replace(closing, delay=closing.delay if told is None else told))

    # Attempts

    def _attempt(self) -> None:
        self._opening = self.address
        self._transport = self._openTransport(self.address, self)
        self._arm(OPEN_PATIENCE, self._openedLate)
        self._transport.open()

    def _openedLate(self) -> None:
        self._cut(
            "timed_out", f"{self.address.url} has not let us in within {OPEN_PATIENCE:g} seconds."
        )

    def _comeBack(self, closing: Closing) -> None:
        delay = self._backOff(self._failures)
        if closing.delay is not None:
            # Told once, that is the time.  Told again and again, it must not make us spin.
            delay = closing.delay if self._failures == 1 else max(delay, closing.delay)
        # First, because who is told may wish otherwise.
        self._arm(delay, self._attempt)
        self._setStatus(RECONNECTING)
        self._user.closed(closing.error)

    def _giveUp(self, error: ClientError, token: bool = False, exhausted: bool = False) -> None:
        self._wanted = False
        self.fault, self.lacksToken = error, token
        self._setStatus(DISCONNECTED)
        if self.fault is error:
            # Nobody who was told has started it again.
            self._user.gaveUp(error, exhausted)

    # Liveness

    def _listen(self) -> None:
        self._heard = False
        self._arm(SILENCE, self._silent)

    def _silent(self) -> None:
        if self._heard:
            self._listen()
            return
        # Whatever is heard is an answer.
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
        """End the connection, because it is of no use."""
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
