"""
Tests for the line of nodes with workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from aerostack.engine.alone import AloneNodes
from aerostack.interfaces.line import ILine
from aerostack.interfaces.nodes import INodes
from aerostack.testing.revocations import MemoryRevocations
from aerostack.workers.channel import Channel
from aerostack.workers.hub.line import WorkerLine
from aerostack.workers.worker.line import RemoteLine
from tests.engine.linecontract import DISCONNECT, LineContract
from tests.engine.valkey.membership import MembersCase
from tests.workers.linked import Linked


class WorkersCase(LineContract):
    """
    Makes the lines of hubs with two workers each.
    """

    def machine(self, clock: Any, nodes: INodes) -> tuple[Linked, dict[str, ILine]]:
        """
        Make a hub and its workers.

        @return: The hub, and the lines of the workers.
        """
        made: list[RemoteLine] = []

        def make(channel: Channel) -> tuple[RemoteLine]:
            made.append(RemoteLine(channel, nodes.name))
            return (made[-1],)

        linked = Linked(clock, (WorkerLine(MemoryRevocations(), nodes),), make)
        lines: dict[str, ILine] = {}
        for number in range(2):
            linked.add()
            name = f"{nodes.name}/w{number}"
            made[number].start(lambda what, name=name: self.receive(name, what))
            lines[name] = made[number]
        return linked, lines


class WorkerLineTests(WorkersCase, TestCase):
    """
    L{RemoteLine<aerostack.workers.worker.line.RemoteLine>} over a hub that is alone is a line.
    """

    def setUp(self) -> None:
        self.clock = Clock()

    async def lines(self) -> dict[str, ILine]:
        self.linked, lines = self.machine(self.clock, AloneNodes("n0"))
        return lines

    async def until(self, condition: Callable[[], object]) -> None:
        self.linked.settle()
        self.assertTrue(condition())

    async def passed(self, seconds: float) -> None:
        self.linked.settle()
        self.clock.advance(seconds)


class SharedWorkerLineTests(MembersCase, WorkersCase):
    """
    L{RemoteLine<aerostack.workers.worker.line.RemoteLine>} is a line, too, over hubs that share a
    Valkey server.
    """

    async def lines(self) -> dict[str, ILine]:
        self.machines: list[Linked] = []
        found: dict[str, ILine] = {}
        for name in ("n0", "n1"):
            machine, lines = self.machine(reactor, self.node(name))
            self.machines.append(machine)
            found.update(lines)
        await self.acquainted()
        return found

    async def test_deadWorker(self) -> None:
        """A worker of another node that is gone has no entry; a node that is gone has one."""
        lines = await self.begin()
        self.machines[1].kill(0)
        await self.passed(0.05)
        line = lines["n0/w0"]
        expected: dict[str, Any] = {"n0/w0": 1, "n0/w1": 1, "n1/w1": 1}
        self.assertEqual(await self.answer(line.ask(DISCONNECT, 5.0)), expected)
        await self.links[1].stop()
        found = await self.answer(line.ask(DISCONNECT, 0.3))
        self.assertEqual(found, {"n0/w0": 1, "n0/w1": 1, "n1": None})
