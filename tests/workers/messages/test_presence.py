"""
Tests for L{aerostack.workers.messages.presence}.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.presence import Member
from aerostack.workers.frames import Codec
from aerostack.workers.messages.presence import KINDS, PIECE, cutMembers


class CutTests(SynchronousTestCase):
    """
    Tests for L{cutMembers}.
    """

    def test_nobody(self) -> None:
        """
        A topic without members has one message, so that the worker knows.
        """
        (only,) = cutMembers("a/b/p", ())
        self.assertTrue(only.isFirst)
        self.assertEqual(only.members, ())

    @given(
        st.lists(
            st.builds(
                Member,
                st.text(max_size=30),
                st.none() | st.text(max_size=256),
                st.binary(max_size=100) | st.sampled_from([b"x" * 30_000, b"x" * 70_000]),
                st.integers(0, 2**53),
                st.none() | st.text(max_size=20),
            ),
            max_size=80,
        )
    )
    def test_pieces(self, members: list[Member]) -> None:
        """
        All members come in their order, in messages of limited size.
        """
        codec = Codec(KINDS)
        pieces = list(cutMembers("a/b/p", members))
        self.assertEqual([piece.isFirst for piece in pieces], [True] + [False] * (len(pieces) - 1))
        told = []
        for piece in pieces:
            body = codec.encodeBody(piece)
            if len(piece.members) > 1:
                self.assertLess(len(body), PIECE + 100)
            told += [form.member() for form in codec.decodeBody(body).members]
        self.assertEqual(told, [replace(member, client=None) for member in members])
