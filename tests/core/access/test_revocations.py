"""
Tests for L{aerostack.core.access.revocations}.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.access.permissions import Identity, Proof, Role
from aerostack.core.access.removals import Revocation
from aerostack.core.access.revocations import LONGEST_WAIT, Revocations, Room
from aerostack.errors import RealtimeError

NOW = 1_000.0
REVOCATION = Revocation("p", "ann", None, 1_000_000, 2_000_000, "spam")


def identity(
    issued: float | None = 999.0,
    tokenId: str | None = None,
    userId: str | None = "ann",
    project: str = "p",
    signer: str | None = "s",
) -> Identity:
    """
    Who a client with a token is.
    """
    proof = Proof(signer=signer, issued=issued, tokenId=tokenId)
    return Identity(project, Role.TOKEN, userId, proof=proof)


def refuses(revocations: Revocations, client: Identity, now: float = NOW) -> bool:
    """
    Whether the client's token is refused.
    """
    try:
        revocations.check(client, now)
    except RealtimeError as error:
        assert error.code == "token_revoked"
        return True
    return False


class RevocationTests(SynchronousTestCase):
    """
    Tests for L{Revocations}.
    """

    def setUp(self) -> None:
        self.revocations = Revocations()

    def refuses(self, now: float = NOW, **client: object) -> bool:
        return refuses(self.revocations, identity(**client), now)  # type: ignore[arg-type]

    def test_user(self) -> None:
        """
        The user's tokens that were issued before are refused, and those that do not say when they
        were issued; other users, other projects and clients without a token are not.
        """
        self.assertFalse(self.refuses())
        self.assertEqual(self.revocations.add(REVOCATION, NOW), REVOCATION)
        self.assertTrue(self.refuses())
        self.assertTrue(self.refuses(issued=None))
        self.assertTrue(self.refuses(issued=999.999))
        self.assertFalse(self.refuses(issued=1000.0))
        self.assertFalse(self.refuses(userId="bob"))
        self.assertFalse(self.refuses(project="q"))
        self.assertFalse(self.refuses(signer=None))
        self.assertFalse(self.refuses(userId=None))

    def test_token(self) -> None:
        """
        A revocation of one token refuses that token of that user, whenever it was issued.
        """
        self.revocations.add(replace(REVOCATION, tokenId="t1"), NOW)
        self.assertTrue(self.refuses(tokenId="t1"))
        self.assertTrue(self.refuses(tokenId="t1", issued=5000.0))
        self.assertFalse(self.refuses(tokenId="t2"))
        self.assertFalse(self.refuses())
        self.assertFalse(self.refuses(tokenId="t1", userId="bob"))

    def test_ends(self) -> None:
        """
        A revocation ends at its time, exactly.
        """
        self.revocations.add(REVOCATION, NOW)
        self.assertTrue(self.refuses(1999.999))
        self.assertFalse(self.refuses(2000.0))
        self.assertIsNone(self.revocations.add(replace(REVOCATION, userId="bob"), 2000.0))

    def test_reason(self) -> None:
        """
        The refusal has the reason, if there is one.
        """
        for reason, said in (
            ("spam", "The token was revoked (spam); get a new one."),
            ("", "The token was revoked; get a new one."),
        ):
            revocations = Revocations()
            revocations.add(replace(REVOCATION, reason=reason), NOW)
            error = self.assertRaises(RealtimeError, revocations.check, identity(), NOW)
            self.assertEqual(error.message, said)

    def test_joined(self) -> None:
        """
        A second revocation of the same tokens refuses what either refuses, and needs no more room.
        """
        self.revocations = Revocations(Room(1, 10_000))
        self.revocations.add(REVOCATION, NOW)
        later = replace(REVOCATION, before=1_500_000, until=1_600_000, reason="again")
        joined = self.revocations.add(later, 1500.0)
        self.assertEqual(joined, replace(later, until=2_000_000))
        self.assertTrue(self.refuses(1999.0, issued=1499.0))
        for known in (REVOCATION, later):
            self.assertIsNone(self.revocations.add(known, 1500.0))
        self.assertEqual(len(self.revocations), 1)

    def test_full(self) -> None:
        """
        A project that has as many revocations as it may have gets an error that says when to try
        again; another project and the revocations before are not affected.
        """
        self.revocations = Revocations(Room(2, 10_000))
        for user, until in (("ann", 1_010_000), ("bob", 1_020_000)):
            self.revocations.add(replace(REVOCATION, userId=user, until=until), NOW)
        more = replace(REVOCATION, userId="cyd")
        error = self.assertRaises(RealtimeError, self.revocations.add, more, NOW)
        self.assertEqual((error.code, error.retryAfter), ("overloaded", 10_000))
        self.assertIn("has 2 revocations", error.message)
        self.assertTrue(self.refuses())
        self.assertIsNotNone(self.revocations.add(replace(more, project="q"), NOW))
        # The first one is over.
        self.assertIsNotNone(self.revocations.add(more, 1010.0))
        self.assertEqual(len(self.revocations), 3)

    def test_bytes(self) -> None:
        """
        The texts of the revocations count by their bytes.
        """
        self.revocations = Revocations(Room(1000, 3000))
        error = None
        for number in range(1000):
            try:
                name = f"{number:02}" + "é" * 98
                self.revocations.add(replace(REVOCATION, userId=name, until=9_000_000), NOW)
            except RealtimeError as full:
                error = full
                break
        assert error is not None
        self.assertEqual((len(self.revocations), error.retryAfter), (4, LONGEST_WAIT))

    def test_sweep(self) -> None:
        """
        Revocations that are over are forgotten, a project in each step.
        """
        for project in ("p", "q"):
            for until in (1_001_000, 1_002_000):
                self.revocations.add(
                    replace(REVOCATION, project=project, userId=str(until), until=until), NOW
                )
        self.assertEqual(len(list(self.revocations.sweep(1001.0))), 2)
        self.assertEqual(len(self.revocations), 2)
        list(self.revocations.sweep(1002.0))
        self.assertEqual(len(self.revocations), 0)

    @given(
        st.lists(
            st.tuples(
                st.sampled_from("ab"),
                st.sampled_from((None, "t")),
                st.integers(0, 9),
                st.integers(0, 9),
                st.integers(0, 9),
            ),
            max_size=12,
        )
    )
    def test_model(self, steps: list[tuple[str, str | None, int, int, int]]) -> None:
        """
        A token is refused exactly if a revocation refuses it, also when they join, or one that
        joined another names an earlier time.
        """
        revocations, added, now = Revocations(Room(8, 100_000)), [], 0
        for user, tokenId, before, until, passed in steps:
            now += passed
            for _ in revocations.sweep(now):
                pass
            given = Revocation("p", user, tokenId, before * 1000, (now + until) * 1000, "")
            revocations.add(given, now)
            added.append(given)
            for name in "ab":
                for issued in (None, *range(10)):
                    for token in (None, "t", "u"):
                        client = identity(issued, token, name)
                        must = any(
                            each.userId == name
                            and each.until > now * 1000
                            and (
                                each.tokenId == token
                                if each.tokenId is not None
                                else issued is None or issued * 1000 < each.before
                            )
                            for each in added
                        )
                        # Joined revocations may refuse more, but never less.
                        self.assertTrue(refuses(revocations, client, now) or not must)
