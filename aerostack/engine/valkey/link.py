"""
The connection to the server, made again whenever it is lost.

Commands and pushes share one connection, so that they cannot end at two servers.  The moment of
each reconnect is ours: the link calls C{up} only when the server has answered as a master, has the
scripts, and has brought a message of the daemon's own channel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from typing import Protocol as Shape

from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError, TimeoutError
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.engine.valkey.endpoints import OneConnection
from aerostack.engine.valkey.errors import NotConnected, ReplyError, ValkeyError
from aerostack.engine.valkey.outage import EngineOutage
from aerostack.engine.valkey.resp import Argument, RespConnection
from aerostack.engine.valkey.scripts import ScriptRunner, Scripts
from aerostack.engine.valkey.watch import Backoff, ConnectionWatch, roleFault

TURN = 0.25
"""How often the connection is looked at, in seconds."""

OPENING = 3.0
"""How long it may take until a connection is up, in seconds."""

Find = Callable[[], Deferred[IStreamClientEndpoint]]
"""Finds the server: fires with what connects to it, and fails if it cannot be found."""


class LinkUser(Shape):
    """
    What a link tells its user.
    """

    def up(self, generation: int) -> None:
        """
        There is a connection.  It has no subscriptions yet.

        @param generation: The connection's number.  Each has a higher one than those before.
        """

    def down(self, reason: str) -> None:
        """
        The connection is gone, or there was no connection yet.  Next, the commands that waited
        fail.  It is called again when the reason has changed.

        @param reason: One sentence or more for the operator.
        """

    def pushed(self, push: list[Any]) -> None:
        """
        The server has pushed something, such as C{[b"message", channel, data]}.
        """


@dataclass(frozen=True)
class Login:
    """
    How to log in.

    @ivar name: The connection's name for the server's operator, without spaces.
    @ivar channel: The daemon's own channel, which no other daemon has.
    @ivar username: L{None} for the server's default user.
    @ivar database: The number of the database.
    """

    name: str
    channel: bytes
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0


class _Refused(ValkeyError):
    """
    The server cannot be used.
    """


class _Line:
    """
    One connection, with what is known of it.
    """

    def __init__(self, clock: IReactorTime, link: Link, scripts: Scripts) -> None:
        self.connection = RespConnection(clock, self)
        self.runner = ScriptRunner(self.connection, scripts)
        self.watch = ConnectionWatch(clock.seconds())
        self.openedAt: float | None = None
        self.probe: Deferred[None] = Deferred()
        self._clock = clock
        self._link = link

    # aerostack.engine.valkey.resp.LineUser

    def heard(self) -> None:
        self.watch.heard(self._clock.seconds())

    def pushed(self, push: list[Any]) -> None:
        self._link.linePushed(self, push)

    def lost(self, reason: str) -> None:
        self._link.lineLost(self, reason)


class Link:
    """
    The connection to the server.  While it is down, commands fail at once.

    @ivar generation: The number of the newest connection that was up.
    @ivar reason: Why there is no connection; L{None} while there is one.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        find: Find,
        login: Login,
        scripts: Scripts,
        user: LinkUser,
        random: Callable[[], float],
    ) -> None:
        """
        @param random: Gives numbers from 0 to 1.
        """
        self.generation = 0
        self.reason: str | None = "The daemon has not connected yet."
        self._clock = clock
        self._find = find
        self._login = login
        self._scripts = scripts
        self._user = user
        self._random = random
        self._backoff = Backoff()
        self._outage = EngineOutage()
        self._line: _Line | None = None
        self._opening: Deferred[None] | None = None
        self._retry: IDelayedCall | None = None
        self._started = False
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock

    @property
    def isUp(self) -> bool:
        """Whether there is a connection that can be used."""
        return self.reason is None

    def start(self) -> None:
        """
        Begin to connect.
        """
        self._started = True
        self._looks.start(TURN, now=False).addErrback(self._broken)
        self._connect()

    def stop(self) -> Deferred[None]:
        """
        Leave the server.  Commands that wait fail, and the link calls its user no more.

        @return: Fires when no attempt to connect is under way.
        """
        self._started = False
        if self._looks.running:
            self._looks.stop()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self.reason = "The daemon is stopping."
        line, self._line = self._line, None
        if line is not None:
            line.connection.close(self.reason)
        if self._opening is None:
            return succeed(None)
        stopped: Deferred[None] = Deferred()
        self._opening.addBoth(lambda result: stopped.callback(None))
        self._opening.cancel()
        return stopped

    def reconnect(self, reason: str) -> None:
        """
        Leave the connection and find the server again.
        """
        if self._line is not None:
            self._line.connection.close(reason)

    # Commands

    def command(self, *arguments: Argument) -> Deferred[Any]:
        """
        Send a command; see L{RespConnection.command}.
        """
        if self._line is None or not self.isUp:
            return self._down()
        return self._noticing(self._line, self._line.connection.command(*arguments))

    def run(
        self, script: str, keys: Sequence[bytes], arguments: Sequence[Argument]
    ) -> Deferred[Any]:
        """
        Run a script by its name; see L{ScriptRunner.run}.
        """
        if self._line is None or not self.isUp:
            return self._down()
        return self._noticing(self._line, self._line.runner.run(script, keys, arguments))

    def subscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        """
        Subscribe to channels on this connection; see L{RespConnection.subscribe}.
        """
        if self._line is None or not self.isUp:
            return self._down()
        return self._line.connection.subscribe(channels)

    def unsubscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        """
        Unsubscribe from channels on this connection; see L{RespConnection.unsubscribe}.
        """
        if self._line is None or not self.isUp:
            return self._down()
        return self._line.connection.unsubscribe(channels)

    def _down(self) -> Deferred[Any]:
        return fail(NotConnected(self.reason or "There is no connection."))

    def _noticing(self, line: _Line, answer: Deferred[Any]) -> Deferred[Any]:
        def failed(failure: Failure) -> Failure:
            error = failure.value
            if isinstance(error, ReplyError) and error.isReadOnly:
                line.connection.close("The server takes no writes: it has become a replica.")
            return failure

        return answer.addErrback(failed)

    # The connection

    def _connect(self) -> None:
        self._retry = None
        self._opening = Deferred.fromCoroutine(self._open())
        self._opening.addTimeout(OPENING, self._clock)
        self._opening.addCallbacks(self._opened, self._failed)

    async def _open(self) -> None:
        endpoint = await self._find()
        line = _Line(self._clock, self, self._scripts)
        await endpoint.connect(OneConnection(line.connection))
        self._line = line
        login, command = self._login, line.connection.command
        await line.connection.hello(login.name, login.username, login.password)
        if login.database:
            await command("SELECT", login.database)
        # A server that is still loading its data fails here.
        await command("PING")
        fault = roleFault(await command("ROLE"))
        if fault is not None:
            raise _Refused(fault)
        await line.runner.load()
        await line.connection.subscribe([login.channel])
        await command("PUBLISH", login.channel, 0)
        await line.probe

    def _opened(self, result: None) -> None:
        self._opening = None
        line = self._line
        if line is None or not self._started:
            return
        now = self._clock.seconds()
        line.watch = ConnectionWatch(now)
        line.openedAt = now
        self.reason = None
        self.generation += 1
        self._outage.over(now)
        self._user.up(self.generation)

    def _failed(self, failure: Failure) -> None:
        self._opening = None
        reason = _describe(failure)
        line, self._line = self._line, None
        if line is not None:
            line.connection.close(reason)
        error = failure.value
        self._wentDown(reason, error.code if isinstance(error, ReplyError) else None)

    def lineLost(self, line: _Line, reason: str) -> None:
        """
        A connection is gone.
        """
        if line is not self._line or line.openedAt is None:
            # Its opening fails with the commands that it waits for.
            if not line.probe.called:
                line.probe.errback(_Refused(reason))
                # The attempt that awaits the probe has the error.
                line.probe.addErrback(lambda failure: None)
            return
        self._line = None
        self._backoff.ended(self._clock.seconds() - line.openedAt)
        self._wentDown(reason)

    def linePushed(self, line: _Line, push: list[Any]) -> None:
        """
        A connection has brought a push.
        """
        if push[0] == b"message" and push[1] == self._login.channel:
            line.watch.returned(int(push[2]) if push[2].isdigit() else 0, self._clock.seconds())
            if not line.probe.called:
                line.probe.callback(None)
        elif line is self._line and line.openedAt is not None:
            self._user.pushed(push)

    def _wentDown(self, reason: str, code: str | None = None) -> None:
        if not self._started:
            return
        changed = reason != self.reason
        self.reason = reason
        pause = self._backoff.next(self._random())
        self._retry = self._clock.callLater(pause, self._connect)
        self._outage.lost(reason, code, self._clock.seconds())
        if changed:
            self._user.down(reason)

    def _look(self) -> None:
        """
        Send what is due, and leave a connection that does not work.
        """
        line = self._line
        if line is None or line.openedAt is None:
            return
        now = self._clock.seconds()
        fault = line.watch.fault(now)
        if fault is not None:
            line.connection.close(fault)
            return
        due = line.watch.due(now)
        command = line.connection.command
        if due.ping:
            command("PING").addErrback(_lost)
        if due.probe is not None:
            command("PUBLISH", self._login.channel, due.probe).addErrback(_lost)
        if due.role:
            command("ROLE").addCallbacks(lambda role: self._judge(line, role), _lost)

    def _broken(self, failure: Failure) -> None:
        self.log.failure("The connection to Valkey is not looked after any more.", failure)

    def _judge(self, line: _Line, role: object) -> None:
        fault = roleFault(role)
        if fault is not None:
            line.connection.close(fault)


def _lost(failure: Failure) -> None:
    """
    An answer of the watch is missing: the watch sees to that itself.
    """
    failure.trap(ValkeyError)


def _describe(failure: Failure) -> str:
    """
    Say why there is no connection.
    """
    error = failure.value
    if isinstance(error, (TimeoutError, DeferredTimeout, CancelledError)):
        return f"The server has not answered within {OPENING:g} seconds."
    if isinstance(error, ReplyError):
        return f"The server refused the daemon: {error}"
    if isinstance(error, (ConnectError, ValkeyError)):
        return str(error)
    return f"The connection failed: {failure.getErrorMessage()}"
