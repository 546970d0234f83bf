"""
Tests for L{aerostack.server.occupancy}.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from contextlib import closing
from pathlib import Path
from threading import Thread
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

from aerostack.server import occupancy as module
from aerostack.server.findings import Finding, Level
from aerostack.server.occupancy import occupancy
from aerostack.settings.listen import parseDescription
from tests.net import socketPath
from tests.net.certificates import Authority
from tests.ports import freePort

HEALTH = b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"status": "failing", "checks": {}}'


class OccupancyTests(SynchronousTestCase):
    """
    Tests for L{occupancy}.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()
        self.port = freePort(self)

    def find(self, text: str) -> list[Finding]:
        return list(occupancy(parseDescription(text), self.base))

    def serve(
        self, listener: socket.socket, answer: bytes, context: ssl.SSLContext | None = None
    ) -> None:
        """
        Answer one request in another thread.  A connection without a request may come before.
        """

        def answerOnce() -> None:
            asked = b""
            with closing(listener):
                while not asked:
                    with closing(listener.accept()[0]) as plain:
                        line = context.wrap_socket(plain, server_side=True) if context else plain
                        with closing(line):
                            asked = line.recv(4096)
                            if asked:
                                line.sendall(answer)

        thread = Thread(target=answerOnce)
        thread.start()
        self.addCleanup(thread.join)

    def listener(self) -> socket.socket:
        return socket.create_server(("127.0.0.1", self.port))

    def test_free(self) -> None:
        """
        There is nothing to say of an address that is free, and it stays free.
        """
        path = socketPath()
        for _ in range(2):
            self.assertEqual(self.find(f"tcp:{self.port}:interface=127.0.0.1"), [])
            self.assertEqual(self.find(f"unix:{path}"), [])
        self.assertEqual(self.find("systemd:domain=INET:name=rt"), [])

    def test_other(self) -> None:
        """
        An address of another program is an error.
        """
        for answer in (b"HTTP/1.1 404 Not Found\r\n\r\n", b""):
            self.serve(self.listener(), answer)
            (found,) = self.find(f"tcp:{self.port}:interface=127.0.0.1")
            self.assertEqual(found.level, Level.ERROR)
            self.assertIn(f"tcp:{self.port}:interface=127.0.0.1: is in use", found.text)

    def test_silent(self) -> None:
        """
        A program that answers nothing is another program.
        """
        self.patch(module, "PATIENCE", 0.1)
        with closing(self.listener()):
            (found,) = self.find(f"tcp:{self.port}:interface=127.0.0.1")
        self.assertEqual(found.level, Level.ERROR)

    def test_ours(self) -> None:
        """
        An address of a daemon that runs is only noted, with TLS and behind a proxy, too.
        """
        authority = Authority("test")
        authority.renew(self.base)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.base / "cert.pem", self.base / "key.pem")
        for text, its in (
            (f"tcp:{self.port}:interface=127.0.0.1", None),
            (f"haproxy:tcp:{self.port}:interface=127.0.0.1", None),
            (f"ssl:{self.port}:privateKey=key.pem:certKey=cert.pem:interface=127.0.0.1", context),
        ):
            self.serve(self.listener(), HEALTH, its)
            (found,) = self.find(text)
            self.assertEqual(found.level, Level.NOTE, found)

    def test_socketFile(self) -> None:
        """
        Of a Unix socket, the directory has to be there and no other program may listen; a socket
        that was left behind is no obstacle.
        """
        (found,) = self.find("unix:no/rt.sock")
        self.assertEqual(found.level, Level.WARNING)
        self.assertIn(str(self.base / "no"), found.text)
        (self.base / "rt.sock").touch()
        (found,) = self.find("unix:rt.sock")
        self.assertEqual(found.level, Level.ERROR)
        path = socketPath()
        with closing(socket.socket(socket.AF_UNIX)) as left:
            left.bind(str(path))
        self.assertEqual(self.find(f"unix:{path}"), [])
        path.unlink()
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self.serve(listener, HEALTH)
        (found,) = self.find(f"unix:{path}")
        self.assertEqual(found.level, Level.NOTE)

    def test_notAllowed(self) -> None:
        """
        A port, a directory or a socket that is closed to the user of the check may be open to the
        daemon's.
        """
        path = socketPath()
        with closing(socket.socket(socket.AF_UNIX)) as left:
            left.bind(str(path))
        with patch.object(module.socket.socket, "connect_ex", return_value=errno.EACCES):
            (found,) = self.find(f"unix:{path}")
        self.assertEqual(found.level, Level.WARNING)
        self.assertIn("another user's socket is there", found.text)

        def refuse(sock: socket.socket, address: object) -> None:
            raise OSError(errno.EACCES, "Permission denied")

        self.patch(module.socket.socket, "bind", refuse)
        (found,) = self.find("tcp:443")
        self.assertEqual(found.level, Level.WARNING)
        self.assertIn("CAP_NET_BIND_SERVICE", found.text)
        self.patch(os, "access", lambda path, mode: False)
        (found,) = self.find("unix:rt.sock")
        self.assertEqual(found.level, Level.WARNING)

        def hide(path: Path) -> bool:
            raise PermissionError(errno.EACCES, "Permission denied")

        self.patch(Path, "is_dir", hide)
        (found,) = self.find("unix:rt.sock")
        self.assertEqual(found.level, Level.WARNING)
        self.assertIn(f"this user may not look into {self.base.parent}", found.text)

    def test_elsewhere(self) -> None:
        """
        An address that this machine does not have is an error.
        """
        (found,) = self.find(f"tcp:{self.port}:interface=192.0.2.7")
        self.assertEqual(found.level, Level.ERROR)
