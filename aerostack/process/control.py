"""
How a command asks the daemon of a configuration to reload, and learns how that ended.

The daemon listens on a Unix socket in Linux's abstract namespace: there is no file to set up, and
none is left behind.  A conversation has one line each way::

    reload
    {"faults": [], "notes": []}

Only root and the daemon's own user are answered.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.protocols.policies import TimeoutMixin

from aerostack.process.reloads import Outcome

IS_AVAILABLE = sys.platform == "linux"
"""Whether this system has what the socket needs."""

_RELOAD = b"reload"

# How many commands may ask at once, and how long each may take to say what it wants, in seconds.
_MOST = 16
_PATIENCE = 10

# The bytes of an answer; a configuration may have many mistakes.
_LARGEST = 262_144

_CREDENTIALS = struct.Struct("3i")


class Unanswered(Exception):
    """
    No daemon has answered; the message says why.
    """


def controlAddress(config: Path) -> str:
    """
    The address of the daemon that runs on a configuration.  Containers that share the network of
    their host have addresses of their own.
    """
    try:
        processes = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        # /proc is not there; then there are no containers to tell apart either.
        processes = 0
    digest = hashlib.sha256(os.fsencode(os.path.realpath(config))).hexdigest()
    return f"\0aerostack-rt/{processes}/{digest[:32]}"


def mayAsk(user: int, own: int) -> bool:
    """
    Whether the process of a user may be heard by one of another user.
    """
    return user in (0, own)


def peerOf(connection: socket.socket) -> int:
    """
    The user of the process at the other end.
    """
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(found)
    return int(user)


class Conversation(LineOnlyReceiver, TimeoutMixin):
    """
    One command that asks.
    """

    delimiter = b"\n"
    MAX_LENGTH = 64
    factory: Any
    transport: Any

    def connectionMade(self) -> None:
        self.factory.many += 1
        self.setTimeout(_PATIENCE)
        if self.factory.many > _MOST:
            self._answer(Outcome(("too many commands ask the daemon at once",)))
        elif not mayAsk(self.factory.peerOf(self.transport.getHandle()), os.geteuid()):
            self._answer(Outcome(("only root and the daemon's user may ask for a reload",)))

    def connectionLost(self, reason: Any = None) -> None:
        self.factory.many -= 1
        self.setTimeout(None)

    def lineReceived(self, line: bytes) -> None:
        if self.transport.disconnecting:
            return
        self.setTimeout(None)
        if line != _RELOAD:
            self._answer(Outcome(("this daemon knows nothing to do but to reload",)))
            return
        self.factory.reload().addCallback(self._answer)

    def _answer(self, outcome: Outcome) -> None:
        said = {"faults": outcome.faults, "notes": outcome.notes}
        self.transport.write(f"{json.dumps(said)}\n".encode())
        self.transport.loseConnection()


class Conversations(Factory):
    """
    Makes a L{Conversation} of each connection.

    @ivar many: How many there are.
    """

    noisy = False

    def __init__(
        self,
        reload: Callable[[], Deferred[Outcome]],
        peerOf: Callable[[socket.socket], int] = peerOf,
    ) -> None:
        """
        @param reload: Reloads the daemon.
        @param peerOf: Gives the user at the other end.
        """
        self.many = 0
        self.reload = reload
        self.peerOf = peerOf

    def buildProtocol(self, addr: IAddress | None) -> Any:
        conversation = Conversation()
        conversation.factory = self
        return conversation


class Control(Service):
    """
    Lets commands ask for reloads while it runs.
    """

    _log = Logger()

    def __init__(self, reactor: Any, config: Path, reload: Callable[[], Deferred[Outcome]]) -> None:
        """
        @param config: The path of the configuration.
        @param reload: Reloads the daemon.
        """
        self._reactor = reactor
        self._config = config
        self._conversations = Conversations(reload)
        self._port: Any = None

    def startService(self) -> None:
        super().startService()
        if not IS_AVAILABLE:
            return
        try:
            self._port = self._reactor.listenUNIX(controlAddress(self._config), self._conversations)
        except CannotListenError as error:
            self._log.warn(
                "another process answers 'aerostack-rt reload' for {config} ({error}); send SIGHUP"
                " to this one",
                config=str(self._config),
                error=error.socketError,
            )

    def stopService(self) -> Any:
        super().stopService()
        return None if self._port is None else self._port.stopListening()


def isRunning(config: Path) -> bool:
    """
    Whether a daemon runs on a configuration on this machine.
    """
    if not IS_AVAILABLE:
        return False
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(controlAddress(config)) == 0


def askToReload(config: Path, timeout: float) -> Outcome:
    """
    Ask the daemon of a configuration to reload, and wait until it has.

    @param timeout: Seconds to wait.
    @raise Unanswered: There is no such daemon, or it does not answer.
    """
    if not IS_AVAILABLE:
        raise Unanswered("a daemon can be asked on Linux only; send it the signal SIGHUP")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(controlAddress(config))
            own = os.geteuid()
            if own and not mayAsk(peerOf(connection), own):
                raise Unanswered(
                    "a process of another user answers for the daemon; run this as root"
                )
            # A daemon that refuses the command may have closed already; its answer is there.
            with suppress(BrokenPipeError):
                connection.sendall(_RELOAD + b"\n")
            with connection.makefile("rb") as answers:
                line = answers.readline(_LARGEST)
        except TimeoutError:
            raise Unanswered(f"the daemon has not answered within {timeout:g} seconds") from None
        except OSError as error:
            raise Unanswered(
                f"no daemon that runs on {config} can be asked ({error.strerror})"
            ) from None
    try:
        said = json.loads(line)
        return Outcome(tuple(said["faults"]), tuple(said["notes"]))
    except (ValueError, KeyError, TypeError):
        raise Unanswered("the daemon has ended before its answer was complete") from None
