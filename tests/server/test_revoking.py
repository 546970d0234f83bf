"""
Tests for L{aerostack.server.housekeeping.RevocationMaintenance}.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred, fail
from twisted.logger import globalLogPublisher

from aerostack.core.access.removals import Revocation
from aerostack.core.access.revocations import Revocations, Room
from aerostack.errors import CLOSE_TOKEN, RealtimeError
from aerostack.server.housekeeping import ENTERED, RevocationMaintenance
from tests.sessions.test_removing import RemovalCase


class RevocationMaintenanceTests(RemovalCase):
    """
    Tests for L{RevocationMaintenance}.
    """

    def setUp(self) -> None:
        super().setUp()
        world = self.world
        self.store = world.revocations
        self.service = RevocationMaintenance(
            world.clock, world.wall, world.authenticator, self.store, self.removal
        )
        self.service.startService()
        self.addCleanup(self.service.stopService)

    def test_others(self) -> None:
        """
        What another node has revoked holds here within half a minute, also for open connections.
        """
        client, other = self.connect(), self.connect("bob")
        before = self.token()
        self.world.advance(1)
        self.store.kept.append(self.revocation())
        self.world.advance(28)
        self.assertIsNone(client.connection.closing)
        self.world.advance(2)
        self.world.turn()
        self.assertEqual(client.connection.closing, (CLOSE_TOKEN, "token_revoked"))
        self.assertIsNone(other.connection.closing)
        self.assertRaises(RealtimeError, self.world.connect, projectId="p", token=before)

    def test_begin(self) -> None:
        """
        What the database has at the start holds for the first client.
        """
        before = self.token()
        self.world.advance(1)
        many = [self.revocation(userId=f"u{number}") for number in range(2 * ENTERED)]
        self.service.begin([*many, self.revocation()])
        self.assertRaises(RealtimeError, self.world.connect, projectId="p", token=before)
        self.assertEqual(len(self.world.authenticator.revocations), 2 * ENTERED + 1)

    def test_forgets(self) -> None:
        """
        Revocations that have ended are forgotten here and in the database.
        """
        self.store.kept.append(self.revocation(until=int(self.world.wall() * 1000) + 40_000))
        self.world.advance(31)
        self.assertEqual(len(self.world.authenticator.revocations), 1)
        self.world.advance(30)
        self.assertEqual((len(self.world.authenticator.revocations), self.store.kept), (0, []))

    def test_down(self) -> None:
        """
        While the database fails the revocations stay, and the daemon goes on asking.
        """
        self.service.begin([self.revocation(until=10**14)])
        self.store.isDown = True
        self.world.advance(65)
        self.assertEqual(len(self.world.authenticator.revocations), 1)
        self.store.isDown = False
        self.store.kept.append(self.revocation(userId="bob", until=10**14))
        self.world.advance(30)
        self.assertEqual(len(self.world.authenticator.revocations), 2)

    def test_fault(self) -> None:
        """
        A fault of the program is logged, and the next read comes all the same.
        """
        answers: list[Deferred[list[Revocation]]] = [fail(ZeroDivisionError())]
        read = self.store.read

        def answer(projects: object, now: int) -> Deferred[list[Revocation]]:
            return answers.pop() if answers else read(["p"], now)

        self.patch(self.store, "read", answer)
        self.store.kept.append(self.revocation(until=10**14))
        self.world.advance(30)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.world.advance(30)
        self.assertEqual(len(self.world.authenticator.revocations), 1)

    def test_full(self) -> None:
        """
        If there is no room for what other nodes have revoked, the log says so once, and the rest
        is taken up.
        """
        self.world.authenticator.revocations = Revocations(Room(1, 10_000))
        events: list[str] = []

        def observe(event: dict[str, object]) -> None:
            if "not taken up" in str(event.get("log_format")):
                events.append(str(event["error"]))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        long = self.revocation(until=10**14)
        others = [
            replace(long, userId="bob"),
            replace(long, userId="cyd"),
            replace(long, project="q"),
        ]
        self.store.kept += [long, *others]
        self.world.advance(65)
        self.assertEqual(len(self.world.authenticator.revocations), 2)
        self.assertEqual(len(events), 1)
