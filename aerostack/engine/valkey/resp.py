"""
The protocol of Valkey and Redis, version 3
(U{https://github.com/redis/redis-specifications/blob/master/protocol/RESP3.md}).

The server answers commands in their order.  Pushes come between the answers: messages of channels,
and the confirmations of SUBSCRIBE and UNSUBSCRIBE.  These two commands have no answer when they
succeed, but one when the server refuses them.  A refusal of theirs therefore must not be taken for
the answer of the command behind them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, cast
from typing import Protocol as Shape

import hiredis
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from aerostack.engine.valkey.errors import Backlogged, NotConnected, ReplyError, Unanswered

WAITING_BYTES = 33_554_432
"""How many bytes of commands may wait for their answers."""

COMMAND_BYTES = 200
"""How many bytes a command counts beside its own, for the objects that wait with it."""

REPLY_BYTES = 67_108_864
"""How many bytes may come before the reader has one whole reply of them."""

TURN_REPLIES = 1000
"""How many replies and pushes are dealt with in one turn of the reactor."""

Argument = bytes | str | int

_CONFIRMATIONS = {b"subscribe", b"unsubscribe"}
_MORE = object()


class LineUser(Shape):
    """
    What a connection tells its user.
    """

    def heard(self) -> None:
        """Bytes have come from the server."""

    def pushed(self, push: list[Any]) -> None:
        """
        The server has pushed something that is no confirmation.

        @param push: Its parts; the first is its kind, such as C{b"message"}.
        """

    def lost(self, reason: str) -> None:
        """The connection is gone.  Next, every command that waits fails."""


class _Waiting:
    """
    A command that waits for its answer.

    @ivar confirms: The kind of the confirmations that it waits for instead; empty for none.
    @ivar remaining: How many confirmations are still to come.
    """

    __slots__ = ("confirms", "deferred", "remaining", "size")

    def __init__(self, size: int, confirms: bytes = b"", remaining: int = 0) -> None:
        self.deferred: Deferred[Any] = Deferred()
        self.size = size
        self.confirms = confirms
        self.remaining = remaining


class RespConnection(Protocol):
    """
    A connection to a server.

    Strings are bytes in both directions: C{"5"} comes back as C{b"5"}.  Numbers are L{int} or
    L{float}, null is L{None}, maps are L{dict}.

    The transport sends what the commands of one turn have written in one system call.

    @ivar waitingBytes: How many bytes of commands wait for their answers.
    """

    def __init__(self, clock: IReactorTime, user: LineUser, bound: int = WAITING_BYTES) -> None:
        """
        @param bound: How many bytes of commands may wait for their answers.
        """
        self.waitingBytes = 0
        self._clock = clock
        self._user = user
        self._bound = bound
        self._reader = hiredis.Reader(replyError=ReplyError, notEnoughData=_MORE)
        self._waiting: deque[_Waiting] = deque()
        self._partial = 0
        self._next: IDelayedCall | None = None
        self._reason: str | None = None

    # Commands

    def command(self, *arguments: Argument) -> Deferred[Any]:
        """
        Send a command.

        @return: Fires with the reply.  It fails with L{ReplyError}, L{NotConnected}, L{Unanswered}
            or L{Backlogged}.
        """
        return self._send(arguments)

    def subscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        """
        Subscribe to channels, at least one.

        @return: Fires when the server has confirmed all.  If the server refuses one of them, it
            subscribes to none, and this fails as L{command} does.
        """
        return self._send((b"SUBSCRIBE", *channels), b"subscribe", len(channels))

    def unsubscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        """
        Unsubscribe from channels, at least one; see L{subscribe}.
        """
        return self._send((b"UNSUBSCRIBE", *channels), b"unsubscribe", len(channels))

    def hello(self, name: str, username: str | None, password: str | None) -> Deferred[Any]:
        """
        Agree on version 3 of the protocol, and log in.

        @param name: The connection's name for the server's operator, without spaces.
        @param username: L{None} for the server's default user.
        @return: Fires as L{command} does.
        """
        login = () if password is None else ("AUTH", username or "default", password)
        return self._send(("HELLO", "3", *login, "SETNAME", name))

    def close(self, reason: str) -> None:
        """
        Drop the connection.  Every command that waits fails, and the user gets the reason.
        """
        if self._reason is not None:
            return
        self._reason = reason
        if self.transport is not None:
            cast(ITCPTransport, self.transport).abortConnection()
        self._end(reason)

    def _end(self, reason: str) -> None:
        self._reason = reason
        if self._next is not None:
            self._next.cancel()
            self._next = None
        waiting, self._waiting = self._waiting, deque()
        self.waitingBytes = 0
        # The user knows that the connection is gone when its commands fail.
        self._user.lost(reason)
        for one in waiting:
            one.deferred.errback(Unanswered(reason))

    def _send(
        self, arguments: tuple[Argument, ...], confirms: bytes = b"", remaining: int = 0
    ) -> Deferred[Any]:
        if self._reason is not None or self.transport is None:
            return fail(NotConnected(self._reason or "The connection is not there yet."))
        data = hiredis.pack_command(arguments)  # type: ignore[arg-type]
        size = len(data) + COMMAND_BYTES
        if self.waitingBytes + size > self._bound:
            return fail(Backlogged("The server does not answer fast enough."))
        self.waitingBytes += size
        one = _Waiting(size, confirms, remaining)
        self._waiting.append(one)
        self.transport.write(data)
        return one.deferred

    # IProtocol

    def dataReceived(self, data: bytes) -> None:
        if self._reason is not None:
            return
        self._user.heard()
        self._partial += len(data)
        self._reader.feed(data)
        if self._next is None:
            self._read()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # A connection over TLS that is gone cannot be aborted.
        if self._reason is None:
            self._end(f"The connection was lost: {reason.getErrorMessage()}")

    # Replies

    def _read(self) -> None:
        self._next = None
        for _ in range(TURN_REPLIES):
            try:
                reply = self._reader.gets()
            except hiredis.HiredisError as error:
                self.close(f"The server does not speak the protocol: {error}")
                return
            if reply is _MORE:
                if self._partial > REPLY_BYTES:
                    self.close(f"The server sent a reply of more than {REPLY_BYTES} bytes.")
                return
            self._partial = 0
            if isinstance(reply, hiredis.PushNotification):
                self._pushed(reply)
            else:
                self._replied(reply)
            if self._reason is not None:
                return
        # The rest is dealt with in the next turn.  Until it is, the socket is not read.
        self._next = self._clock.callLater(0, self._readOn)
        if self.transport is not None:
            cast(IPushProducer, self.transport).pauseProducing()

    def _readOn(self) -> None:
        self._read()
        if self._next is None and self._reason is None and self.transport is not None:
            cast(IPushProducer, self.transport).resumeProducing()

    def _replied(self, reply: Any) -> None:
        if not self._waiting:
            self.close("The server answered, although no command waits for an answer.")
            return
        one = self._waiting[0]
        refused = isinstance(reply, ReplyError)
        if one.confirms and not refused:
            self.close("The server answered a subscription with something else.")
            return
        self._settle(reply, refused)

    def _pushed(self, push: list[Any]) -> None:
        if push[0] not in _CONFIRMATIONS:
            self._user.pushed(push)
            return
        one = self._waiting[0] if self._waiting else None
        if one is None or one.confirms != push[0]:
            self.close("The server confirmed a subscription that was not asked for.")
            return
        one.remaining -= 1
        if not one.remaining:
            self._settle(None, False)

    def _settle(self, result: Any, refused: bool) -> None:
        one = self._waiting.popleft()
        self.waitingBytes -= one.size
        if refused:
            one.deferred.errback(result)
        else:
            one.deferred.callback(result)
