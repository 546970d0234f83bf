"""
Tests for L{aerostack.engine.valkey.subscribing}.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from aerostack.engine.valkey.errors import NotConnected, ReplyError
from aerostack.engine.valkey.subscribing import subscribe
from aerostack.engine.valkey.topics import GROUP


class PickyLink:
    """
    A link whose server refuses some channels.
    """

    def __init__(self, *refused: bytes) -> None:
        self.refused = set(refused)
        self.isLost = False
        self.commands: list[Sequence[bytes]] = []

    def subscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        self.commands.append(channels)
        if self.isLost:
            return fail(NotConnected("There is no connection."))
        if self.refused.intersection(channels):
            return fail(ReplyError("NOPERM No permissions to access a channel"))
        return succeed(None)


class SubscribeTests(SynchronousTestCase):
    """
    Tests for L{subscribe}.
    """

    def subscribe(self, link: PickyLink, names: Sequence[str]) -> tuple[list[str], list[str]]:
        """
        Subscribe, and give the topics for which it succeeded, and those that were refused.
        """
        refused: list[str] = []
        asked = subscribe(
            cast(Any, link), names, str.encode, lambda name, error: refused.append(name)
        )
        return self.successResultOf(Deferred.fromCoroutine(asked)), refused

    def test_groups(self) -> None:
        """
        One command subscribes to many channels, but not to all.
        """
        names = [f"t{number}" for number in range(2 * GROUP + 1)]
        link = PickyLink()
        self.assertEqual(self.subscribe(link, names), (names, []))
        self.assertEqual([len(channels) for channels in link.commands], [GROUP, GROUP, 1])

    def test_none(self) -> None:
        """
        Without topics there is no command.
        """
        link = PickyLink()
        self.assertEqual(self.subscribe(link, []), ([], []))
        self.assertEqual(link.commands, [])

    def test_refused(self) -> None:
        """
        The topics whose channels the server refuses are named; all others are subscribed to, with
        few commands.
        """
        names = [f"t{number}" for number in range(GROUP)]
        link = PickyLink(b"t3", b"t400")
        subscribed, refused = self.subscribe(link, names)
        self.assertEqual(sorted(refused), ["t3", "t400"])
        self.assertEqual(subscribed, [name for name in names if name not in refused])
        self.assertTrue(len(link.commands) < 40, len(link.commands))

    def test_lost(self) -> None:
        """
        If the connection is lost, nothing is subscribed to, and nothing was refused.
        """
        link = PickyLink()
        link.isLost = True
        self.assertEqual(self.subscribe(link, ["a", "b"]), ([], []))
