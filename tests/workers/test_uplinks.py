"""
Tests for the way of clients' frames between workers, over a hub.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from aerostack.core.nodes.answering import KIND, UNSURE, onlyAnswer
from aerostack.engine.alone import AloneNodes
from aerostack.engine.uplinks import NodeUplinks
from aerostack.errors import RealtimeError
from aerostack.interfaces.uplinks import IUplinks
from aerostack.workers.channel import Channel
from aerostack.workers.hub.uplinks import WorkerUplinks
from aerostack.workers.messages import uplinks
from aerostack.workers.worker.uplinks import RemoteUplinks
from tests.workers.linked import Linked


class Neighbours:
    """
    Other nodes.

    @ivar answers: What each of them answers.
    """

    name = "n0"
    isAlone = False

    def __init__(self) -> None:
        self.answers: dict[str, bytes | None] = {"n1": b""}
        self.asked: list[bytes] = []
        self.serving: dict[str, Any] = {}

    def whenSealed(self, take: Any) -> None:
        """See L{INodes.whenSealed}."""
        self.sealing = take
        take(b"first" * 4)

    def serve(self, kind: str, answer: Any) -> None:
        """See L{INodes.serve}."""
        self.serving[kind] = answer

    def ask(self, kind: str, data: bytes, timeout: float) -> Deferred[dict[str, bytes | None]]:
        """See L{INodes.ask}."""
        self.asked.append(data)
        return succeed(self.answers)


class UplinkTests(SynchronousTestCase):
    """
    Tests for a hub with two workers.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.nodes = Neighbours()
        self.workers: list[RemoteUplinks] = []
        self.heard: list[int] = []
        self.answers: dict[int, Any] = {}

        def make(channel: Channel) -> tuple[RemoteUplinks]:
            worker, number = RemoteUplinks(channel), len(self.workers)
            self.workers.append(worker)
            worker.start(lambda data: self.receive(number, data))
            return (worker,)

        hub = WorkerUplinks(self.nodes)
        self.linked = Linked(self.clock, (hub,), make, uplinks.KINDS)
        for _ in range(2):
            self.linked.add()
        self.linked.settle()

    def receive(self, number: int, data: bytes) -> Deferred[bytes]:
        """
        Answer at a worker.
        """
        self.heard.append(number)
        answer = self.answers.get(number, b"")
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)

    def ask(self) -> bytes | None:
        """
        Ask from the first worker.
        """
        asked = self.workers[0].ask(b"q", 5.0)
        self.linked.settle()
        found: bytes | None = self.successResultOf(asked)
        return found

    def test_worker(self) -> None:
        """
        Another worker answers.  The one that asks is not asked, nor are other nodes.
        """
        self.answers[1] = b"yes"
        self.assertEqual(self.ask(), b"yes")
        self.assertEqual((self.heard, self.nodes.asked), ([1], []))
        verifyObject(IUplinks, self.workers[0])

    def test_node(self) -> None:
        """
        If no worker has an answer, the other nodes are asked.
        """
        self.assertEqual(self.ask(), b"")
        self.nodes.answers["n1"] = b"there"
        self.assertEqual(self.ask(), b"there")
        self.assertEqual(self.nodes.asked, [b"q", b"q"])

    def test_failed(self) -> None:
        """
        A worker that fails may have had the answer, so that it is not known.
        """
        self.answers[1] = RealtimeError("overloaded", "no")
        self.assertIsNone(self.ask())

    def test_asked(self) -> None:
        """
        A hub answers another node for its workers.
        """
        answers = []
        for answer in (b"", b"yes", RealtimeError("overloaded", "no")):
            self.answers[1] = answer
            asked = self.nodes.serving[KIND](b"q", 5.0)
            self.linked.settle()
            answers.append(self.successResultOf(asked))
        self.assertEqual(answers, [b"", b"yes", UNSURE])
        self.assertIsNone(onlyAnswer([b"", UNSURE]))

    def test_sealed(self) -> None:
        """
        Each worker recognizes what another one has sealed, also when the key is another one, and a
        worker that has just come as well.
        """
        for key in (b"first" * 4, b"second" * 4):
            self.nodes.sealing(key)
            self.linked.settle()
            self.linked.add()
            self.linked.settle()
            sealed = self.workers[0].seals.seal("name")
            self.assertTrue(all(each.seals.holds(sealed) for each in self.workers))
        self.assertFalse(self.workers[0].seals.holds("name"))

    def test_lost(self) -> None:
        """
        A worker that is gone is not asked.
        """
        self.linked.kill(1)
        self.linked.settle()
        self.assertEqual(self.ask(), b"")
        self.linked.kill(0)
        self.linked.settle()
        self.assertIsNone(self.successResultOf(self.workers[0].ask(b"q", 5.0)))


class NodeUplinkTests(SynchronousTestCase):
    """
    Tests for a node that has one process.
    """

    def test_alone(self) -> None:
        """
        Without other nodes there is no answer.
        """
        alone = NodeUplinks(AloneNodes("n0"))
        verifyObject(IUplinks, alone)
        self.assertEqual(self.successResultOf(alone.ask(b"q", 5.0)), b"")

    def test_nodes(self) -> None:
        """
        The answer of the node that has one counts.
        """
        nodes = Neighbours()
        made: Any = NodeUplinks(nodes)
        nodes.answers = {"n1": b"", "n2": b"yes", "n3": None}
        self.assertEqual(self.successResultOf(made.ask(b"q", 5.0)), b"yes")
        nodes.answers["n2"] = b""
        self.assertIsNone(self.successResultOf(made.ask(b"q", 5.0)))
        made.start(lambda data: succeed(data * 2))
        self.assertEqual(self.successResultOf(nodes.serving[KIND](b"q", 5.0)), b"qq")
