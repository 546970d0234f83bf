"""
Brings clients' frames to other nodes, for a node that has one process.
"""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_bytes

from twisted.internet.defer import Deferred
from zope.interface import implementer

from aerostack.core.nodes.answering import KIND, onlyAnswer
from aerostack.core.nodes.seals import KEY, Seals
from aerostack.interfaces.nodes import INodes
from aerostack.interfaces.uplinks import IUplinks


@implementer(IUplinks)
class NodeUplinks:
    """
    Asks the other nodes.
    """

    def __init__(self, nodes: INodes) -> None:
        self._nodes = nodes
        self.seals = Seals(token_bytes(KEY))
        nodes.whenSealed(self.seals.renew)

    def start(self, receive: Callable[[bytes], Deferred[bytes]]) -> None:
        self._nodes.serve(KIND, lambda data, timeout: receive(data))

    def ask(self, data: bytes, timeout: float) -> Deferred[bytes | None]:
        asked: Deferred[dict[str, bytes | None]] = self._nodes.ask(KIND, data, timeout)
        return asked.addCallback(lambda answers: onlyAnswer(answers.values()))
