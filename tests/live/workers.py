"""
The daemon with several workers, for tests.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.live.program import ProgramTests
from tests.live.wire import Wire
from tests.net import Child

MODULE = "aerostack.workers"
"""What a worker's command runs."""


def childrenOf(pid: int) -> list[int]:
    """
    The processes that a process has started, and that have not ended.
    """
    with suppress(FileNotFoundError):
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(each) for each in found if isAlive(int(each))]
    return []


def isAlive(pid: int) -> bool:
    """
    Whether there is such a process.  One that has ended and is not reaped counts as gone.
    """
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def programOf(pid: int) -> list[str]:
    """
    The program of a process with its arguments; empty if the process has ended.
    """
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    return []


class WorkersTests(ProgramTests):
    """
    Runs the daemon with two workers.
    """

    def setUp(self) -> None:
        super().setUp()
        self._found: set[int] = set()
        # After the hub is killed.
        self.addCleanup(self.gone, self._found)

    def configure(self, *listen: str, server: str = "", **more: str) -> str:
        return super().configure(*listen, server=f"workers = 2\n{server}", **more)

    def hubOf(self, daemon: Child) -> int:
        """
        The process of the hub.
        """
        return daemon.transport.pid  # type: ignore[union-attr, no-any-return]

    def workersOf(self, daemon: Child) -> list[int]:
        """
        The processes of the workers.  The test fails if they do not end with it.
        """
        # The hub stands still until a new process has begun its own program, so a test must not
        # stop that process before.
        found = [each for each in childrenOf(self.hubOf(daemon)) if MODULE in programOf(each)]
        self._found.update(found)
        return found

    async def gone(self, pids: Collection[int]) -> None:
        """
        Wait until processes have ended.
        """
        await self.until(lambda: not any(isAlive(pid) for pid in pids))

    async def workerOf(self, wire: Wire) -> str:
        """
        Find out which worker serves a client that has subscribed to nothing.

        @return: What the connection ids of the worker begin with.
        """
        wire.tell({"type": "track", "topic": "chat/who", "state": {}})
        frame = await wire.frame()
        wire.tell({"type": "untrack", "topic": "chat/who"})
        self.assertEqual(frame["event"], "presence:sync", frame)
        connectionId: str = frame["data"]["members"][-1]["connectionId"]
        return connectionId.partition("-")[0]

    async def besides(self, wire: Wire, **where: Any) -> Wire:
        """
        Connect a client at the worker that does not serve another client.

        While a worker is late, the hub gives all connections to the other one.

        @param where: See L{client}.
        """
        worker = await self.workerOf(wire)
        while await self.workerOf(other := await self.client(**where)) == worker:
            await other.closeCleanly()
        return other

    async def spread(self, *topics: str) -> tuple[Wire, Wire]:
        """
        Connect two clients, each at a worker of its own, and subscribe them.
        """
        one = await self.client()
        other = await self.besides(one)
        for wire in (one, other):
            for topic in topics:
                wire.tell({"type": "subscribe", "topic": topic})
                self.assertEqual((await wire.frame())["type"], "subscribed")
        return one, other

    def signalAll(self, pids: Sequence[int], number: signal.Signals) -> None:
        """
        Send a signal to several processes, as a terminal does.
        """
        for pid in pids:
            os.kill(pid, number)
