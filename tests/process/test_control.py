"""
Tests for L{aerostack.process.control}.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from aerostack.process import control
from aerostack.process.control import (
    Control,
    Conversations,
    Unanswered,
    askToReload,
    controlAddress,
    mayAsk,
)
from aerostack.process.reloads import Outcome


class _Transport(StringTransport):
    """
    A transport with a socket.
    """

    def getHandle(self) -> Any:
        return None


class ConversationTests(SynchronousTestCase):
    """
    Tests for what the daemon answers.
    """

    def setUp(self) -> None:
        self.asked: list[Deferred[Outcome]] = []
        self.user = os.geteuid()
        self.conversations = Conversations(self.reload, lambda _: self.user)

    def reload(self) -> Deferred[Outcome]:
        """
        A reload that ends when the test says so.
        """
        self.asked.append(Deferred())
        return self.asked[-1]

    def open(self) -> Any:
        """
        Begin a conversation.
        """
        conversation = self.conversations.buildProtocol(None)
        conversation.makeConnection(_Transport())
        self.addCleanup(conversation.setTimeout, None)
        return conversation

    def answer(self, conversation: Any) -> Any:
        """
        The answer, and nothing follows it.
        """
        self.assertTrue(conversation.transport.disconnecting)
        return json.loads(conversation.transport.value())

    def test_reload(self) -> None:
        """
        The answer comes when the reload has ended, and says how.
        """
        conversation = self.open()
        conversation.dataReceived(b"reload\n")
        self.assertEqual(conversation.transport.value(), b"")
        self.asked[0].callback(Outcome(("wrong",), ("late",)))
        self.assertEqual(self.answer(conversation), {"faults": ["wrong"], "notes": ["late"]})

    def test_strangers(self) -> None:
        """
        Other users are refused, whatever they send.
        """
        self.user = 12345
        conversation = self.open()
        self.assertIn("only root and the daemon's user", self.answer(conversation)["faults"][0])
        conversation.dataReceived(b"reload\n")
        self.assertEqual(self.asked, [])
        self.assertEqual([mayAsk(user, 7) for user in (0, 7, 8)], [True, True, False])

    def test_nonsense(self) -> None:
        """
        What is no question of this version is answered with a fault, and a long line is cut.
        """
        conversation = self.open()
        conversation.dataReceived(b"restart\n")
        self.assertIn("nothing to do but to reload", self.answer(conversation)["faults"][0])
        conversation = self.open()
        conversation.dataReceived(b"x" * 1000)
        self.assertTrue(conversation.transport.disconnecting)

    def test_many(self) -> None:
        """
        There is a bound on how many ask at once.
        """
        several = [self.open() for _ in range(16)]
        late = self.open()
        self.assertIn("too many", self.answer(late)["faults"][0])
        for conversation in (late, several[0]):
            conversation.connectionLost()
        self.assertFalse(self.open().transport.disconnecting)


class ControlTests(TestCase):
    """
    Tests for a daemon and a command on one machine.
    """

    def setUp(self) -> None:
        self.config = Path(self.mktemp()).absolute()

    def ask(self) -> Deferred[Outcome]:
        """
        Ask in another thread, as another process would.
        """
        return deferToThread(askToReload, self.config, 10.0)

    async def test_refusedAtOnce(self) -> None:
        """
        A command learns why it is refused, though the daemon has closed before the command asks.
        """
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.bind(controlAddress(self.config))
            daemon.listen()

            def refuse(_: socket.socket) -> int:
                with daemon.accept()[0] as connection:
                    connection.sendall(b'{"faults": ["not you"], "notes": []}\n')
                return 0

            self.patch(control, "peerOf", refuse)
            self.patch(control.os, "geteuid", lambda: 12345)
            self.assertEqual(await self.ask(), Outcome(("not you",)))

    async def test_asked(self) -> None:
        """
        A command reaches the daemon of its configuration until that stops.
        """
        from twisted.internet import reactor

        outcome = Outcome(("wrong",), ("late",))

        def reload() -> Deferred[Outcome]:
            done: Deferred[Outcome] = Deferred()
            done.callback(outcome)
            return done

        served = Control(reactor, self.config, reload)
        served.startService()
        self.addCleanup(served.stopService)
        self.assertEqual(await self.ask(), outcome)
        await served.stopService()
        error = await self.assertFailure(self.ask(), Unanswered)
        self.assertIn(f"no daemon that runs on {self.config} can be asked", str(error))

    def test_address(self) -> None:
        """
        Every configuration has an address of its own, by whichever path it is named.
        """
        self.config.touch()
        link = Path(self.mktemp()).absolute()
        link.symlink_to(self.config)
        self.assertEqual(controlAddress(link), controlAddress(self.config))
        self.assertNotEqual(controlAddress(link), controlAddress(link.with_name("other")))
        self.assertLess(len(controlAddress(link)), 108)
