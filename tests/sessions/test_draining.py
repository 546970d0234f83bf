"""
Tests for L{aerostack.sessions.draining}.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.limits.draining import BATCH, LONGEST, PAUSE, DrainPlan
from aerostack.errors import CLOSE_FLOOD, CLOSE_GOING_AWAY
from aerostack.sessions.draining import PATIENCE, TURN, drain
from aerostack.testing import MemoryClient, World

PUBLISH = {"type": "publish", "topic": "chat/a", "event": "e", "persist": True}


class DrainTests(SynchronousTestCase):
    """
    Tests for L{drain}.
    """

    def setUp(self) -> None:
        self.world = World()

    def begin(self, *clients: MemoryClient) -> Deferred[None]:
        """
        Send some clients away.
        """
        drainPlan = DrainPlan(3, 10, lambda: 0.5)
        sessions = [client.session for client in clients]
        told: Deferred[None] = drain(self.world.clock, sessions, drainPlan)
        return told

    def assertTold(self, client: MemoryClient, delay: int) -> None:
        """
        Assert that the last frame says when to reconnect, and that the close says the same.
        """
        last = client.take()[-1]
        self.assertEqual(last, {"type": "reconnect", "delay": delay, "reason": "restart"})
        reason = f"restarting; reconnect in {delay} ms"
        self.assertEqual(client.connection.closing, (CLOSE_GOING_AWAY, reason))

    def test_nobody(self) -> None:
        """
        Without a client the drain ends at once.
        """
        self.successResultOf(self.begin())
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_oneFails(self) -> None:
        """
        A client whose connection fails is closed, and the others are sent away.
        """
        clients = [self.world.connect() for _ in range(3)]
        send = clients[1].connection.send

        def broken(frame: bytes) -> None:
            self.patch(clients[1].connection, "send", send)
            raise ZeroDivisionError

        self.patch(clients[1].connection, "send", broken)
        clients[1].session.drained()
        self.successResultOf(self.begin(*clients))
        self.assertTold(clients[0], 3005)
        self.assertTold(clients[2], 3025)
        self.assertEqual(clients[1].connection.closing, (1011, "the daemon failed"))
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_few(self) -> None:
        """
        A few clients are sent away at once, each with its own delay.
        """
        clients = [self.world.connect() for _ in range(3)]
        self.successResultOf(self.begin(*clients))
        for client, delay in zip(clients, (3005, 3015, 3025), strict=True):
            self.assertTold(client, delay)

    def test_late(self) -> None:
        """
        If the reactor is late for each batch, the whole drain is not later than one late batch.
        """
        clients = [self.world.connect() for _ in range(9 * BATCH + 1)]
        told = self.begin(*clients)
        for _ in range(5):
            self.assertNoResult(told)
            self.world.clock.advance(2 * PAUSE)
        self.successResultOf(told)

    def test_batches(self) -> None:
        """
        Many clients are sent away in batches, between which the reactor turns.
        """
        clients = [self.world.connect() for _ in range(2 * BATCH + 1)]
        told = self.begin(*clients)
        for left in (BATCH + 1, 1, 0):
            open = [client for client in clients if client.connection.closing is None]
            self.assertEqual(open, clients[len(clients) - left :])
            if left:
                self.assertNoResult(told)
                self.world.clock.advance(PAUSE)
        self.successResultOf(told)

    def test_overloaded(self) -> None:
        """
        If the drain takes too long, it ends in time, the reactor turns meanwhile, and the remaining
        clients stay as they are.
        """
        clients = [self.world.connect() for _ in range(20 * BATCH)]
        clock = self.world.clock

        turns: list[float] = []
        callLater = clock.callLater

        def slowly(code: int, reason: str) -> None:
            clock.rightNow += 0.01

        def turn(delay: float, *call: Any) -> Any:
            turns.append(clock.seconds())
            return callLater(delay, *call)

        for client in clients:
            self.patch(client.connection, "close", slowly)
        self.patch(clock, "callLater", turn)
        began = clock.seconds()
        told = self.begin(*clients)
        while not told.called:
            clock.advance(PAUSE)
        each = 0.01 * BATCH
        longest = max(later - earlier for earlier, later in pairwise(turns))
        self.assertLess(longest, TURN + each + PAUSE)
        self.assertLess(clock.seconds() - began, LONGEST + PATIENCE + each + 2 * PAUSE)
        untold = [client for client in clients if not client.take()]
        self.assertEqual(untold, clients[len(clients) - len(untold) :])
        self.assertTrue(untold)

    def test_goneMeanwhile(self) -> None:
        """
        A client that has left, or was closed for another reason, gets no C{reconnect}.
        """
        clients = [self.world.connect() for _ in range(BATCH + 2)]
        told = self.begin(*clients)
        gone, flooding = clients[BATCH:]
        gone.close()
        flooding.session.close(CLOSE_FLOOD, "too much")
        self.world.clock.advance(PAUSE)
        self.successResultOf(told)
        self.assertIsNone(gone.connection.closing)
        self.assertEqual(flooding.connection.closing, (CLOSE_FLOOD, "too much"))
        self.assertEqual(gone.take() + flooding.take(), [])

    def test_acknowledged(self) -> None:
        """
        A client gets the answers to its publications before C{reconnect}, and the daemon ignores
        its later frames.
        """
        self.world.history.held = []
        kept, lost, idle = (self.world.connect() for _ in range(3))
        kept.send(**PUBLISH, data=1, id="a")
        kept.send(**PUBLISH, data=2, id="b")
        told = self.begin(kept, idle)
        self.assertTold(idle, 3015)
        self.assertEqual(kept.ask(**PUBLISH, data=3, id="c"), [])
        self.assertIsNone(kept.connection.closing)
        self.world.history.release()
        self.assertEqual([frame["id"] for frame in kept.connection.frames[:-1]], ["a", "b"])
        self.assertTold(kept, 3005)
        self.world.clock.advance(PAUSE)
        self.successResultOf(told)
        self.assertEqual([kept.message.data for kept in self.world.history.messages], [b"1", b"2"])

        self.world.history.held = []
        lost.send(**PUBLISH, data=1, id="d")
        self.begin(lost)
        self.world.history.refuse()
        error = lost.connection.frames[0]
        self.assertEqual((error["code"], error["id"]), ("database_unavailable", "d"))
        self.assertTold(lost, 3005)

    def test_patience(self) -> None:
        """
        A database that does not answer delays the drain only shortly, and its late answer does no
        harm.
        """
        self.world.history.held = []
        client = self.world.connect()
        client.send(**PUBLISH, data=1, id="a")
        told = self.begin(client)
        self.world.clock.pump([PAUSE] * int(PATIENCE / PAUSE - 1))
        self.assertNoResult(told)
        self.world.clock.pump([PAUSE] * 2)
        self.successResultOf(told)
        self.assertTold(client, 3005)
        self.world.history.release()
        self.assertEqual(client.take(), [])

    def test_listens(self) -> None:
        """
        A client that waits for its answers still gets events.
        """
        self.world.history.held = []
        client, other = self.world.connect(), self.world.connect()
        client.ask(type="subscribe", topic="chat/b")
        client.send(**PUBLISH, data=1, id="a")
        self.begin(client)
        other.send(type="publish", topic="chat/b", event="e", data="last words")
        self.assertEqual([frame["data"] for frame in client.take()], ["last words"])
