"""
Tests of L{aerostack.net.endpoints}.
"""

from __future__ import annotations

import errno
import fcntl
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.internet import reactor
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    UNIXClientEndpoint,
    wrapClientTLS,
)
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.protocols.wire import Echo
from twisted.trial.unittest import TestCase

from aerostack.net.endpoints import PORTION, serverEndpoint
from aerostack.net.tls import TLSError
from tests.net.certificates import Authority, ClientTLS, Conversation


class ListenTests(TestCase):
    """
    Real listening and connecting.
    """

    def setUp(self) -> None:
        # The path of a Unix socket must be short, and trial's are not.
        temporary = TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.directory = Path(temporary.name)
        self.factory = Factory.forProtocol(Echo)

    async def listen(self, description: str):
        """
        @return: A listening port that is closed after the test.
        """
        listener = serverEndpoint(reactor, description, self.directory)
        port = await listener.endpoint.listen(self.factory)
        self.addCleanup(port.stopListening)
        return port

    async def assertEchoes(self, endpoint) -> None:
        """
        Connect, be echoed, and close.
        """
        client = await endpoint.connect(Factory.forProtocol(Conversation))
        self.assertEqual(await client.echo(b"hello"), b"hello")
        await client.end()

    async def test_tcp(self) -> None:
        """C{tcp:} listens on the interface that it names, without TLS."""
        port = await self.listen("tcp:0:interface=127.0.0.1")
        self.assertEqual(port.getHost().host, "127.0.0.1")
        await self.assertEchoes(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port))
        self.assertIsNone(serverEndpoint(reactor, "tcp:0").tls)

    async def test_tcp6(self) -> None:
        """C{tcp6:}, and C{tcp:} with an IPv6 interface, listen on IPv6."""
        for description in (r"tcp6:0:interface=\:\:1", r"tcp:0:interface=\:\:1"):
            port = await self.listen(description)
            self.assertEqual(port.getHost().host, "::1")
            await self.assertEchoes(TCP6ClientEndpoint(reactor, "::1", port.getHost().port))

    async def test_tls6(self) -> None:
        """C{ssl:} speaks TLS on IPv6, with files beside the configuration."""
        authority = Authority("Test CA")
        authority.renew(self.directory)
        port = await self.listen(r"ssl:0:privateKey=key.pem:certKey=cert.pem:interface=\:\:1")
        endpoint = TCP6ClientEndpoint(reactor, "::1", port.getHost().port)
        await self.assertEchoes(wrapClientTLS(ClientTLS(authority), endpoint))

    def test_oneFile(self) -> None:
        """Without C{certKey} the certificate is looked for beside the key, in one file."""
        Authority("Test CA").renew(self.directory)
        both = self.directory / "both.pem"
        parts = [(self.directory / name).read_bytes() for name in ("cert.pem", "key.pem")]
        both.write_bytes(b"".join(parts))
        listener = serverEndpoint(reactor, "ssl:0:privateKey=both.pem", self.directory)
        self.assertEqual(listener.tls.files.certificate, both)

    def test_noFile(self) -> None:
        """
        A missing key is reported before the daemon listens.
        """
        error = self.assertRaises(
            TLSError, serverEndpoint, reactor, "ssl:0:privateKey=none.pem", self.directory
        )
        self.assertIn(str(self.directory / "none.pem"), str(error))

    async def test_unix(self) -> None:
        """C{unix:} makes a socket for user and group, and leaves nothing behind."""
        path = self.directory / "rt.sock"
        port = await self.listen("unix:rt.sock")
        self.assertEqual(path.stat().st_mode & 0o777, 0o660)
        await self.assertEchoes(UNIXClientEndpoint(reactor, str(path)))
        await port.stopListening()
        self.assertEqual(list(self.directory.iterdir()), [])

    async def test_crowd(self) -> None:
        """
        When very many clients connect at once, one turn accepts a few of them, and others follow.
        """
        accepted = [0]

        def build(address: object) -> Protocol:
            accepted[-1] += 1
            return Protocol()

        for description in ("tcp:0:interface=127.0.0.1", "unix:rt.sock"):
            accepted[:] = [0]
            self.factory.buildProtocol = build
            port = await self.listen(description)
            address = port.getHost()
            name = getattr(address, "name", None)
            crowd = []
            # They wait in the system while the reactor does not turn.
            for _ in range(300):
                client = socket.socket(socket.AF_UNIX if name else socket.AF_INET)
                self.addCleanup(client.close)
                client.connect(name or (address.host, address.port))
                crowd.append(client)
            while sum(accepted) < len(crowd):
                accepted.append(0)
                await deferLater(reactor, 0)
            self.assertLessEqual(max(accepted), 2 * PORTION)

    async def test_unixMode(self) -> None:
        """The mode of a Unix socket can be given."""
        await self.listen("unix:rt.sock:mode=600")
        self.assertEqual((self.directory / "rt.sock").stat().st_mode & 0o777, 0o600)

    async def test_unixStale(self) -> None:
        """
        A socket file on which no process listens is replaced.
        """
        path = self.directory / "rt.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
            dead.listen()
        self.assertTrue(path.is_socket())
        await self.listen("unix:rt.sock")
        await self.assertEchoes(UNIXClientEndpoint(reactor, str(path)))

    async def refused(self, description: str = "unix:rt.sock") -> str:
        """
        @return: Why it cannot be listened there.
        """
        listener = serverEndpoint(reactor, description, self.directory)
        deferred = listener.endpoint.listen(self.factory)
        return str(await self.assertFailure(deferred, CannotListenError))

    async def test_unixStaleUnlocked(self) -> None:
        """With lockfile=0 even a dead socket's file is left alone."""
        path = self.directory / "rt.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        self.assertIn("in use", await self.refused("unix:rt.sock:lockfile=0"))

    async def test_unixForeign(self) -> None:
        """
        A socket that the daemon's user may not open stays, and the reason says what it is.
        """
        path = self.directory / "rt.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))

        def refuse(sock: socket.socket, address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        self.patch(socket.socket, "connect", refuse)
        self.assertIn("another user's socket is there", await self.refused())
        self.assertTrue(path.is_socket())

    async def test_unixAlive(self) -> None:
        """
        A socket on which a process listens is left alone.
        """
        path = self.directory / "rt.sock"
        await self.listen("unix:rt.sock")
        self.assertIn(str(path), await self.refused())
        await self.assertEchoes(UNIXClientEndpoint(reactor, str(path)))

    async def test_unixBusy(self) -> None:
        """
        A socket with a full backlog does not make the daemon wait, and is not replaced.
        """
        path = self.directory / "rt.sock"
        with (
            socket.socket(socket.AF_UNIX) as busy,
            socket.socket(socket.AF_UNIX) as first,
        ):
            busy.bind(str(path))
            busy.listen(0)
            first.connect(str(path))
            self.assertIn("in use", await self.refused())
        self.assertTrue(path.is_socket())

    async def test_unixFile(self) -> None:
        """
        A file that is not a socket is never removed.
        """
        path = self.directory / "rt.sock"
        path.write_text("precious")
        self.assertIn("in use", await self.refused())
        self.assertEqual(path.read_text(), "precious")

    async def test_unixLocked(self) -> None:
        """While another process prepares the same socket, ours does not."""
        with open(self.directory / "rt.sock.lock", "w") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.assertIn(str(self.directory / "rt.sock"), await self.refused())

    async def test_unixNowhere(self) -> None:
        """
        A directory that does not exist is reported.
        """
        self.assertIn("No such file", await self.refused("unix:none/rt.sock"))

    def test_notInherited(self) -> None:
        """
        A socket that systemd did not pass is reported.
        """
        for which in ("index=0", "name=https"):
            text = f"systemd:domain=INET:{which}"
            error = self.assertRaises(ValueError, serverEndpoint, reactor, text)
            self.assertIn(f"{text}: systemd passed no socket of", str(error))
