"""
Distributes the connections that the hub accepts among its workers.
"""

from __future__ import annotations

import socket
from collections import deque

from twisted.internet.interfaces import IReactorTime

from aerostack.workers.accepting import AcceptingPort
from aerostack.workers.balance import Load, choose
from aerostack.workers.descriptors import Arrival, Connection, DescriptorSender

MAX_WAITING = 500
"""While more connections wait for workers that are not late, the hub accepts no more.  The system
lets them wait, as many as the listener's backlog has."""


class Distribution:
    """
    Gives each connection to the worker that has the fewest.

    @ivar ports: The hub's listeners.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.ports: list[AcceptingPort] = []
        self._clock = clock
        self._workers: dict[str, tuple[Load, DescriptorSender]] = {}
        # Connections that no worker is there for.
        self._held: deque[Connection] = deque()

    def add(self, name: str, load: Load, sender: DescriptorSender) -> None:
        """
        Let a worker have connections from now on.

        @param sender: It should call L{sent}.
        """
        self._workers[name] = load, sender
        held, self._held = self._held, deque()
        for connection, arrival in held:
            self.take(connection, arrival)
        self.sent()

    def remove(self, name: str) -> None:
        """
        Give a worker no more connections, close its sender, and give those that it did not get to
        other workers.  An unknown name is no error.
        """
        if name in self._workers:
            _, sender = self._workers.pop(name)
            for connection, arrival in sender.close():
                self.take(connection, arrival)

    def take(self, connection: socket.socket, arrival: Arrival) -> None:
        """
        Give a connection to a worker, or hold it until there is one.
        """
        load = choose((load for load, _ in self._workers.values()), self._clock.seconds())
        if load is None:
            self._held.append((connection, arrival))
        else:
            load.passed()
            self._workers[load.name][1].send(connection, arrival)
        if self._crowded():
            for port in self.ports:
                port.pause()

    def sent(self) -> None:
        """
        Accept again, if workers have taken enough.
        """
        if not self._crowded():
            for port in self.ports:
                port.resume()

    def close(self) -> None:
        """
        Close what no worker was there for.
        """
        held, self._held = self._held, deque()
        for connection, _ in held:
            connection.close()

    def _crowded(self) -> bool:
        now = self._clock.seconds()
        waiting = [len(sender) for load, sender in self._workers.values() if not load.late(now)]
        return not self._workers or sum(waiting) > MAX_WAITING
