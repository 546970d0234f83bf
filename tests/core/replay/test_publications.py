"""
Tests for L{aerostack.core.replay.publications}.
"""

from __future__ import annotations

from msgspec import structs
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.publications import EVENT, EmittedMark, Kept, Message

MESSAGE = Message("m1", "a/p", EVENT, "e", b"1", None, 1)


class ComparisonTests(SynchronousTestCase):
    """
    Messages are compared, and are keys of dictionaries, by what the database keeps of them.
    """

    def test_message(self) -> None:
        """
        The run of the daemon and the row of an emitted event do not count.
        """
        same = structs.replace(MESSAGE, run="r", emitted=EmittedMark(1, "k"))
        self.assertEqual((same, hash(same)), (MESSAGE, hash(MESSAGE)))
        self.assertNotEqual(structs.replace(MESSAGE, data=b"2"), MESSAGE)

    def test_kept(self) -> None:
        """
        The message before it does not count.
        """
        kept, same = Kept(MESSAGE, 2), Kept(MESSAGE, 2, 1)
        self.assertEqual((same, hash(same)), (kept, hash(kept)))
        self.assertNotEqual(Kept(MESSAGE, 3), kept)
        self.assertNotEqual(Kept(structs.replace(MESSAGE, id="m2"), 2), kept)
