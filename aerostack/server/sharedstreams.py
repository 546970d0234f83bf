"""
Joins the token streams of a node with those of the other nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from aerostack.hub.publishing import Publisher
from aerostack.interfaces.answers import IAnswerStore
from aerostack.streams.adopting import Adopter
from aerostack.streams.elsewhere import NodeStreams
from aerostack.streams.emittedelsewhere import SharedEmitted
from aerostack.streams.streams import Streams

if TYPE_CHECKING:
    from aerostack.engine.valkey.service import ValkeyEngine


class SharedStreams:
    """
    What the streams of a node with an engine have beside those of one that is alone.
    """

    def __init__(
        self,
        clock: IReactorTime,
        name: str,
        run: str,
        streams: Streams,
        calls: NodeStreams,
        store: IAnswerStore,
        engine: ValkeyEngine,
        publisher: Publisher,
        isFollowed: Callable[[str], bool],
        patience: float,
    ) -> None:
        """
        @param name: The name of the node.
        @param run: The id of its run.
        @param calls: Asks the other nodes.
        @param isFollowed: Tells whether the node follows the log of a topic.
        @param patience: For how many seconds what a server emits may wait for the engine.
        """
        nodes = engine.nodes
        self._adopter = adopter = Adopter(
            clock,
            name,
            streams,
            store,
            nodes,
            engine.openStreams,
            nodes,
            engine.log.read,
            isFollowed,
            calls.tell,
        )
        nodes.lapsed = adopter.lapsed
        streams.handover.lost = calls.lost
        calls.isComing = adopter.isComing
        calls.isClosing = adopter.isClosing
        calls.silent = lambda: nodes.silent
        self._emitted = publisher.streams = SharedEmitted(
            clock, run, streams.emitted, engine.emittedOwners, nodes, nodes.isGone, patience
        )
        streams.runs.ended = self._emitted.closed

    def look(self) -> Deferred[None]:
        """
        See L{Adopter.look}.
        """
        return self._adopter.look()

    def stop(self) -> None:
        """
        Refuse what waits for the engine, because the daemon stops.
        """
        self._emitted.stop()
