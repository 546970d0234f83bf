"""
Tests for L{aerostack.net.websocket.handshake}.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.auth.authenticator import Credentials
from aerostack.errors import RealtimeError
from aerostack.net.websocket.handshake import parseOpening
from aerostack.protocol.deflate import AGREED

UPGRADE = {
    "upgrade": ["websocket"],
    "connection": ["Upgrade"],
    "sec-websocket-version": ["13"],
    "sec-websocket-key": ["dGhlIHNhbXBsZSBub25jZQ=="],
}


class ParseOpeningTests(SynchronousTestCase):
    """
    Tests for L{parseOpening}.
    """

    def refuse(self, code: str, **headers: list[str] | None) -> None:
        """
        Make sure that an opening with other headers is refused.
        """
        changed = {**UPGRADE, **{name.replace("_", "-"): v for name, v in headers.items()}}
        present = {name: value for name, value in changed.items() if value is not None}
        error = self.assertRaises(RealtimeError, parseOpening, present)
        self.assertEqual(error.code, code, headers)

    def test_plain(self) -> None:
        """
        An opening as in RFC 6455 is accepted.
        """
        opening = parseOpening(UPGRADE)
        self.assertEqual(opening.key, UPGRADE["sec-websocket-key"][0])

    def test_lists(self) -> None:
        """
        Upgrade and Connection are lists, in any case and over several headers.
        """
        for lists in (
            {"upgrade": ["h2c, WebSocket"], "connection": ["keep-alive, UPGRADE"]},
            {"connection": ["keep-alive", "upgrade"]},
        ):
            opening = parseOpening({**UPGRADE, **lists})
            self.assertEqual(opening.key, UPGRADE["sec-websocket-key"][0])

    def test_noUpgrade(self) -> None:
        """
        A request that does not ask for a WebSocket gets a message that says so.
        """
        for bad in (None, [], [""], ["h2c"], ["websockets"]):
            self.refuse("upgrade_required", upgrade=bad)
        for bad in (None, [""], ["keep-alive"], ["close"]):
            self.refuse("upgrade_required", connection=bad)

    def test_version(self) -> None:
        """
        Only version 13 is accepted.
        """
        for bad in (None, ["8"], ["0"], ["14"], [""], ["13", "13"], ["13, 8"], ["x"]):
            self.refuse("upgrade_required", sec_websocket_version=bad)

    def test_key(self) -> None:
        """
        The key is 16 bytes in base64, once.
        """
        for bad in (
            None,
            [""],
            ["x"],
            ["dGhlIHNhbXBsZSBub25jZQ"],
            ["dGhlIHNhbXBsZSBub25jZR=="],
            ["dGhlIHNhbXBsZSBub25jZSE="],
            ["!GhlIHNhbXBsZSBub25jZQ=="],
            ["dGhlIHNhbXBsZSBub25jZQ==\x00"],
            UPGRADE["sec-websocket-key"] * 2,
        ):
            self.refuse("invalid_arguments", sec_websocket_key=bad)

    def test_twice(self) -> None:
        """
        A subprotocol that is offered twice is refused, also over several headers.
        """
        for bad in (["aerostack-v1, aerostack-v1"], ["aerostack-v1", "x,aerostack-v1"]):
            self.refuse("invalid_arguments", sec_websocket_protocol=bad)

    @given(
        st.dictionaries(
            st.sampled_from([*UPGRADE, "sec-websocket-protocol", "origin"]),
            st.lists(st.text(), max_size=3),
        )
    )
    def test_anything(self, headers: dict[str, list[str]]) -> None:
        """
        Any headers are accepted, or refused with a code.
        """
        try:
            opening = parseOpening({**UPGRADE, **headers})
            opening.credentials({}, True)
            opening.client()
        except RealtimeError as error:
            self.assertIn(error.code, ("upgrade_required", "invalid_arguments"))

    def test_protocols(self) -> None:
        """
        Commas separate subprotocols, with or without spaces and over several headers; empty ones
        are ignored.
        """
        for values in (["a, b,c"], ["a,b", "c"], ["a ,\tb , c,"], [",a,,b", "", "c"]):
            opening = parseOpening({**UPGRADE, "sec-websocket-protocol": values})
            self.assertEqual(opening.protocols, ("a", "b", "c"))
        self.assertEqual(parseOpening(UPGRADE).protocols, ())


class AnswerTests(SynchronousTestCase):
    """
    Tests for L{Opening.answer<aerostack.net.websocket.handshake.Opening>}.
    """

    def answer(self, extension: str | None, *offered: str) -> list[str]:
        """
        The lines that answer an opening.
        """
        opening = parseOpening({**UPGRADE, "sec-websocket-protocol": list(offered)})
        return opening.answer(extension).decode("ascii").split("\r\n")

    def test_accept(self) -> None:
        """
        The answer proves that the daemon has read the key, as in the example of RFC 6455, 1.3.
        """
        self.assertEqual(
            self.answer(None),
            [
                "HTTP/1.1 101 Switching Protocols",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "",
                "",
            ],
        )

    def test_agreed(self) -> None:
        """
        The answer names the subprotocol if the client offers it, never a credential, and the
        compression if there is one.
        """
        lines = self.answer(AGREED, "aerostack-key.pk_secret", "aerostack-v1")
        self.assertIn("Sec-WebSocket-Protocol: aerostack-v1", lines)
        self.assertIn(f"Sec-WebSocket-Extensions: {AGREED}", lines)
        self.assertNotIn("pk_secret", "".join(lines))
        self.assertNotIn("Sec-WebSocket-Protocol", "".join(self.answer(None, "other")))


class CredentialsTests(SynchronousTestCase):
    """
    Tests for L{Opening.credentials<aerostack.net.websocket.handshake.Opening>}.
    """

    def read(
        self,
        offered: str = "",
        query: dict[str, str] | None = None,
        allowed: bool = False,
        **more: Any,
    ) -> Credentials:
        """
        Read the credentials of an opening.
        """
        opening = parseOpening({**UPGRADE, "sec-websocket-protocol": [offered], **more})
        return opening.credentials(query or {}, allowed)

    def refuse(self, *arguments: Any, **more: Any) -> RealtimeError:
        """
        Make sure that an opening's credentials are refused.
        """
        error: RealtimeError = self.assertRaises(RealtimeError, self.read, *arguments, **more)
        self.assertEqual(error.code, "invalid_arguments")
        return error

    def test_subprotocols(self) -> None:
        """
        A key and a token come as subprotocols, either of them or both.
        """
        self.assertEqual(
            self.read("aerostack-key.K, aerostack-token.a.b.c, aerostack-v1"),
            Credentials(key="K", token="a.b.c"),
        )
        self.assertEqual(self.read("aerostack-key.K,aerostack-v1"), Credentials(key="K"))
        self.assertEqual(self.read("aerostack-token.a.b.c"), Credentials(token="a.b.c"))
        self.assertEqual(self.read("aerostack-v1"), Credentials())
        self.assertEqual(self.read("aerostack-key., aerostack-v1"), Credentials())

    def test_query(self) -> None:
        """
        The URL names the project and the user; empty values are ignored.
        """
        self.assertEqual(self.read(query={"projectId": "p", "userId": "u"}), Credentials("p", "u"))
        self.assertEqual(self.read(query={"projectId": "", "userId": ""}), Credentials())

    def test_origin(self) -> None:
        """
        The opening has the origin.
        """
        self.assertEqual(self.read(origin=["http://a"]), Credentials(origin="http://a"))

    def test_queryCredentials(self) -> None:
        """
        Credentials in the URL count if the setting allows them, and a subprotocol overrides them.
        """
        query = {"apiKey": "K", "token": "T"}
        self.assertEqual(self.read(query=query, allowed=True), Credentials(key="K", token="T"))
        self.assertEqual(
            self.read("aerostack-key.other", query, True), Credentials(key="other", token="T")
        )

    def test_queryCredentialsRefused(self) -> None:
        """
        If the setting does not allow credentials in the URL, the message names the setting and not
        the credential.
        """
        for query in ({"apiKey": "pk_private"}, {"token": "pk_private"}):
            error = self.refuse(query=query)
            self.assertIn("server.query_credentials", error.message)
            self.assertNotIn("pk_private", str(error))
        self.assertEqual(self.read(query={"apiKey": ""}), Credentials())

    def test_several(self) -> None:
        """
        Two keys, or two tokens, are refused, and not shown.
        """
        for offered in ("aerostack-key.A, aerostack-key.B", "aerostack-token.A,aerostack-token.B"):
            error = self.refuse(offered)
            self.assertNotIn(".A", error.message)


class ClientTests(SynchronousTestCase):
    """
    Tests for L{Opening.client<aerostack.net.websocket.handshake.Opening>}.
    """

    def read(self, *offered: str) -> str | None:
        """
        Read by what the client of an opening is known again.
        """
        return parseOpening({**UPGRADE, "sec-websocket-protocol": list(offered)}).client()

    def test_secret(self) -> None:
        """
        Each secret has a hash of its own, which does not reveal the secret.
        """
        secret = "s" * 16
        first = self.read(f"aerostack-session.{secret}, aerostack-v1")
        assert first is not None
        self.assertEqual(self.read("aerostack-v1", f"aerostack-session.{secret}"), first)
        self.assertNotEqual(self.read(f"aerostack-session.{secret}s"), first)
        self.assertNotIn(secret, first)
        self.assertIsNone(self.read("aerostack-v1"))

    def test_refused(self) -> None:
        """
        A secret that is too short, too long or sent twice is refused and not shown.
        """
        for offered in ("x" * 15, "x" * 129, f"{'x' * 20}, aerostack-session.{'y' * 20}"):
            error = self.assertRaises(RealtimeError, self.read, f"aerostack-session.{offered}")
            self.assertEqual(error.code, "invalid_arguments")
            self.assertNotIn("xxx", error.message)
