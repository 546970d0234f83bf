"""
Distributes the connections that the hub accepts among its workers.
"""

from __future__ import annotations

import socket
from collections import deque

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from aerostack.workers.accepting import AcceptingPort
from aerostack.workers.balance import LATE, Load, choose
from aerostack.workers.descriptors import Arrival, Connection, DescriptorSender

MAX_WAITING = 500
"""While more connections wait for workers that are not late, the hub accepts no more.  The system
lets them wait, as many as the listener's backlog has."""


class _Expected:
    """
    A worker that is being started.

    @ivar load: How many connections wait for it.
    @ivar held: These connections.
    @ivar ending: When they go to other workers.
    """

    __slots__ = ("ending", "held", "load")

    def __init__(self, load: Load, ending: IDelayedCall) -> None:
        self.load = load
        self.held: deque[Connection] = deque()
        self.ending = ending


class Distribution:
    """
    Gives each connection to the worker that has the fewest.

    A worker that is being started gets its share, too: its connections wait for it for a short
    time.  If they did not, the clients of a worker that has died would all come back to the
    others, and stay there.

    @ivar ports: The hub's listeners.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.ports: list[AcceptingPort] = []
        self._clock = clock
        self._workers: dict[str, tuple[Load, DescriptorSender]] = {}
        self._expected: dict[str, _Expected] = {}
        # Connections that no worker is there for.
        self._held: deque[Connection] = deque()

    def expect(self, name: str, patience: float) -> None:
        """
        Let connections wait for a worker that is being started, until L{add} or L{remove}.

        @param patience: For how many seconds they wait at the most.
        """
        ending = self._clock.callLater(patience, self._expectNoMore, name)
        # It counts as late when the time is over.
        load = Load(name, self._clock.seconds() + patience - LATE)
        self._expected[name] = _Expected(load, ending)

    def _expectNoMore(self, name: str) -> None:
        for connection, arrival in self._expected.pop(name).held:
            self.take(connection, arrival)
        self.sent()

    def add(self, name: str, load: Load, sender: DescriptorSender) -> None:
        """
        Let a worker have connections from now on.

        @param sender: It should call L{sent}.
        """
        self._workers[name] = load, sender
        expected = self._expected.pop(name, None)
        if expected is not None:
            expected.ending.cancel()
            for connection, arrival in expected.held:
                load.passed()
                sender.send(connection, arrival)
        held, self._held = self._held, deque()
        for connection, arrival in held:
            self.take(connection, arrival)
        self.sent()

    def remove(self, name: str) -> None:
        """
        Give a worker no more connections, close its sender, and give those that it did not get to
        other workers.  An unknown name is no error.
        """
        if name in self._expected:
            self._expected[name].ending.cancel()
            self._expectNoMore(name)
        if name in self._workers:
            _, sender = self._workers.pop(name)
            for connection, arrival in sender.close():
                self.take(connection, arrival)

    def take(self, connection: socket.socket, arrival: Arrival) -> None:
        """
        Give a connection to a worker, or hold it until there is one.
        """
        loads = [load for load, _ in self._workers.values()]
        loads += [expected.load for expected in self._expected.values()]
        load = choose(loads, self._clock.seconds())
        if load is None:
            self._held.append((connection, arrival))
        elif load.name in self._workers:
            load.passed()
            self._workers[load.name][1].send(connection, arrival)
        else:
            load.passed()
            self._expected[load.name].held.append((connection, arrival))
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
        expected, self._expected = self._expected, {}
        for each in expected.values():
            each.ending.cancel()
            held += each.held
        for connection, _ in held:
            connection.close()

    def _crowded(self) -> bool:
        now = self._clock.seconds()
        waiting = [len(sender) for load, sender in self._workers.values() if not load.late(now)]
        waiting += [len(each.held) for each in self._expected.values()]
        return not self._workers or sum(waiting) > MAX_WAITING
