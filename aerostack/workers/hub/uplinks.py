"""
Brings clients' frames to the worker, or to the node, that has the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, TimeoutError, gatherResults, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from aerostack.core.nodes.answering import KIND, UNSURE, onlyAnswer
from aerostack.errors import RealtimeError
from aerostack.interfaces.nodes import INodes
from aerostack.workers.channel import ChannelLost
from aerostack.workers.hub.line import IN_TIME, AskedLink
from aerostack.workers.hub.links import Link
from aerostack.workers.messages.uplinks import AskOthers, Reply, Sealing, Uplink


class WorkerUplinks:
    """
    Asks the workers, and the other nodes.

    @ivar handlers: See L{aerostack.workers.hub}.
    @ivar names: The names of the workers, by their links.
    """

    log = Logger()

    def __init__(self, nodes: INodes) -> None:
        """
        @param nodes: Reaches the other nodes.
        """
        self._nodes = nodes
        self.names: dict[AskedLink, str] = {}
        self._key = b""
        nodes.serve(KIND, self._asked)
        nodes.whenSealed(self._seal)
        self.handlers: Mapping[type[Struct], Callable[[Link, Any], Any]] = {
            AskOthers: self._askOthers
        }

    def joined(self, link: AskedLink, name: str) -> None:
        """
        Note that there is one more worker.
        """
        self.names[link] = name
        link.send(Sealing(self._key))

    def lost(self, link: AskedLink) -> None:
        """
        Note that a worker is gone.
        """
        del self.names[link]

    def _seal(self, key: bytes) -> None:
        self._key = key
        for link in self.names:
            link.send(Sealing(key))

    def _askOthers(self, link: Link, asked: AskOthers) -> Deferred[Reply]:
        return Deferred.fromCoroutine(self._find(link, asked))

    async def _find(self, link: Link, asked: AskOthers) -> Reply:
        here = await self._askWorkers(asked.data, asked.timeout, link)
        if here or self._nodes.isAlone:
            return Reply(here)
        elsewhere = await self._nodes.ask(KIND, asked.data, asked.timeout)
        return Reply(onlyAnswer([here, *elsewhere.values()]))

    def _asked(self, data: bytes, timeout: float) -> Deferred[bytes]:
        """Answer another node."""
        answer = self._askWorkers(data, IN_TIME * timeout, None)
        return answer.addCallback(lambda found: UNSURE if found is None else found)

    def _askWorkers(self, data: bytes, timeout: float, but: Link | None) -> Deferred[bytes | None]:
        asked: list[Deferred[bytes | None]] = [
            link.ask(Uplink(data), timeout).addCallbacks(_data, partial(self._failed, name))
            for link, name in self.names.items()
            if link is not but
        ]
        if not asked:
            return succeed(b"")
        return gatherResults(asked).addCallback(onlyAnswer)

    def _failed(self, name: str, failure: Failure) -> None:
        if failure.check(TimeoutError, ChannelLost, RealtimeError):
            self.log.warn("{name} did not answer: {error}", name=name, error=failure.value)
        else:
            self.log.failure("{name} failed", failure, name=name)


def _data(reply: Reply) -> bytes | None:
    return reply.data
