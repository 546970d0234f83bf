"""
Tests for L{aerostack.server.housekeeping}.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Cooperator
from twisted.trial.unittest import SynchronousTestCase

from aerostack.server.housekeeping import HistoryMaintenance, SessionMaintenance, Sweeper
from aerostack.settings.limits import LimitsConfig
from aerostack.testing import MemoryHistory, World
from tests.hub.test_publishing import ROOM


class SlowHistory(MemoryHistory):
    """
    A history with something to forget.

    @ivar asked: The times at which it was asked to forget, ms.
    @ivar probed: How often it was asked to see whether messages can be kept.
    @ivar steps: How many messages each following step forgets.
    """

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.probed = 0
        self.steps: list[Deferred[int]] = []

    def probe(self) -> Deferred[None]:
        self.probed += 1
        return super().probe()

    def expire(self, now: int) -> Deferred[int]:
        self.asked.append(now)
        return self.steps.pop(0) if self.steps else succeed(0)


class HousekeepingTests(SynchronousTestCase):
    """
    Tests for L{Sweeper}, L{SessionMaintenance} and L{HistoryMaintenance}.
    """

    def setUp(self) -> None:
        self.world = World(limits=LimitsConfig(pingInterval=10, pongTimeout=5))
        self.clock = self.world.clock
        self.history = SlowHistory()
        world = self.world
        self.sweeper = Sweeper(
            self.clock,
            (lambda: world.backbone.roster.sweep(), lambda: world.hub.sequencer.expire()),
        )
        self.services = (
            SessionMaintenance(self.clock, world.deadlines),
            self.sweeper,
            HistoryMaintenance(self.clock, world.hub.now, self.history),
        )

    def start(self) -> None:
        """
        Begin.
        """
        for service in self.services:
            service.startService()
            self.addCleanup(service.stopService)

    def pump(self, seconds: int) -> None:
        """
        Let time pass, second by second, and let the work of each second be done: on a busy machine
        that takes several turns.
        """
        self.clock.pump([1, *[0] * 20] * seconds)

    def test_deadlines(self) -> None:
        """
        Sessions are pinged and ended when their deadlines pass.
        """
        self.start()
        client = self.world.connect()
        self.pump(11)
        self.assertEqual(client.connection.pings, 1)
        self.pump(6)
        self.assertIsNotNone(client.connection.closing)

    def test_stoodStill(self) -> None:
        """
        If the process stood still while an answer to a ping came, the answer is read before the
        deadline counts.  A process that is always late keeps the deadlines all the same.
        """
        self.start()
        client, silent = self.world.connect(), self.world.connect()
        self.pump(11)
        self.clock.advance(8)
        self.pump(0)
        self.assertIsNone(silent.connection.closing)
        client.session.heard()
        self.pump(1)
        self.assertIsNone(client.connection.closing)
        self.assertIsNotNone(silent.connection.closing)
        late = self.world.connect()
        for _ in range(8):
            self.clock.advance(4)
            self.clock.pump([0] * 20)
        self.assertIsNotNone(late.connection.closing)

    def test_probed(self) -> None:
        """
        The daemon checks every few seconds whether messages can be kept, even if none come.
        """
        self.start()
        self.pump(20)
        self.assertEqual(self.history.probed, 4)

    def test_brokenSession(self) -> None:
        """
        A session that fails is logged with its connection, and the others are served.
        """
        self.start()
        clients = [self.world.connect() for _ in range(3)]
        self.patch(clients[1].connection, "ping", lambda: 1 // 0)
        self.pump(11)
        self.assertEqual([client.connection.pings for client in clients], [1, 0, 1])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_presence(self) -> None:
        """
        Members leave when their grace period is over.
        """
        self.start()
        watcher, member = self.world.connect(), self.world.connect(userId="ann")
        watcher.ask(type="subscribe", topic="chat/a")
        member.send(type="track", topic="chat/a", state={})
        member.die()
        self.pump(8)
        watcher.take()
        self.pump(4)
        self.assertEqual([frame["event"] for frame in watcher.take()], ["presence:leave"])

    def test_presenceFails(self) -> None:
        """
        If members cannot be removed, the logs are still swept, and the next second tries again.
        """
        asked: list[str] = []

        def broken(now: float, most: int) -> list[Any]:
            asked.append("presence")
            raise ZeroDivisionError

        self.patch(self.world.hub.presence.rosters, "expire", broken)
        self.patch(self.world.hub.sequencer, "expire", lambda: iter((asked.append("logs"),)))
        self.start()
        self.pump(1)
        self.assertEqual(sorted(asked), ["logs", "logs", "presence", "presence"])
        self.assertGreater(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_many(self) -> None:
        """
        If very many members leave at once, the reactor turns in between.
        """
        self.start()
        presence = self.world.hub.presence
        for number in range(1000):
            presence.track(f"m{number}", ROOM, None, b"{}")
            presence.lose(f"m{number}")
        turns: list[int] = []

        def turn() -> None:
            turns.append(presence.rosters.count(ROOM.canonical))
            if turns[-1]:
                self.clock.callLater(0, turn)

        # The real time of a turn must not count here.
        self.sweeper._cooperator = Cooperator(
            terminationPredicateFactory=lambda: lambda: True,
            scheduler=partial(self.clock.callLater, 0),
        )
        self.clock.callLater(10, turn)
        self.pump(12)
        self.assertEqual(turns[-1], 0)
        self.assertGreater(len(turns), 5)

    def test_history(self) -> None:
        """
        The history is asked to forget at the start and every minute.
        """
        self.start()
        self.pump(125)
        begin = 1_000_000_000_000
        self.assertEqual(self.history.asked, [begin, begin + 60_000, begin + 120_000])

    def test_historyToTheEnd(self) -> None:
        """
        The history forgets one step after the other until nothing is left to forget.
        """
        slow: Deferred[int] = Deferred()
        self.history.steps = [succeed(500), slow, succeed(3)]
        self.start()
        self.assertEqual(len(self.history.asked), 2)
        self.pump(120)
        self.assertEqual(len(self.history.asked), 2)
        slow.callback(500)
        self.assertEqual(len(self.history.asked), 4)

    def test_historyFails(self) -> None:
        """
        A history that fails is logged, and asked again a minute later.
        """
        self.history.steps = [fail(ZeroDivisionError())]
        self.start()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.pump(61)
        self.assertEqual(len(self.history.asked), 2)

    def test_stop(self) -> None:
        """
        After the stop no work is done, even if a step was under way.
        """
        slow: Deferred[int] = Deferred()
        self.history.steps = [slow]
        for service in self.services:
            service.startService()
            service.stopService()
        slow.callback(500)
        self.pump(120)
        self.assertEqual(len(self.history.asked), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])
