"""
Tests for L{aerostack.databases.postgres.refusal}, with a server that says what a test wants.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.backend import Unready, Unusable
from aerostack.databases.open import openBackend
from aerostack.databases.postgres.refusal import REMEMBERED, Refusal, Refusals
from aerostack.settings.settings import DatabaseConfig

GERMAN = "tut mir leid, schon zu viele Clients"


class Server:
    """
    Refuses every connection with an error, in the protocol of PostgreSQL.

    @ivar fields: The fields of the error, by their letters, in order.
    @ivar asked: How many connections it has refused.
    """

    def __init__(self, **fields: str) -> None:
        self.fields = fields
        self.asked = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listening.close()

    @property
    def conninfo(self) -> str:
        """How to connect to it."""
        return f"host=127.0.0.1 port={self.port} user=rt dbname=shop sslmode=disable"

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                with contextlib.closing(client):
                    self._refuse(client)

    def _refuse(self, client: socket.socket) -> None:
        with contextlib.suppress(ConnectionError):
            if not client.recv(1000):
                return
            fields = [f"{letter}{text}".encode() for letter, text in self.fields.items()]
            body = b"\0".join([*fields, b"", b""])
            self.asked += 1
            client.sendall(b"E" + (len(body) + 4).to_bytes(4, "big") + body)


class RefusalTests(SynchronousTestCase):
    """
    Tests for L{Refusals}, and for what the start makes of them.
    """

    def serve(self, **fields: str) -> Server:
        server = Server(**fields)
        self.addCleanup(server.close)
        return server

    def fault(self, server: Server) -> Unusable:
        """
        @return: With what the daemon's start fails at a server.
        """
        url = f"postgresql://rt@127.0.0.1:{server.port}/shop?sslmode=disable"
        return self.assertRaises(
            Unusable, openBackend(DatabaseConfig(url)).ask, lambda cursor, dialect: None
        )

    def test_languages(self) -> None:
        """
        A server that speaks another language than English is waited for by the SQLSTATE, and one
        that an operator has to mend is not.
        """
        for state, message, waited in (
            ("53300", GERMAN, "has no connection left"),
            ("57P03", "das Datenbanksystem startet", "is stopping or starting"),
            ("53200", "kein Speicher mehr", "has no memory left"),
            ("28P01", "Passwort-Authentifizierung fehlgeschlagen", None),
            ("3D000", "Datenbank »shop« existiert nicht", None),
        ):
            error = self.fault(self.serve(S="FATAL", V="FATAL", C=state, M=message))
            self.assertEqual(getattr(error, "fault", None), waited, state)
            self.assertEqual(isinstance(error, Unready), waited is not None)
            self.assertIn(message, str(error))

    def test_pooler(self) -> None:
        """
        A pooler that has one SQLSTATE for everything is waited for, unless its words name what an
        operator has to mend.
        """
        for message, isWaited in (
            ("no more connections allowed (max_client_conn)", True),
            ("pgbouncer cannot connect to server", True),
            ("query_wait_timeout", True),
            ('database "shop" does not exist', False),
            ("SASL authentication failed", False),
            ("no such user: rt", False),
        ):
            error = self.fault(self.serve(S="FATAL", C="08P01", M=message))
            self.assertEqual(isinstance(error, Unready), isWaited, message)

    def test_remembered(self) -> None:
        """
        A server is asked once for the meaning of a message, and of many messages the oldest are
        forgotten.
        """
        server = self.serve(S="FATAL", V="FATAL", C="53300", M=GERMAN)
        refusals = Refusals()
        said = f'connection failed: connection to server at "h", port 1 failed: FATAL:  {GERMAN}'
        for _ in range(3):
            self.assertEqual(refusals.learn(server.conninfo, said), Refusal(True, "53300"))
        self.assertEqual(server.asked, 1)
        for number in range(REMEMBERED):
            server.fields["M"] = f"message {number}"
            refusals.learn(server.conninfo, f"connection failed: FATAL:  message {number}")
        server.fields["M"] = GERMAN
        self.assertEqual(refusals.learn(server.conninfo, said), Refusal(True, "53300"))
        self.assertEqual(server.asked, REMEMBERED + 2)

    def test_changed(self) -> None:
        """
        A server that says something else when it is asked is not remembered for the first message.
        """
        server = self.serve(S="FATAL", V="FATAL", C="57P03", M="it starts")
        refusals = Refusals()
        said = f"connection failed: FATAL:  {GERMAN}"
        self.assertEqual(refusals.learn(server.conninfo, said), Refusal(True, "57P03"))
        server.fields |= {"C": "53300", "M": GERMAN}
        self.assertEqual(refusals.learn(server.conninfo, said), Refusal(True, "53300"))
