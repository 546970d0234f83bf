"""
Tests for L{aerostack.engine.valkey.attaching} with a server that answers when the test lets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, FirstError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.receivedtags import ReceivedTags
from aerostack.engine.valkey.attaching import Attaching
from aerostack.engine.valkey.errors import NotConnected
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.questions import Questions
from aerostack.testing.history import MemoryHistory


class SlowLink:
    """
    A link whose server confirms subscriptions later, and answers everything else at once: each
    log is there and empty.
    """

    def __init__(self) -> None:
        self.subscribed: list[list[bytes]] = []
        self.waiting: list[Deferred[None]] = []

    def subscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        self.subscribed.append(list(channels))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def unsubscribe(self, channels: Sequence[bytes]) -> Deferred[None]:
        return Deferred()

    def run(self, script: str, keys: Sequence[bytes], arguments: Sequence[Any]) -> Deferred[Any]:
        answered: Deferred[Any] = Deferred()
        answered.callback([b"ok 0123456789a 0 - 0 0"] * (len(keys) // 2))
        return answered


class RoundTests(SynchronousTestCase):
    """
    Tests for topics that are attached together.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.link = SlowLink()
        self.keys = Keys()
        link = cast(Any, self.link)
        self.attaching = Attaching(
            self.clock,
            link,
            self.keys,
            MemoryHistory(),
            cast(Any, None),
            Questions(link, self.keys, lambda topic: b"1000", "n"),
            3.0,
            5.0,
            lambda topic: None,
            ReceivedTags(60.0),
        )
        self.attaching.up({})
        self.addCleanup(self.attaching.stop)

    def attach(self, *topics: str) -> list[Deferred[Any]]:
        """
        Attach topics, and let the turn end.
        """
        asked = [self.attaching.attach(topic, None) for topic in topics]
        for each in asked:
            # The end of the test detaches what is still awaited.
            each.addErrback(lambda failure: failure)
        self.clock.advance(0)
        return asked

    def channels(self) -> list[list[str | None]]:
        """
        The topics of each SUBSCRIBE.
        """
        return [[self.keys.topicOf(one) for one in channels] for channels in self.link.subscribed]

    def test_together(self) -> None:
        """
        The topics that come while others are being attached are attached together afterwards.
        """
        first = self.attach("a")
        more = [*self.attach("b"), *self.attach("c"), *self.attach("d")]
        self.assertEqual(self.channels(), [["a"]])
        self.link.waiting[0].callback(None)
        self.successResultOf(first[0])
        self.clock.advance(0)
        self.assertEqual(self.channels(), [["a"], ["b", "c", "d"]])
        self.link.waiting[1].callback(None)
        for each in more:
            self.successResultOf(each)

    def test_reconnect(self) -> None:
        """
        A new connection attaches all, and does not wait for what the old one was about to do.
        """
        asked = [*self.attach("a"), *self.attach("b")]
        self.attaching.down()
        self.link.waiting[0].errback(NotConnected("It is gone."))
        self.attaching.up({})
        self.assertEqual(self.channels(), [["a"], ["a", "b"]])
        asked += self.attach("c")
        self.assertEqual(self.channels()[2:], [["c"]])
        for waiting in self.link.waiting[1:]:
            waiting.callback(None)
        for each in asked:
            self.successResultOf(each)

    def test_refused(self) -> None:
        """
        Topics that come behind one that cannot be attached are attached.
        """
        (refused,) = self.attach("a")
        (other,) = self.attach("b")
        self.link.waiting[0].errback(ZeroDivisionError())
        self.assertEqual(len(self.flushLoggedErrors(FirstError)), 1)
        self.assertNoResult(refused)
        self.clock.advance(0)
        self.link.waiting[1].callback(None)
        self.successResultOf(other)
        self.attaching.detach("a")
        self.failureResultOf(refused)
