"""
Tests for L{aerostack.delivery.portions}.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.backlog import Backlog, Backlogs
from aerostack.delivery.catchup import Catchup, Stage
from aerostack.delivery.portions import Portions
from aerostack.protocol.framing import Frame
from tests.delivery.test_catchup import frames, names


class Socket:
    """
    A socket that keeps what it gets, and is full after some bytes.
    """

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.left = 1000

    def send(self, frame: Frame) -> None:
        """
        Take a frame.
        """
        self.frames.extend(frame.parts)
        self.left -= len(frame)

    def isFree(self) -> bool:
        """
        Whether it takes more.
        """
        return self.left > 0


class PortionsTests(SynchronousTestCase):
    """
    Tests for L{Portions}.  A frame has three bytes.
    """

    def setUp(self) -> None:
        self.socket = Socket()
        backlog: Backlog[object] = Backlogs[object]().of("p")
        self.portions = Portions(self.socket, self.socket.isFree, backlog)  # type: ignore[arg-type]

    def catchUp(self, topic: str, *names: str) -> Deferred[None]:
        """
        Have frames of a topic's past sent.
        """
        catchup = Catchup()
        self.portions.enter(topic, catchup)
        return catchup.write(frames(*names))

    @property
    def sent(self) -> str:
        return names(self.socket.frames)

    def test_turns(self) -> None:
        """
        Topics have their turns one after the other.
        """
        self.catchUp("a", *"abc")
        self.catchUp("x", *"xyz")
        self.assertEqual([self.portions.send(6) for _ in range(3)], [6, 6, 3])
        self.assertEqual(self.sent, "abxyc")

    def test_reading(self) -> None:
        """
        A topic of which the past is being read is passed over.
        """
        catchup = Catchup()
        self.portions.enter("a", catchup)
        catchup.read(Deferred())
        self.catchUp("x", "x")
        self.assertEqual((self.portions.send(100), self.portions.send(100)), (3, None))

    def test_partByPart(self) -> None:
        """
        A part that the coroutine has at once goes out in the same turn.
        """
        catchup = Catchup()
        self.portions.enter("a", catchup)
        catchup.write(frames(*"ab")).addCallback(lambda _: catchup.write(frames(*"cd")))
        self.assertEqual(self.portions.send(9), 9)
        self.assertEqual(self.sent, "abc")

    def test_full(self) -> None:
        """
        Nothing more is sent, or asked for, when the socket is full.
        """
        catchup = Catchup()
        self.portions.enter("a", catchup)
        turn = catchup.write(frames("a")).addCallback(lambda _: catchup.awaitTurn())
        self.socket.left = 1
        self.portions.send(100)
        self.assertEqual((self.sent, catchup.stage), ("a", Stage.WAITING))
        self.assertNoResult(turn)

    def test_membersFirst(self) -> None:
        """
        Members go out before the past, each made when the socket takes it.
        """
        made = []

        def members(name: str) -> object:
            for frame in frames(*name):
                made.append(frame)
                yield frame

        self.catchUp("a", "p")
        self.portions.beginSync("a", members("abc"), False)  # type: ignore[arg-type]
        self.portions.beginSync("x", members("xyz"), True)  # type: ignore[arg-type]
        self.assertEqual((self.portions.send(6), names(made)), (6, "ab"))
        self.assertFalse(self.portions.isToSync("a"))
        self.assertTrue(self.portions.isToSync("x") and self.portions.isPaging("x"))
        self.socket.left = 3
        self.assertEqual((self.portions.send(6), names(made)), (3, "abx"))
        self.socket.left = 1000
        while self.portions.send(6) is not None:
            pass
        self.assertEqual(self.sent, "abxcyzp")

    def test_endAll(self) -> None:
        """
        The end of one past may end another one.
        """
        first, second = self.catchUp("a", "a"), self.catchUp("x", "x")
        first.addErrback(lambda _: self.portions.catchups.pop("x", None))
        self.portions.endAll()
        self.assertFalse(self.portions)
        self.successResultOf(first)
        self.failureResultOf(second)
