"""
A link that waits for each answer of a real server, so that a test needs no reactor.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from typing import Any

import hiredis
from twisted.internet.defer import Deferred, fail, succeed

from aerostack.engine.valkey.errors import NotConnected, ReplyError
from tests.engine.valkey.server import PATIENCE, ValkeyServer


class BlockingLink:
    """
    Does what L{aerostack.engine.valkey.link.Link} does for one user.

    @ivar user: Gets C{up}, C{down} and C{pushed}; set by the test.
    """

    def __init__(self, server: ValkeyServer, scripts: Mapping[str, str]) -> None:
        self.user: Any = None
        self.generation = 0
        self.isUp = False
        self._server = server
        self._scripts = scripts
        self._line: socket.socket | None = None

    def up(self) -> None:
        """
        Connect.
        """
        self._line = socket.socket(socket.AF_UNIX)
        self._line.settimeout(PATIENCE)
        self._line.connect(self._server.path)
        self._reader = hiredis.Reader(notEnoughData=Ellipsis)
        self._ask((b"HELLO", b"3"))
        self.generation += 1
        self.isUp = True
        self.user.up(self.generation)

    def down(self) -> None:
        """
        Cut the connection.
        """
        assert self._line is not None
        self._line.close()
        self.isUp = False
        self.user.down("The test has cut it.")

    def poll(self) -> None:
        """
        Take what the server has pushed.
        """
        self._ask((b"PING",))

    def command(self, *arguments: Any) -> Deferred[Any]:
        """
        Send a command.
        """
        if not self.isUp:
            return fail(NotConnected("The test has cut it."))
        reply = self._ask(arguments)
        return fail(reply) if isinstance(reply, ReplyError) else succeed(reply)

    def run(self, script: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> Deferred[Any]:
        """
        Run a script.
        """
        return self.command(b"EVAL", self._scripts[script], len(keys), *keys, *arguments)

    def subscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        """
        Subscribe to channels.
        """
        assert self._line is not None
        self._line.sendall(hiredis.pack_command((b"SUBSCRIBE", *channels)))
        for _ in channels:
            while self._next()[0] != b"subscribe":
                pass
        return succeed(None)

    def unsubscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        """
        Topics are not detached by these tests.
        """
        raise NotImplementedError

    def _ask(self, arguments: Sequence[Any]) -> Any:
        assert self._line is not None
        self._line.sendall(hiredis.pack_command(tuple(arguments)))
        pushes = []
        while isinstance(reply := self._next(), hiredis.PushNotification):
            pushes.append(reply)
        # Redis 7.0 pushes before it answers.  The user may ask something when it gets a push, so
        # the answer has to be read by then.
        for push in pushes:
            self.user.pushed(list(push))
        return ReplyError(str(reply)) if isinstance(reply, hiredis.ReplyError) else reply

    def _next(self) -> Any:
        assert self._line is not None
        while (reply := self._reader.gets()) is Ellipsis:
            self._reader.feed(self._line.recv(65536))
        return reply
