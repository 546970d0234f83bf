"""
Finds the master by the Sentinels, and notices when it is another one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.engine.valkey.address import Host
from aerostack.engine.valkey.endpoints import OneConnection
from aerostack.engine.valkey.errors import ValkeyError
from aerostack.engine.valkey.resp import RespConnection

ANSWER = 1.0
"""How long one Sentinel may take to be asked, in seconds, before the next one is."""

ASK_EVERY = 2.0
"""How often the Sentinels are asked for the master while the line is up, in seconds."""

_Answer = TypeVar("_Answer")

CHANNEL = b"+switch-master"

_FAILURES = (ConnectError, ValkeyError, DeferredTimeout)


class MasterUnknown(ValkeyError):
    """
    No Sentinel named the master.
    """


class Sentinels:
    """
    Asks the Sentinels, one after the other.

    @ivar master: The address that was named last; L{None} before.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        endpoint: Callable[[Host], IStreamClientEndpoint],
        hosts: Sequence[Host],
        name: str,
        password: str | None = None,
    ) -> None:
        """
        @param endpoint: Makes the endpoint of a Sentinel, or of a master.
        @param name: The name that the Sentinels have for the master.
        @param password: The password that the Sentinels ask for; L{None} if they ask for none.
        """
        self.master: Host | None = None
        self._clock = clock
        self._endpoint = endpoint
        self._hosts = list(hosts)
        self._name = name
        self._password = password
        self._moved: Callable[[str], None] | None = None
        self._listener: _Listener | None = None
        self._asking: Deferred[Host] | None = None
        self._asks = LoopingCall(self._ask)
        self._asks.clock = clock

    def start(self, moved: Callable[[str], None]) -> None:
        """
        Begin to follow the master.

        @param moved: Called with a sentence when the Sentinels name another master.
        """
        self._moved = moved
        self._asks.start(ASK_EVERY, now=False).addErrback(self._broken)

    def stop(self) -> None:
        """
        Follow the master no more.
        """
        self._moved = None
        if self._asks.running:
            self._asks.stop()
        if self._asking is not None:
            self._asking.cancel()
        self._leave()

    def find(self) -> Deferred[IStreamClientEndpoint]:
        """
        Ask for the master.

        @return: Fires with what connects to it.  It fails with L{MasterUnknown}, which says what
            each Sentinel answered.
        """
        return Deferred.fromCoroutine(self._find())

    async def _find(self) -> IStreamClientEndpoint:
        # The next attempt begins with the next Sentinel: this one may name an old master.
        self._hosts.append(self._hosts.pop(0))
        self.master = await self._named()
        return self._endpoint(self.master)

    async def _named(self) -> Host:
        """
        Ask one Sentinel after the other.
        """
        answers = []
        for host in tuple(self._hosts):
            try:
                return await self._askOne(host)
            except _FAILURES as error:
                slow = isinstance(error, DeferredTimeout)
                answers.append(f"{host}: {'no answer' if slow else error}")
        raise MasterUnknown(f"No Sentinel names the master {self._name!r}: {'; '.join(answers)}")

    def _askOne(self, host: Host) -> Deferred[Host]:
        return Deferred.fromCoroutine(self._askSentinel(host)).addTimeout(ANSWER, self._clock)

    async def _askSentinel(self, host: Host) -> Host:
        """
        Ask a Sentinel, and go on to listen to it.
        """
        listener = self._listener
        isNew = listener is None or listener.host != host
        if isNew:
            self._leave()
            listener = _Listener(self._clock, host, self._switched, self._left)
        assert listener is not None
        command = listener.connection.command
        try:
            if isNew:
                await self._endpoint(host).connect(OneConnection(listener.connection))
                self._listener = listener
                await listener.connection.hello("aerostack-rt", None, self._password)
                await listener.connection.subscribe([CHANNEL])
            answer = await command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._name)
        except BaseException:
            # A Sentinel that does not answer is not listened to either.
            listener.connection.close("The Sentinel does not answer.")
            raise
        if not isinstance(answer, list) or len(answer) != 2:
            raise MasterUnknown("it knows no master of that name")
        return Host(answer[0].decode(), int(answer[1]))

    def _ask(self) -> None:
        """
        Ask again, so that a switch is noticed whose message was missed.
        """
        if self._asking is None and self.master is not None:
            self._asking = Deferred.fromCoroutine(self._named())
            self._asking.addBoth(self._asked).addCallbacks(self._found, _unknown)

    def _broken(self, failure: Failure) -> None:
        self.log.failure("The Sentinels are not asked any more.", failure)

    def _asked(self, result: _Answer) -> _Answer:
        self._asking = None
        return result

    def _found(self, host: Host) -> None:
        if self._moved is not None and self.master is not None and host != self.master:
            self.master = host
            self._moved(f"The Sentinels name another master: {host}.")

    def _switched(self, message: bytes) -> None:
        """
        A Sentinel tells of a switch: the master's name, its old and its new address.
        """
        parts = message.decode(errors="replace").split()
        if len(parts) == 5 and parts[0] == self._name and parts[4].isdigit():
            self._found(Host(parts[3], int(parts[4])))

    def _left(self, listener: _Listener) -> None:
        if listener is self._listener:
            self._listener = None

    def _leave(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.connection.close("Another Sentinel is asked.")


class _Listener:
    """
    The connection to one Sentinel.
    """

    def __init__(
        self,
        clock: IReactorTime,
        host: Host,
        switched: Callable[[bytes], None],
        left: Callable[[_Listener], None],
    ) -> None:
        self.host = host
        self.connection = RespConnection(clock, self)
        self._switched = switched
        self._left = left

    # aerostack.engine.valkey.resp.LineUser

    def heard(self) -> None:
        pass

    def pushed(self, push: list[Any]) -> None:
        if push[0] == b"message" and push[1] == CHANNEL:
            self._switched(push[2])

    def lost(self, reason: str) -> None:
        self._left(self)


def _unknown(failure: Failure) -> None:
    """
    The line that is up stays: the Sentinels may come back.
    """
    failure.trap(MasterUnknown, CancelledError)
