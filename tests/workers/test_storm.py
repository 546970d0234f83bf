"""
A story: very many clients connect at once, and a worker dies midway.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import deferLater

from aerostack.workers.accepting import AcceptingPort
from tests.workers.ends import until
from tests.workers.supervised import SupervisedTestCase


class Crowd:
    """
    Clients that wait to hear which process serves them.

    @ivar served: By each client that has heard of a process, which one.
    @ivar closed: The clients whose connection was closed.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self.served: dict[int, int] = {}
        self.closed: set[int] = set()
        self.clients: dict[int, socket.socket] = {}
        self._address = address
        self._poller = select.epoll()

    def connect(self, count: int) -> None:
        """
        Let so many clients connect.
        """
        for _ in range(count):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(self._address)
            self.clients[client.fileno()] = client
            self._poller.register(client, select.EPOLLIN)

    def look(self) -> int:
        """
        Read what has come.

        @return: How many clients know how it went.
        """
        for fd, _ in self._poller.poll(0, 10_000):
            try:
                said = self.clients[fd].recv(100)
            except ConnectionError:
                said = b""
            if said:
                self.served[fd] = int(said)
            else:
                self.closed.add(fd)
                self._poller.unregister(fd)
        return len(self.closed | self.served.keys())

    def close(self) -> None:
        """
        Close all clients.
        """
        self._poller.close()
        for client in self.clients.values():
            client.close()


class StormTests(SupervisedTestCase):
    """
    Tests for very many connections at once.
    """

    async def test_death(self) -> None:
        """
        No connection is lost but those that the dead worker had, and the hub keeps no descriptor.
        """
        clock: Any = reactor
        half = min(2500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 6)
        _, witness = self.supervise(2)
        dead, other = await self.serving(witness, 2)
        port = await AcceptingPort.listen(
            TCP4ServerEndpoint(reactor, 0, backlog=4096, interface="127.0.0.1"),
            0,
            self.distribution.take,
        )
        self.addCleanup(port.port.stopListening)
        self.distribution.ports.append(port)
        await deferLater(clock, 0)
        before = len(os.listdir("/proc/self/fd"))
        left: list[Any] = []
        close = dead.sender.close

        def closeDead() -> list[Any]:
            found = close()
            left.extend(found)
            return found

        self.patch(dead.sender, "close", closeDead)
        crowd = Crowd(("127.0.0.1", port.port.getHost().port))
        self.addCleanup(crowd.close)
        crowd.connect(half)
        await until(lambda: crowd.look() > half // 10)
        os.kill(dead.pid, signal.SIGKILL)
        crowd.connect(half)
        await until(lambda: crowd.look() == 2 * half and dead in witness.gone)
        await until(
            lambda: (
                crowd.look()
                and all(fd in crowd.closed for fd, pid in crowd.served.items() if pid == dead.pid)
            )
        )
        self.assertEqual(len(crowd.closed), dead.load._passed - len(left))
        self.assertEqual([fd for fd in crowd.closed if crowd.served.get(fd) == other.pid], [])
        await self.serving(witness, 3)
        # The clients and their poller are in this process too; the new worker has what the dead
        # one had.
        self.assertEqual(len(os.listdir("/proc/self/fd")), before + 2 * half + 1)
