"""
Tests for L{aerostack.net.websocket.compression}.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.websocket.compression import agree
from aerostack.protocol.deflate import AGREED


class AgreeTests(SynchronousTestCase):
    """
    Tests for which offers of compression the daemon accepts.
    """

    def test_accepted(self) -> None:
        """
        The daemon accepts an offer alone, beside others, beside what cannot be read, and in any
        of several headers, with every parameter that leaves the daemon its window.
        """
        for offers in (
            ["permessage-deflate"],
            ["permessage-deflate; client_max_window_bits"],
            ['permessage-deflate; client_max_window_bits="12"'],
            ["permessage-deflate;server_no_context_takeover ; client_no_context_takeover"],
            ["x-other; a=1, permessage-deflate"],
            ['x-other; a="1,\\";2"', "permessage-deflate"],
            ["permessage-deflate; server_max_window_bits=10, permessage-deflate"],
            [",, permessage-deflate ,"],
            ["\x00, permessage-deflate"],
        ):
            self.assertEqual(agree(offers), AGREED, offers)

    def test_declined(self) -> None:
        """
        The daemon declines an offer that asks for a smaller window, is unknown, or breaks the
        rules.
        """
        for offers in (
            [],
            [""],
            ["x-webkit-deflate-frame"],
            ["permessage-deflate; server_max_window_bits=10"],
            ["permessage-deflate; server_max_window_bits"],
            ["permessage-deflate; client_max_window_bits=16"],
            ["permessage-deflate; client_max_window_bits=08"],
            ["permessage-deflate; client_no_context_takeover=1"],
            ["permessage-deflate; server_no_context_takeover; server_no_context_takeover"],
            ["permessage-deflate; unknown"],
            ["permessage-deflate; "],
            ["permessage-deflate; =1"],
            ["permessage-deflate permessage-deflate"],
            ["; permessage-deflate"],
            ["permessage-deflate; client_max_window_bits=8"],
        ):
            self.assertIsNone(agree(offers), offers)

    @given(st.text(alphabet='permessage-deflate;,=" \\\t12', max_size=60))
    def test_anything(self, header: str) -> None:
        """
        The daemon reads every header without an error.
        """
        self.assertIn(agree([header]), (AGREED, None))
