"""
Tests for L{aerostack.sessions.longrequests}.
"""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.permissions import Identity, Role
from aerostack.core.access.removals import Revocation
from aerostack.errors import RealtimeError
from aerostack.sessions.longrequests import AGAIN, LongRequest
from aerostack.testing import World

ANN = Identity("p", Role.TOKEN, "ann")


class LongRequestTests(SynchronousTestCase):
    """
    Tests for L{LongRequest}.
    """

    def setUp(self) -> None:
        self.world = World()
        self.requests = self.world.requests
        self.errors: list[str] = []

    def enter(self, identity: Identity = ANN) -> LongRequest:
        """
        Take in a request.
        """
        return self.requests.enter(identity, lambda error: self.errors.append(error.code))

    def test_disconnected(self) -> None:
        """
        A request that a server ends is told once, and known no longer.
        """
        request = self.enter()
        self.assertEqual(list(self.requests), [request])
        self.assertTrue(request.disconnect(4010, "spam"))
        self.assertFalse(request.disconnect(4010, "spam"))
        self.assertEqual((self.errors, len(self.requests)), (["disconnected"], 0))

    def test_left(self) -> None:
        """
        A request that is over is not told anything.
        """
        request = self.enter(replace(ANN, expires=self.world.wall() + 1))
        request.leave()
        request.leave()
        self.world.advance(5)
        request.due()
        self.assertFalse(request.disconnect(4010, "spam"))
        self.assertEqual((self.errors, len(self.world.deadlines)), ([], 0))

    def test_expires(self) -> None:
        """
        A request ends within a second of its token's end, by the time of day, also if that is set.
        """
        self.enter(replace(ANN, expires=self.world.wall() + 100))
        self.world.advance(98)
        self.assertEqual(self.errors, [])
        self.world.advance(3)
        self.assertEqual(self.errors, ["token_expired"])
        self.enter(replace(ANN, expires=self.world.wall() + 10_000))
        self.world.stepped += 10_000
        self.world.advance(AGAIN + 1)
        self.assertEqual(self.errors, ["token_expired"] * 2)
        self.assertEqual((len(self.requests), len(self.world.deadlines)), (0, 0))

    def test_revoked(self) -> None:
        """
        A request whose token was revoked ends; another goes on.
        """
        request = self.enter(replace(ANN, proof=replace(ANN.proof, signer="s", issued=1.0)))
        self.assertFalse(request.recheckToken())
        now = int(self.world.wall() * 1000)
        for user, ends in (("bob", False), ("ann", True)):
            revocation = Revocation("p", user, None, now, now + 60_000, "")
            self.world.authenticator.revocations.add(revocation, self.world.wall())
            self.assertEqual(request.recheckToken(), ends)
        self.assertEqual(self.errors, ["token_revoked"])

    def test_reconsidered(self) -> None:
        """
        A request ends if its project is gone, or if it may not read any more what it reads.
        """
        first, second = self.enter(), self.enter(replace(ANN, role=Role.PUBLIC, userId=None))
        second.reconsider()
        self.assertEqual(self.errors, [])

        def check() -> None:
            raise RealtimeError("forbidden", "No.")

        second.check = check
        second.reconsider()
        self.assertEqual(self.errors, ["forbidden"])
        self.world.authenticator.reload({})
        first.reconsider()
        self.assertEqual(self.errors, ["forbidden", "unknown_project"])
