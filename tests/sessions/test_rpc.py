"""
Tests for L{aerostack.sessions.rpc}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import fail
from twisted.trial.unittest import SynchronousTestCase

from aerostack.auth.authenticator import Credentials
from aerostack.errors import CLOSE_DISCONNECTED, RealtimeError
from aerostack.protocol.codec import encodeValue
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import PUBLIC_KEY, SECRET_KEY, World, makeProject


class RPCTests(SynchronousTestCase):
    """
    Tests for L{RPC}.
    """

    def setUp(self) -> None:
        self.use(World())

    def use(self, world: World) -> None:
        """
        Ask another daemon.
        """
        self.world = world
        self.server = world.authenticator.identify(Credentials(key=SECRET_KEY), 0)

    def call(self, method: str, *args: Any, **more: Any) -> Any:
        """
        Call a method as a server does.
        """
        body = {"method": method, "args": list(args), **more}
        return self.successResultOf(self.world.rpc.call(self.server, encodeValue(body)))

    def refused(self, body: Any, identity: Any = None) -> RealtimeError:
        """
        Call something that is refused.

        @return: How.
        """
        called = self.world.rpc.call(identity or self.server, encodeValue(body))
        error: RealtimeError = self.failureResultOf(called, RealtimeError).value
        return error

    def assertInvalid(self, method: str, *arguments: Any) -> None:
        """
        Assert that each of some arguments is invalid.
        """
        for args in arguments:
            error = self.refused({"method": method, "args": args})
            self.assertEqual((error.code, error.http), ("invalid_arguments", 400), args)

    # Lists of events

    def test_list(self) -> None:
        """
        A list of events is published in its order, with the data as they were sent.  An event that
        is wrong, or too large, or on another project's topic, keeps none of the others back.
        """
        self.use(World(limits=LimitsConfig(messageBytes=100)))
        client = self.world.connect()
        client.ask(type="subscribe", topic="chat/a")
        events = [
            {"event": "a", "data": 1, "topic": "chat/a"},
            {"event": "b", "data": "x" * 200, "topic": "chat/a"},
            {"event": "c", "data": 2, "topic": "chat/a", "color": "red"},
            {"event": "d", "topic": "chat/a"},
            [],
            {"event": "e", "data": None, "topic": "chat/a", "userId": "ann"},
        ]
        answer = self.call("socket.emit", events)
        self.assertEqual(answer["success"], False)
        self.assertEqual(
            [each.get("error") for each in answer["results"]],
            [None, "too_large", *["invalid_arguments"] * 3, None],
        )
        self.assertIn("Event 4", answer["results"][3]["message"])
        self.assertEqual([frame["event"] for frame in client.take()], ["a", "e"])

    def test_listKept(self) -> None:
        """
        The answer comes when the database has kept what is to be kept; what it could not keep is
        refused, and the rest is sent.
        """
        self.world.history.held = []
        events = [
            {"event": "a", "data": 1, "topic": "chat/a", "persist": True},
            {"event": "b", "data": 2, "topic": "chat/b"},
        ]
        called = self.world.rpc.call(
            self.server, encodeValue({"method": "socket.emit", "args": [events]})
        )
        self.assertNoResult(called)
        self.world.history.refuse()
        first, second = self.successResultOf(called)["results"]
        self.assertEqual((first["error"], second), ("database_unavailable", {"success": True}))

    def test_listBounds(self) -> None:
        """
        A list has at least one event and at most a hundred, and each counts to the rate of the
        project.
        """
        event = {"event": "a", "data": 1, "topic": "chat/a"}
        self.assertInvalid("socket.emit", [[]], [[event] * 101], [{}], ["a"])
        self.use(World({"p": makeProject(framesPerSecond=5)}))
        answer = self.call("socket.emit", [event] * 20)
        refused = [each for each in answer["results"] if not each["success"]]
        # The request itself was counted where it came in.
        self.assertEqual(len(refused), 9)
        self.assertEqual({each["error"] for each in refused}, {"rate_limited"})
        self.assertTrue(all(each["retryAfter"] for each in refused))

    # Users

    def test_users(self) -> None:
        """
        C{user.disconnect} and C{user.revoke} reach the users of the key's project only.
        """
        client = self.world.connect(userId="ann")
        called = self.world.rpc.call(
            self.server,
            encodeValue({"method": "user.disconnect", "args": ["ann", {"reason": "spam"}]}),
        )
        self.world.turn()
        answer = {"success": True, "connections": 1, "nodes": {"world": 1}, "unconfirmed": []}
        self.assertEqual(self.successResultOf(called), answer)
        self.assertEqual(client.connection.closing, (CLOSE_DISCONNECTED, "spam"))
        body = {"method": "user.revoke", "args": ["ann", {"seconds": 60}]}
        called = self.world.rpc.call(self.server, encodeValue(body))
        self.world.turn()
        self.assertEqual(self.successResultOf(called)["nodes"], {"world": 0})
        (kept,) = self.world.revocations.kept
        self.assertEqual((kept.project, kept.userId), ("p", "ann"))

    def test_usersRefused(self) -> None:
        """
        Clients cannot call them, nor can a server of another project; and a reason of a megabyte
        is refused.
        """
        client = self.world.connect(userId="ann")
        for method, options in (("user.disconnect", {}), ("user.revoke", {"seconds": 60})):
            body = {"method": method, "args": ["ann", options]}
            for credentials in (Credentials(key=PUBLIC_KEY), Credentials(projectId="p")):
                identity = self.world.authenticator.identify(credentials, 0)
                self.assertEqual(self.refused(body, identity).code, "forbidden")
            self.assertEqual(self.refused({**body, "projectId": "q"}).code, "wrong_project")
            self.assertInvalid(method, ["ann", {**options, "reason": "x" * 1_000_000}], ["ann", 1])
        self.world.turn()
        self.assertIsNone(client.connection.closing)
        self.assertEqual(self.world.revocations.kept, [])

    # Who may call, and what

    def test_secretOnly(self) -> None:
        """
        Only a server with the secret key can call the RPC.
        """
        body = {"method": "db.query", "args": ["SELECT 1"]}
        for credentials in (Credentials(key=PUBLIC_KEY), Credentials(projectId="p")):
            identity = self.world.authenticator.identify(credentials, 0)
            error = self.refused(body, identity)
            self.assertEqual((error.code, error.http), ("forbidden", 403))
        self.assertEqual(self.world.queries, [])

    def test_body(self) -> None:
        """
        The daemon refuses a body that is not a call.
        """
        for body in (None, [], "db.query", {}, {"method": 5}, {"method": None, "args": []}):
            self.assertEqual(self.refused(body).code, "invalid_arguments", body)
        for args in ({}, "SELECT 1", 5, None):
            error = self.refused({"method": "db.query", "args": args})
            self.assertEqual(error.code, "invalid_arguments", args)

    def test_verbatim(self) -> None:
        """
        Subscribers get the data exactly as the server sent it, also each number.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic="chat/a")
        raw: list[bytes] = []
        self.patch(client.connection, "send", lambda frame: raw.append(bytes(frame)))
        client.session.deliver = client.connection.send
        for data in (
            "1.10",
            "0.30000000000000004441",
            "1E5",
            "-0",
            "12345678901234567890123",
            '{"a" : 1.0,"a":2}',
            '"\\u00e9\\/"',
            "null",
        ):
            body = '{"method":"socket.emit","args":["e", %s ,"chat/a"]}' % data  # noqa: UP031
            self.successResultOf(self.world.rpc.call(self.server, body.encode()))
            self.world.turn()
            self.assertIn(b'"data":%b,' % data.encode(), raw.pop())

    def test_unreadable(self) -> None:
        """
        The daemon refuses a body with JSON that clients could not read, in whichever part it
        stands.
        """
        for data, code in (
            ("1e999", "invalid_json"),
            ("9" * 400, "invalid_json"),
            ('"\\ud83d"', "invalid_json"),
            ("[" * 65 + "]" * 65, "too_deep"),
        ):
            body = '{"method":"socket.emit","args":["e",%s,"chat/a"]}' % data  # noqa: UP031
            called = self.world.rpc.call(self.server, body.encode())
            self.assertEqual(self.failureResultOf(called, RealtimeError).value.code, code)
        called = self.world.rpc.call(
            self.server, b'{"method":"socket.emit","args":["e","\xff","a/b"]}'
        )
        self.assertEqual(self.failureResultOf(called, RealtimeError).value.code, "invalid_json")

    def test_project(self) -> None:
        """
        A call may name its project, which must be the project of the key.
        """
        self.call("db.query", "SELECT 1", projectId="p")
        self.call("db.query", "SELECT 1", projectId=None)
        error = self.refused({"method": "db.query", "args": ["SELECT 1"], "projectId": "q"})
        self.assertEqual(error.code, "wrong_project")

    def test_unknownMethod(self) -> None:
        """
        An unknown method is 404, and the error names the known methods.
        """
        error = self.refused({"method": "db.drop", "args": []})
        self.assertEqual((error.code, error.http), ("unknown_method", 404))
        self.assertIn("db.query, socket.emit", error.message)

    def test_user(self) -> None:
        """
        A server can publish for a user whose id is valid.
        """
        for name in ("", "x" * 256, "a\nb", " ann"):
            body = {"method": "socket.emit", "args": ["e", 1, "chat/a", {"userId": name}]}
            self.assertEqual(self.refused(body).code, "invalid_arguments", name)

    # socket.emit

    def test_emit(self) -> None:
        """
        The subscribers of a topic, also of a table's topic, get the events of servers.
        """
        client = self.world.connect()
        for topic, canonical in (("orders", "table/orders/p"), ("chat/a", "chat/a/p")):
            client.ask(type="subscribe", topic=topic)
            self.assertEqual(self.call("socket.emit", "e", {"a": [1]}, topic), {"success": True})
            (frame,) = client.take()
            self.assertEqual(
                (frame["type"], frame["topic"], frame["event"], frame["data"]),
                ("event", canonical, "e", {"a": [1]}),
            )
            self.assertNotIn("userId", frame)

    def test_emitFor(self) -> None:
        """
        A server can publish for a user, and let the database keep the event.
        """
        client = self.world.connect()
        client.ask(type="subscribe", topic="chat/a")
        options = {"persist": True, "userId": "ann"}
        answer = self.call("socket.emit", "e", 1, "chat/a", options)
        (kept,) = self.world.history.messages
        self.assertEqual(
            answer, {"success": True, "id": kept.message.id, "created_at": kept.createdAt}
        )
        self.assertEqual(client.take()[0]["userId"], "ann")
        self.assertEqual(self.call("socket.emit", "e", 1, "chat/a", None), {"success": True})

    def test_emitReplacing(self) -> None:
        """
        A kept event of a server replaces kept messages.
        """
        first = self.call("socket.emit", "e", 1, "chat/a", {"persist": True})
        options = {"persist": True, "replaces": first["created_at"]}
        self.call("socket.emit", "e", 2, "chat/a", options)
        self.assertEqual([kept.message.data for kept in self.world.history.messages], [b"2"])

    def test_emitReplacingOdd(self) -> None:
        """
        A C{replaces} that is no time is refused, also where the event goes to another process.
        """
        for odd in (-1, 2**53, 2**64, -(10**300)):
            args = "e", 1, "chat/a", {"persist": True, "replaces": odd}
            self.assertInvalid("socket.emit", *args)
            event = {"event": "e", "data": 1, "topic": "chat/a"}
            listed = [event, {**event, "persist": True, "replaces": odd}]
            first, second = self.call("socket.emit", listed)["results"]
            self.assertEqual((first["success"], second["error"]), (True, "invalid_arguments"))

    def test_emitNotKept(self) -> None:
        """
        The call fails when the database cannot keep the event.
        """
        self.world.history.held = []
        body = {"method": "socket.emit", "args": ["e", 1, "chat/a", {"persist": True}]}
        called = self.world.rpc.call(self.server, encodeValue(body))
        self.assertNoResult(called)
        self.world.history.refuse()
        error = self.failureResultOf(called, RealtimeError).value
        self.assertEqual((error.code, error.http), ("database_unavailable", 503))

    def test_emitArguments(self) -> None:
        """
        The daemon refuses too few, too many and wrong arguments.
        """
        self.assertInvalid(
            "socket.emit",
            [],
            ["e", 1],
            ["e", 1, "chat/a", {}, 5],
            [5, 1, "chat/a"],
            ["e", 1, None],
            ["e", 1, "chat/a", []],
            ["e", 1, "chat/a", {"persist": 1}],
            ["e", 1, "chat/a", {"userId": 5}],
            ["e", 1, "chat/a", {"persist": True, "replaces": "1"}],
            ["e", 1, "chat/a", {"persist": True, "replaces": True}],
            ["e", 1, "chat/a", {"replaces": 1}],
            ["e", 1, "chat/a", {"more": 5}],
        )

    def test_emitNames(self) -> None:
        """
        Events and topics of servers follow the same rules as those of clients.
        """
        for args, code in (
            (["presence:join", 1, "chat/a"], "invalid_event"),
            (["", 1, "chat/a"], "invalid_event"),
            (["e", 1, "chat//a"], "invalid_topic"),
            (["e", 1, ""], "invalid_topic"),
        ):
            self.assertEqual(self.refused({"method": "socket.emit", "args": args}).code, code)

    def test_emitTooLarge(self) -> None:
        """
        The daemon refuses an event whose data is larger than the limit.
        """
        self.use(World(limits=LimitsConfig(messageBytes=256)))
        self.call("socket.emit", "e", "x" * 254, "chat/a")
        error = self.refused({"method": "socket.emit", "args": ["e", "x" * 255, "chat/a"]})
        self.assertEqual((error.code, error.http), ("too_large", 413))

    # db.query

    def test_query(self) -> None:
        """
        A statement runs with its parameters in their database form.
        """
        answer = self.call("db.query", "SELECT ?", [1, "x", None, True, {"base64": "AA=="}])
        self.assertEqual(answer, {"results": [], "success": True, "meta": {}})
        for args in (["SELECT 1"], ["SELECT 1", None], ["SELECT 1", []]):
            self.call("db.query", *args)
        self.assertEqual(
            self.world.queries,
            [("SELECT ?", [1, "x", None, True, b"\0"]), *[("SELECT 1", [])] * 3],
        )

    def test_queryArguments(self) -> None:
        """
        The daemon refuses too few, too many and wrong arguments, and names a wrong parameter by its
        number.
        """
        self.assertInvalid(
            "db.query",
            [],
            [5],
            ["SELECT 1", {}],
            ["SELECT 1", "x"],
            ["SELECT 1", 0],
            ["SELECT 1", False],
            ["SELECT 1", [], 5],
        )
        for wrong in ({}, [2, {}]):
            error = self.refused({"method": "db.query", "args": ["SELECT ?, ?", [1, wrong]]})
            self.assertEqual(error.code, "invalid_arguments")
            self.assertIn("Parameter 2 must be", error.message)
        self.assertEqual(self.world.queries, [])

    def test_queryFails(self) -> None:
        """
        The call fails with the message of the database.
        """
        sayNo = RealtimeError("sql_error", "no")
        self.world.rpc._query = lambda sql, parameters: fail(sayNo)
        self.assertIs(self.refused({"method": "db.query", "args": ["SELECT"]}), sayNo)

    def test_queryDisabled(self) -> None:
        """
        Without C{db_query} the daemon runs no statement and the error names the setting; other
        methods work.
        """
        other = makeProject(id="q", publicKey=None, secretKey=None)
        for projects in ((makeProject(dbQuery=True), other), (makeProject(),)):
            self.use(World({project.id: project for project in projects}))
            self.call("db.query", "SELECT 1")
        self.use(World({"p": makeProject(), "q": other}))
        error = self.refused({"method": "db.query", "args": ["SELECT 1"]})
        self.assertEqual((error.code, error.http), ("query_disabled", 403))
        self.use(World({"p": makeProject(dbQuery=False)}))
        error = self.refused({"method": "db.query", "args": ["SELECT 1"]})
        self.assertEqual(error.code, "query_disabled")
        self.assertIn("projects.p.db_query", error.message)
        self.assertEqual(self.world.queries, [])
        self.call("socket.emit", "e", 1, "chat/a")
