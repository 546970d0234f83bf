"""
Tests for L{aerostack.sessions.users}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.auth.authenticator import Credentials
from aerostack.core.access.revocations import Revocations, Room
from aerostack.engine.alone import AloneNodes
from aerostack.engine.line import NodeLine
from aerostack.errors import CLOSE_CODES, CLOSE_DISCONNECTED, RealtimeError
from aerostack.interfaces.line import ILine
from aerostack.sessions.users import LATEST, UserMethods
from aerostack.testing import SECRET_KEY
from aerostack.testing.revocations import MemoryRevocations
from tests.sessions.test_removing import RemovalCase


@implementer(ILine)
class ThreeNodes:
    """
    A line to this node and two others, of which one does not answer.
    """

    def __init__(self, here: Any) -> None:
        self._here = here
        self.told: list[Any] = []

    def start(self, receive: Any) -> None:
        self._here.start(receive)

    def tell(self, what: Any) -> None:
        self._here.tell(what)

    def ask(self, what: Any, timeout: float) -> Deferred[dict[str, int | None]]:
        self.told.append(what)
        asked: Deferred[dict[str, int | None]] = self._here.ask(what, timeout)
        return asked.addCallback(lambda answers: {**answers, "b": 2, "a": None})


class UserMethodsTests(RemovalCase):
    """
    Tests for L{UserMethods}.
    """

    def setUp(self) -> None:
        super().setUp()
        self.store = MemoryRevocations()
        self.line = NodeLine(self.world.clock, AloneNodes("here"))
        self.line.start(self.removal.carryOut)
        self.server = self.world.authenticator.identify(Credentials(key=SECRET_KEY), 0)
        self.use(self.line, self.world.authenticator.revocations)

    def use(self, line: Any, revocations: Revocations) -> None:
        """
        Call methods on this line, with these revocations.
        """
        self.methods = UserMethods(line, revocations, self.store, self.world.wall)

    def disconnect(self, *args: Any) -> Any:
        """
        Call C{user.disconnect}.
        """
        asked = self.methods.disconnect(self.server, list(args))
        self.world.turn()
        return self.successResultOf(asked)

    def revoke(self, *args: Any) -> Any:
        """
        Call C{user.revoke}.
        """
        asked = self.methods.revoke(self.server, list(args))
        self.world.turn()
        return self.successResultOf(asked)

    def assertInvalid(self, method: Any, *args: Any) -> str:
        """
        Assert that the arguments of a call are invalid.

        @return: The message.
        """
        error = self.assertRaises(RealtimeError, method, self.server, list(args))
        self.assertEqual(error.code, "invalid_arguments", args)
        self.assertTrue(len(error.message) < 300, error.message)
        return error.message

    def test_disconnect(self) -> None:
        """
        The answer has the number of connections that were closed.
        """
        client = self.connect()
        answer = {"success": True, "connections": 1, "nodes": {"here": 1}, "unconfirmed": []}
        self.assertEqual(self.disconnect("ann", {"reason": "spam", "code": 4123}), answer)
        self.assertEqual(client.connection.closing, (4123, "spam"))
        client = self.connect()
        self.assertEqual(self.disconnect("ann"), answer)
        self.assertEqual(client.connection.closing, (CLOSE_DISCONNECTED, ""))
        nothing = {**answer, "connections": 0, "nodes": {"here": 0}}
        self.assertEqual(self.disconnect("ann", None), nothing)

    def test_connection(self) -> None:
        """
        With a connection, only that one of the user is closed; a connection without a user can be
        closed, too.
        """
        client, other = self.connect(), self.connect()
        mine = client.session.connectionId
        self.assertEqual(self.disconnect("bob", {"connection": mine})["connections"], 0)
        self.assertEqual(self.disconnect("ann", {"connection": mine})["connections"], 1)
        self.assertEqual(client.connection.closing, (CLOSE_DISCONNECTED, ""))
        self.assertIsNone(other.connection.closing)
        nameless = self.world.connect()
        self.clients.append(nameless)
        self.assertIsNone(nameless.session.identity.userId)
        id = nameless.session.connectionId
        self.assertEqual(self.disconnect(None, {"connection": id})["connections"], 1)
        for wrong in ((None,), (None, {"connection": None}), ("ann", {"connection": 1})):
            self.assertInvalid(self.methods.disconnect, *wrong)
        self.assertInvalid(self.methods.revoke, None, {"seconds": 1})

    def test_otherProject(self) -> None:
        """
        A user of the same name in another project keeps connection and tokens.
        """
        other = self.connect(project="q")
        self.world.advance(1)
        self.assertEqual(self.disconnect("ann")["connections"], 0)
        self.assertEqual(self.revoke("ann", {"seconds": 60})["connections"], 0)
        self.assertIsNone(other.connection.closing)
        self.connect(project="q", iat=1)

    def test_nodes(self) -> None:
        """
        Every node gets the order, and the answer names those that did not confirm.
        """
        line = ThreeNodes(self.line)
        self.use(line, self.world.authenticator.revocations)
        self.connect()
        answer = self.disconnect("ann")
        self.assertEqual((answer["connections"], answer["nodes"]), (3, {"here": 1, "b": 2}))
        self.assertEqual(answer["unconfirmed"], ["a"])
        self.revoke("ann", {"seconds": 60})
        self.assertEqual(line.told[1:], self.store.kept)

    def test_late(self) -> None:
        """
        This node is named too, if it does not get done in time.
        """
        self.line.start(lambda what: Deferred())
        asked = self.methods.disconnect(self.server, ["ann"])
        self.world.clock.advance(5)
        self.assertEqual(self.successResultOf(asked)["unconfirmed"], ["here"])

    def test_revoke(self) -> None:
        """
        A revocation is kept, closes connections and refuses tokens from before, until it ends.
        """
        self.connect()
        before = self.token()
        self.world.advance(1)
        now = int(self.world.wall() * 1000)
        answer = self.revoke("ann", {"seconds": 60, "reason": "spam"})
        self.assertEqual((answer["connections"], answer["until"]), (1, now + 60_001))
        (kept,) = self.store.kept
        self.assertEqual((kept.before, kept.until, kept.reason), (now, now + 60_001, "spam"))
        self.assertRaises(RealtimeError, self.connect, iat=1)
        answer = self.revoke("ann", {"until": now + 90_000})
        self.assertEqual(answer["until"], now + 90_000)
        self.world.advance(91)
        self.world.connect(projectId="p", token=before)

    def test_revokeOne(self) -> None:
        """
        With C{jti} only that token is revoked.
        """
        self.connect(jti="t1"), self.connect(jti="t2")
        self.world.advance(1)
        self.assertEqual(self.revoke("ann", {"seconds": 60, "jti": "t1"})["connections"], 1)

    def test_joined(self) -> None:
        """
        The answer to a shorter revocation says when the longer one ends that it joined.
        """
        first = self.revoke("ann", {"seconds": 600})
        self.world.advance(1)
        self.assertEqual(self.revoke("ann", {"seconds": 60})["until"], first["until"])

    def test_notKept(self) -> None:
        """
        If the database does not keep a revocation, the caller gets the error, although the
        revocation holds on this node.
        """
        client = self.connect()
        self.world.advance(1)
        self.store.isDown = True
        asked = self.methods.revoke(self.server, ["ann", {"seconds": 60}])
        self.world.turn()
        error = self.failureResultOf(asked, RealtimeError).value
        self.assertEqual(error.code, "database_unavailable")
        self.assertIsNotNone(client.connection.closing)

    def test_full(self) -> None:
        """
        Without room nothing is kept, and no connection is closed.
        """
        client = self.connect()
        full = Revocations(Room(1, 10_000))
        self.use(self.line, full)
        self.revoke("bob", {"seconds": 60})
        error = self.assertRaises(
            RealtimeError, self.methods.revoke, self.server, ["ann", {"seconds": 60}]
        )
        self.assertEqual((error.code, error.retryAfter), ("overloaded", 60_000))
        self.assertEqual(len(self.store.kept), 1)
        self.assertIsNone(client.connection.closing)

    def test_invalid(self) -> None:
        """
        The daemon refuses arguments that do not fit, and bounds what it says about them.
        """
        methods = self.methods
        for method in (methods.disconnect, methods.revoke):
            good = {} if method == methods.disconnect else {"seconds": 60}
            for args in ([], [5], [None], ["ann", []], ["ann", "x"], ["ann", {}, {}]):
                self.assertInvalid(method, *args)
            for user in ("", " ann", "a\nb", "x" * 256, "x" * 1_000_000, "\ud800"):
                self.assertInvalid(method, user, good)
            for reason in (5, ["x"], "x" * 124, "x" * 1_000_000, "a\r\nb", "\0"):
                self.assertIn(
                    "reason", self.assertInvalid(method, "ann", {**good, "reason": reason})
                )
            self.assertInvalid(method, "ann", {**good, "x" * 1_000_000: 1})
        for code in (*CLOSE_CODES, 0, 4099, 5000, 4100.5, "4100", True, None, 10**40):
            self.assertIn("code", self.assertInvalid(methods.disconnect, "ann", {"code": code}))
        self.assertEqual(self.store.kept, [])

    def test_invalidEnds(self) -> None:
        """
        A revocation has one end, which is to come.
        """
        now = int(self.world.wall() * 1000)
        for options in (
            {},
            {"until": now + 1000, "seconds": 1},
            *({"seconds": seconds} for seconds in (0, -1, 1e300, 10**400, True, "60", LATEST)),
            *({"until": until} for until in (now, 0, LATEST + 1, 10**400, now + 0.5, "x", True)),
            *({"seconds": 60, "jti": jti} for jti in (5, "", "x" * 256, "a\0", [])),
        ):
            self.assertInvalid(self.methods.revoke, "ann", options)
        self.assertEqual(self.store.kept, [])
        self.assertEqual(self.revoke("ann", {"until": LATEST})["until"], LATEST)
        self.assertEqual(self.revoke("bob", {"seconds": 0.001})["until"], now + 2)
