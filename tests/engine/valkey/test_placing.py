"""
Tests for L{aerostack.engine.valkey.placing}, without a server.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.replay.shared import Placed
from aerostack.engine.valkey.errors import NotConnected
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.placing import Placing
from aerostack.errors import RealtimeError
from tests.engine.lognodes import DEPTH, TOPIC, WINDOW, publication

HEADER, FIELDS = 11, 5
"""How many arguments the script has before those of publications, and for each of these."""


class HeldLink:
    """
    Answers scripts when the test says so.

    @ivar sent: For each call, the tag and the mark of each publication.
    """

    def __init__(self) -> None:
        self.sent: list[list[tuple[bytes, bytes]]] = []
        self.answers: list[Deferred[bytes]] = []

    def run(self, name: str, keys: list[bytes], arguments: list[bytes]) -> Deferred[bytes]:
        fields = arguments[HEADER:]
        self.sent.append(list(zip(fields[::FIELDS], fields[1::FIELDS], strict=True)))
        self.answers.append(Deferred())
        return self.answers[-1]


class Followed:
    """
    Follows every topic.

    @ivar lost: The tags that it has received in a lost log.
    """

    def __init__(self, lost: set[str]) -> None:
        self.lost = lost

    def follows(self, topic: str) -> bool:
        return True

    def isReady(self, topic: str) -> bool:
        return True

    def verify(self, topic: str) -> None:
        pass

    def had(self, topic: str, tag: str) -> bool:
        return tag in self.lost


class Owed:
    """
    Keeps what is owed.
    """

    def __init__(self) -> None:
        self.owed: list[int] = []

    def owe(self, topic: str, mark: int) -> None:
        self.owed.append(mark)


class PlacingTests(SynchronousTestCase):
    """
    Publications on one topic, which may wait for three seconds.
    """

    def setUp(self) -> None:
        self.clock, self.link, self.filler = Clock(), HeldLink(), Owed()
        self.lost: set[str] = set()
        link: Any = self.link
        filler: Any = self.filler
        self.placing = Placing(
            self.clock,
            link,
            Keys(),
            "run",
            lambda topic: DEPTH,
            WINDOW,
            3.0,
            Followed(self.lost),
            filler,
        )
        self.addCleanup(self.placing.stop)
        self.placing.up()

    def publish(self, name: str, mark: int | None = None) -> Deferred[Placed]:
        """
        Publish something, whose tag is its name.
        """
        return self.placing.publish(publication(name, mark=mark), name, None, None)

    def cut(self, seconds: float = 0.0) -> None:
        """
        Lose the connection before the last call is answered, and connect again after a while.
        """
        self.placing.down()
        self.link.answers[-1].errback(NotConnected("It is cut."))
        self.wait(seconds)
        self.placing.up()

    def wait(self, seconds: float) -> None:
        """
        Let time pass.
        """
        self.clock.pump([0.1] * round(10 * seconds))

    def batch(self) -> tuple[Deferred[Placed], Deferred[Placed], Deferred[Placed]]:
        """
        Publish three that are on their way together: one that is kept, and two that are not, of
        which the second is two seconds younger.
        """
        self.publish("first")
        kept, older = self.publish("kept", 100), self.publish("older")
        self.wait(2)
        younger = self.publish("younger")
        self.link.answers[0].callback(b"p e 1 first 0 0")
        return kept, older, younger

    def test_again(self) -> None:
        """
        If the answer to a batch was lost, the same batch is sent again.
        """
        kept, older, younger = self.batch()
        self.cut()
        self.assertEqual(self.link.sent[2], self.link.sent[1])
        self.link.answers[2].callback(b"p e 2 kept 100 1;p e 3 older 100 1;p e 4 younger 100 1")
        for number, placed in enumerate((kept, older, younger), 2):
            place = self.successResultOf(placed).position
            self.assertEqual(place and place.offset, number)

    def test_refused(self) -> None:
        """
        A publication that was refused because the connection was lost while it was on its way is
        not placed when its batch is sent again, unless it is kept.
        """
        kept, older, younger = self.batch()
        self.cut(1.5)
        for placed in (kept, older):
            error = self.failureResultOf(placed, RealtimeError).value
            self.assertEqual(error.code, "engine_unavailable")
        self.assertEqual(
            self.link.sent[2], [(b"kept", b"100"), (b"older", b"x"), (b"younger", b"")]
        )
        self.link.answers[2].callback(b"p e 2 kept 100 1;x;p e 3 younger 100 1")
        place = self.successResultOf(younger).position
        self.assertEqual(place and place.offset, 3)
        self.assertEqual((self.placing.held, self.filler.owed), (0, [100]))

    def test_refusedBehind(self) -> None:
        """
        A refused publication that stands behind one which has to wait does not come later.
        """
        kept, older, younger = self.batch()
        self.cut(1.5)
        for placed in (kept, older):
            self.failureResultOf(placed, RealtimeError)
        # The log is gone: when it is there again, the whole batch is new to it.
        self.link.answers[2].callback(b"")
        self.placing.resume(TOPIC)
        self.assertEqual(self.link.sent[3], [(b"kept", b"100"), (b"younger", b"")])
        self.link.answers[3].callback(b"p e 2 kept 100 1;p e 3 younger 100 1")
        self.assertFalse(self.successResultOf(younger).repeated)

    def test_late(self) -> None:
        """
        A publication whose answer is awaited is not refused, so that its publisher does not send
        again what is in the log.
        """
        kept, older, younger = self.batch()
        self.wait(5)
        for placed in (kept, older, younger):
            self.assertNoResult(placed)
        waiting = self.publish("waiting")
        self.wait(4)
        self.failureResultOf(waiting, RealtimeError)
        self.link.answers[1].callback(b"p e 2 kept 100 1;p e 3 older 100 1;p e 4 younger 100 1")
        for placed in (kept, older, younger):
            self.assertFalse(self.successResultOf(placed).repeated)

    def test_had(self) -> None:
        """
        A publication that the node has had in a lost log is not placed again, and its publisher
        gets an answer.
        """
        placed, other = self.publish("one"), self.publish("other")
        self.lost |= {"one", "other"}
        self.cut()
        self.assertEqual(self.link.sent[1], [(b"one", b"x")])
        self.link.answers[1].callback(b"x")
        self.assertEqual(self.successResultOf(placed), Placed(None, True))
        self.lost.clear()
        self.link.answers[2].callback(b"x")
        self.assertTrue(self.successResultOf(other).repeated)
