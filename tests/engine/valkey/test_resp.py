"""
Tests of L{aerostack.engine.valkey.resp}: against a real server, and against bytes that none sends.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.engine.valkey import resp
from aerostack.engine.valkey.errors import Backlogged, NotConnected, ReplyError, Unanswered
from aerostack.engine.valkey.resp import RespConnection
from tests.engine.valkey.lines import Recorder, openConnection, until
from tests.engine.valkey.server import sharedServer


class ServerTests(TestCase):
    """
    A connection to a real server.
    """

    def setUp(self) -> None:
        self.server = sharedServer(self)

    async def test_types(self) -> None:
        """
        Each type of a reply has one type in Python, and a string never becomes a number.
        """
        connection, _ = await openConnection(self, self.server)
        script = (
            "server.setresp(3); local m = {map={}}; m.map.k = 'v';"
            " return {'5', 5, {double=1.5}, false, m, {'a', {}}, {big_number='123'}}"
        ).replace("server.", "redis.")
        reply = await connection.command("EVAL", script, 0)
        self.assertEqual(reply, [b"5", 5, 1.5, False, {b"k": b"v"}, [b"a", []], b"123"])
        self.assertEqual(list(map(type, reply[:3])), [bytes, int, float])
        self.assertEqual(await connection.command("SET", "k", 5), b"OK")
        self.assertEqual(await connection.command(b"GET", "k"), b"5")
        self.assertIsNone(await connection.command("GET", "nothing"))

    async def test_payloads(self) -> None:
        """
        Payloads come back byte for byte, as replies and as messages (trap 17).
        """
        connection, recorder = await openConnection(self, self.server)
        await connection.subscribe([b"c"])
        everyByte = bytes(range(256))
        payloads = [b"5", '"é"'.encode(), b"\\u0000", b"\0", b"", b"\r\n$1\r\n", everyByte * 1024]
        for payload in payloads:
            await connection.command("SET", "k", payload)
            self.assertEqual(await connection.command("GET", "k"), payload)
            await connection.command("PUBLISH", "c", payload)
        await until(lambda: len(recorder.pushes) == len(payloads))
        self.assertEqual(recorder.pushes, [[b"message", b"c", payload] for payload in payloads])

    async def test_order(self) -> None:
        """
        Answers come in the order of the commands, also where some are errors.
        """
        connection, _ = await openConnection(self, self.server)
        answers: list[Any] = []
        waiting = []
        for number in range(3000):
            command = ("ECHO", number) if number % 3 else ("NOSUCH", number)
            waiting.append(connection.command(*command).addBoth(answers.append))
        await gatherResults(waiting)
        for number, answer in enumerate(answers):
            if number % 3:
                self.assertEqual(answer, b"%d" % number)
            else:
                self.assertIn(f"'{number}'", answer.value.message)
        self.assertEqual(connection.waitingBytes, 0)

    async def test_errors(self) -> None:
        """
        An error has the server's code and message.
        """
        connection, _ = await openConnection(self, self.server)
        for code, command in (
            ("NOSCRIPT", ("EVALSHA", "0" * 40, 0)),
            ("WRONGTYPE", ("EVAL", "redis.call('SET', 'k', 1) redis.call('LPUSH', 'k', 1)", 0)),
            ("ERR", ("NOSUCH",)),
            ("WRONGPASS", ("AUTH", "ann", "wrong")),
        ):
            error = await self.assertFailure(connection.command(*command), ReplyError)
            self.assertEqual(error.code, code)
            self.assertFalse(error.isReadOnly)

    async def test_refusedSubscription(self) -> None:
        """
        A subscription that an ACL refuses fails alone, and the next commands get their own answers
        (trap 8).
        """
        self.server.addUser("ann", "secret", "~*", "&allowed:*", "+@all")
        connection, recorder = await openConnection(self, self.server, 9999, "ann", "secret")
        outcomes: list[Any] = []
        for attempt in (
            connection.subscribe([b"allowed:1", b"allowed:2"]),
            connection.command("ECHO", "a"),
            connection.subscribe([b"allowed:3", b"other"]),
            connection.command("ECHO", "b"),
            connection.unsubscribe([b"allowed:2", b"never"]),
            connection.subscribe([b"allowed:4"]),
        ):
            attempt.addErrback(lambda failure: failure.value.code).addCallback(outcomes.append)
        self.assertEqual(await connection.command("ECHO", "c"), b"c")
        self.assertEqual(outcomes, [None, b"a", "NOPERM", b"b", None, None])
        numbers = [1, 0, 0, 1]
        for channel, number in enumerate(numbers, 1):
            told = await connection.command("PUBLISH", f"allowed:{channel}", "x")
            self.assertEqual(told, number)
        await until(lambda: len(recorder.pushes) == sum(numbers))

    async def test_killed(self) -> None:
        """
        When the server is killed, each command that waits fails, and later ones are not sent.
        """
        connection, recorder = await openConnection(self, self.server)
        self.server.freeze()
        waiting = [connection.command("PING") for _ in range(3)]
        self.server.kill()
        for one in waiting:
            await self.assertFailure(one, Unanswered)
        self.assertEqual(len(recorder.reasons), 1)
        await self.assertFailure(connection.command("PING"), NotConnected)

    async def test_bounded(self) -> None:
        """
        Commands beyond the bound fail at once, and others are sent again when answers have come.
        """
        connection, _ = await openConnection(self, self.server, 2000)
        self.server.freeze()
        first = connection.command("ECHO", b"x" * 1000)
        await self.assertFailure(connection.command("ECHO", b"y" * 1000), Backlogged)
        self.server.thaw()
        self.assertEqual(await first, b"x" * 1000)
        self.assertEqual(await connection.command("ECHO", b"y" * 1000), b"y" * 1000)


class BytesTests(SynchronousTestCase):
    """
    A connection whose server's bytes the test makes up.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.recorder = Recorder()
        self.connection = RespConnection(self.clock, self.recorder)
        self.transport = StringTransport()
        self.connection.makeConnection(self.transport)

    def test_login(self) -> None:
        """
        The name and the password go with the first command.
        """
        self.connection.hello("rt", None, "secret")
        sent = self.transport.value().split(b"\r\n")[2::2]
        self.assertEqual(sent, [b"HELLO", b"3", b"AUTH", b"default", b"secret", b"SETNAME", b"rt"])

    def test_pieces(self) -> None:
        """
        A reply is read no matter where the network cuts it.
        """
        first, second = self.connection.command("GET", "k"), self.connection.command("GET", "j")
        for byte in b"$4\r\na\r\nb\r\n>3\r\n+message\r\n+c\r\n+x\r\n_\r\n":
            self.connection.dataReceived(bytes([byte]))
        self.assertEqual(self.successResultOf(first), b"a\r\nb")
        self.assertIsNone(self.successResultOf(second))
        self.assertEqual(self.recorder.pushes, [[b"message", b"c", b"x"]])

    def test_turn(self) -> None:
        """
        What comes at once is dealt with in several turns, and the socket waits meanwhile.
        """
        waiting = [self.connection.command("PING") for _ in range(2500)]
        self.connection.dataReceived(b"+PONG\r\n" * 2500)
        answered = [sum(one.called for one in waiting)]
        self.assertEqual(self.transport.producerState, "paused")
        for _ in range(2):
            turn = self.clock.calls.pop(0)
            turn.func()
            answered.append(sum(one.called for one in waiting))
        self.assertEqual(answered, [1000, 2000, 2500])
        self.assertEqual(self.transport.producerState, "producing")

    def test_strange(self) -> None:
        """
        A server that does not keep to the protocol is left.
        """
        for data in (
            b"?",
            b"+unasked\r\n",
            b">3\r\n+subscribe\r\n+c\r\n:1\r\n",
        ):
            self.setUp()
            self.connection.dataReceived(data)
            self.assertEqual(len(self.recorder.reasons), 1, data)
            self.assertTrue(self.transport.disconnecting, data)

    def test_confirmedOtherwise(self) -> None:
        """
        A subscription that gets an answer that is no refusal ends the connection.
        """
        waiting = self.connection.subscribe([b"c"])
        self.connection.dataReceived(b"+OK\r\n")
        self.failureResultOf(waiting, Unanswered)
        self.assertEqual(len(self.recorder.reasons), 1)

    def test_replyTooLarge(self) -> None:
        """
        A reply that never ends is not kept without a bound.
        """
        self.patch(resp, "REPLY_BYTES", 100)
        waiting = self.connection.command("GET", "k")
        self.connection.dataReceived(b"$1000\r\n" + b"x" * 200)
        self.failureResultOf(waiting, Unanswered)

    def test_closedWithin(self) -> None:
        """
        After a close, what the server had already sent is dropped.
        """
        first = self.connection.command("PING")
        first.addCallback(lambda reply: self.connection.close("Enough."))
        second = self.connection.command("PING")
        self.connection.dataReceived(b"+PONG\r\n+PONG\r\n")
        self.failureResultOf(second, Unanswered)
        self.connection.dataReceived(b"+PONG\r\n")
        self.assertEqual(self.recorder.reasons, ["Enough."])

    def test_replica(self) -> None:
        """
        A replica's refusal is recognised, also as Redis before 7 words it for scripts.
        """
        for text in (
            "READONLY You can't write against a read only replica.",
            "ERR Error running script: @user_script:1: -READONLY You can't write.",
        ):
            self.assertTrue(ReplyError(text).isReadOnly)
