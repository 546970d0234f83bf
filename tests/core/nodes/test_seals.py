"""
Tests for L{aerostack.core.nodes.seals}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.nodes.seals import KEY, Seals

ONE, TWO, THREE = (letter * KEY for letter in (b"1", b"2", b"3"))


class SealsTests(SynchronousTestCase):
    """
    Tests for seals.
    """

    def test_holds(self) -> None:
        """
        A seal holds for its name, at every process with the key, and for nothing else.
        """
        sealed = Seals(ONE).seal("c1.secret")
        self.assertTrue(Seals(ONE).holds(sealed))
        self.assertFalse(Seals(TWO).holds(sealed))
        for other in (
            "",
            ".",
            "c1.secret",
            f"{sealed}0",
            f"x{sealed}",
            sealed[:-1],
            "é\ud800.\ud800",
        ):
            self.assertFalse(Seals(ONE).holds(other), other)

    def test_renewed(self) -> None:
        """
        After a change of the key, seals by the one before hold, and older ones do not.
        """
        seals = Seals(ONE)
        sealed = seals.seal("a")
        seals.renew(TWO)
        seals.renew(TWO)
        self.assertTrue(seals.holds(sealed) and seals.holds(Seals(TWO).seal("a")))
        seals.renew(THREE)
        self.assertFalse(seals.holds(sealed))
