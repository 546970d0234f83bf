"""
A node's lease: while the node renews it, the other nodes take the node's connections for alive.

One node, the reaper, looks after dead nodes and after members whose grace is over.  It begins only
when it has been connected for the time of a lease, so that nodes that could not reach the server
either have had time to come back.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.engine.valkey.errors import NotConnected
from aerostack.engine.valkey.keys import Keys
from aerostack.engine.valkey.leasescripts import EXPIRE, LEASE, REAP
from aerostack.engine.valkey.link import Link

OK, GONE, DATA_LOST = b"ok", b"gone", b"lost"


@dataclass(frozen=True, slots=True)
class Renewal:
    """
    What the server said when a lease was renewed.

    @ivar state: L{OK}; L{GONE} if the node was believed dead; L{DATA_LOST} if the server's data
        are not those that the node knows.
    @ivar isReaper: Whether the node is the reaper.
    @ivar dead: The nodes whose connections the reaper notes as lost.
    """

    state: bytes
    isReaper: bool
    dead: tuple[bytes, ...]


class Lease:
    """
    The lease of one run of a node.

    @ivar seconds: How long it lasts.
    """

    def __init__(self, link: Link, keys: Keys, run: str, seconds: float, grace: float) -> None:
        """
        @param grace: For how many seconds lost members stay.
        """
        self.seconds = seconds
        self._link = link
        self._root = keys.presence
        self._run = run.encode()
        self._grace = grace
        self._serial = 0
        self._epoch = b""

    def distrust(self) -> None:
        """
        Take the server's data for lost: the next renewal says so to all nodes.
        """
        # No server has ever acknowledged as much.
        self._serial += 1_000_000

    async def renew(self, connected: float, mayReap: bool) -> Renewal:
        """
        Renew the lease.

        @param connected: For how many seconds the node has been connected.
        @param mayReap: Whether the node may be the reaper.
        @raise ValkeyError: The server has not renewed it.
        """
        serial = self._serial
        state, epoch, isReaper, *dead = await self._link.run(
            LEASE,
            [self._root],
            [
                self._run,
                serial,
                _milliseconds(self.seconds),
                self._epoch,
                int(mayReap),
                _milliseconds(self._grace),
                _milliseconds(connected),
            ],
        )
        # Another renewal may have been sent meanwhile.
        self._serial = max(self._serial, serial + 1)
        self._epoch = epoch
        return Renewal(state, isReaper == b"1", tuple(dead))

    async def reap(self, dead: tuple[bytes, ...], generation: int) -> None:
        """
        Note that the connections of dead nodes are lost, and end the presence of members whose
        grace is over.

        @param generation: The number of the connection over which the node became the reaper.
        @raise ValkeyError: The server has not done all.
        """
        for node in dead:
            while await self._step(generation, REAP, node):
                pass
        while await self._step(generation, EXPIRE, self._run):
            pass

    async def _step(self, generation: int, script: str, argument: bytes) -> int:
        if generation != self._link.generation:
            raise NotConnected("The connection is another one.")
        done: int = await self._link.run(script, [self._root], [argument])
        return done


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
