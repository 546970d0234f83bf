"""
Tests for L{aerostack.engine.valkey.outcomes}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.keyed.values import Unplaced
from aerostack.core.replay.shared import Placed
from aerostack.engine.valkey.outcomes import readOutcomes
from aerostack.errors import RealtimeError


def full(code: bytes) -> RealtimeError:
    """
    The error for a value for which there is no room.
    """
    return RealtimeError("state_full", code.decode())


class ReadTests(SynchronousTestCase):
    """
    Tests for L{readOutcomes}.
    """

    def test_placed(self) -> None:
        """
        Each publication has its outcome, in the order of the batch.
        """
        taken, again, refused = readOutcomes(b"p e 1 - 5 1;r e 1 - 5 1;x", full).placed
        assert isinstance(taken, Placed) and taken.position is not None
        assert isinstance(again, Placed)
        self.assertEqual((taken.position.offset, taken.repeated, again.repeated), (1, False, True))
        self.assertEqual(refused, Placed(None, True))

    def test_unplaced(self) -> None:
        """
        Publications on keyed topics fail alone, those behind them are placed.
        """
        stale, kept, room, taken = readOutcomes(b"s;k;fk;p e 1 - 5 1", full).placed
        assert isinstance(stale, Unplaced) and isinstance(kept, Unplaced)
        self.assertEqual((stale.isStale, kept.isStale), (True, False))
        assert isinstance(room, RealtimeError)
        self.assertEqual(room.message, "fk")
        self.assertIsInstance(taken, Placed)

    def test_ends(self) -> None:
        """
        The last part says what the publications wait for that were not placed.
        """
        missing = readOutcomes(b"x;b 7 e", full)
        self.assertEqual((len(missing.placed), missing.missing), (1, (7, "e")))
        self.assertTrue(readOutcomes(b"l", full).isUnprepared)
        self.assertTrue(readOutcomes(b"x;w", full).isReserved)
