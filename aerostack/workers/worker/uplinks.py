"""
Brings clients' frames to other processes, at a worker: over the hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from secrets import token_bytes
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from aerostack.core.nodes.seals import KEY, Seals
from aerostack.errors import RealtimeError
from aerostack.interfaces.uplinks import IUplinks
from aerostack.workers.channel import ChannelLost
from aerostack.workers.messages.uplinks import AskOthers, Reply, Sealing, Uplink
from aerostack.workers.worker.links import HubLink

GRACE = 1.0
"""How many seconds longer a worker waits than the hub."""


@implementer(IUplinks)
class RemoteUplinks:
    """
    Asks the other workers and the other nodes, over the hub.

    @ivar handlers: See L{aerostack.workers.worker}.
    """

    log = Logger()

    def __init__(self, hub: HubLink) -> None:
        self._hub = hub
        self._receive: Callable[[bytes], Deferred[bytes]] | None = None
        # The hub sends the key of all processes before this one serves a client.
        self.seals = Seals(token_bytes(KEY))
        self.handlers: Mapping[type[Struct], Callable[[Any], Any]] = {
            Uplink: self._asked,
            Sealing: self._take,
        }

    def start(self, receive: Callable[[bytes], Deferred[bytes]]) -> None:
        self._receive = receive

    def ask(self, data: bytes, timeout: float) -> Deferred[bytes | None]:
        asked = self._hub.ask(AskOthers(data, timeout), timeout + GRACE)
        return asked.addCallbacks(lambda reply: reply.data, self._unanswered)

    def _take(self, sealing: Sealing) -> None:
        self.seals.renew(sealing.key)

    def _unanswered(self, failure: Failure) -> None:
        if not failure.check(TimeoutError, ChannelLost, RealtimeError):
            self.log.failure("the hub failed", failure)

    def _asked(self, uplink: Uplink) -> Deferred[Reply]:
        if self._receive is None:
            raise RuntimeError("the uplinks are not started")
        return self._receive(uplink.data).addCallback(Reply)
