"""
Reports whether the daemon does its work, in numbers and in sentences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred

from aerostack.core.diagnosis.samples import Counts
from aerostack.core.rows.journal import Lag
from aerostack.hub.hub import Hub
from aerostack.interfaces.tracking import IChangeTracker
from aerostack.net.http.measured import Measured, Timings
from aerostack.net.websocket.connections import Connections
from aerostack.server.emitting import emittedValues
from aerostack.server.refusing import refusalValues
from aerostack.server.streams import streamValues
from aerostack.tables.feed import TableFeed

HELD = 10.0
"""After how many seconds /health mentions an open transaction."""

DATABASE = "database"
"""The check of the database, by what is kept in it."""

ENGINE = "engine"
"""The check of the engine.  A daemon without its engine still serves what it can.  If every daemon
were taken out of service because the one engine is gone, no client would be served."""


class NodeReports(Protocol):
    """
    What the node says of its health, or the hub to its workers.
    """

    def faults(self) -> Mapping[str, str | None]:
        """One sentence for each part about what is wrong with it; L{None} if nothing is."""

    def notices(self) -> Mapping[str, str | None]:
        """Sentences about what an operator should look at although every part does its work."""

    def nodes(self) -> list[dict[str, Any]]:
        """
        What an operator sees of the nodes that share an engine, this one first; see
        L{aerostack.server.peers.Peers.shown}.  Empty if there is no engine.
        """

    def measure(
        self, values: Mapping[str, float], timings: Timings
    ) -> Measured | Deferred[Measured]:
        """
        Add to the numbers of this process those of the node and of the other processes.

        @param timings: The histograms of this process, without those of database calls.
        """


class Health:
    """
    Gathers what the daemon's parts say of themselves.
    """

    def __init__(
        self,
        connections: Connections,
        subscriptions: Callable[[], int],
        hub: Hub,
        feeds: TableFeed,
        tracker: IChangeTracker,
        node: NodeReports,
    ) -> None:
        """
        @param subscriptions: Gives the number of subscriptions.
        @param node: What the node says of itself.
        """
        self._connections = connections
        self._subscriptions = subscriptions
        self._hub = hub
        self._feeds = feeds
        self._tracker = tracker
        self._node = node

    def faults(self) -> Mapping[str, str | None]:
        """
        One sentence for each part about what is wrong with it; L{None} if nothing is.
        """
        return {**self._node.faults(), "tracker": self._tracker.health()}

    def notices(self) -> Mapping[str, str]:
        """
        Sentences about what an operator should look at although every part does its work.
        """
        waiting = self._tracker.waiting
        holder = None if waiting is None else waiting.holder
        found = {
            "transactions": None if holder is None or holder.age < HELD else holder.describe(),
            **self._node.notices(),
        }
        return {name: sentence for name, sentence in found.items() if sentence is not None}

    def health(self) -> dict[str, Any]:
        """
        The answer of C{/health}.
        """
        faults = self.faults()
        body: dict[str, Any] = {
            "status": "failing" if _isFailing(faults) else "ok",
            "checks": {name: fault or "ok" for name, fault in faults.items()},
        }
        if notices := self.notices():
            body["notices"] = notices
        if nodes := self.nodes():
            body["nodes"] = {each["name"]: _stateOf(each) for each in nodes}
        return body

    def nodes(self) -> list[dict[str, Any]]:
        """
        What an operator sees of the nodes; see L{NodeReports.nodes}.
        """
        return self._node.nodes()

    def counts(self) -> Counts:
        """
        How many connections and subscriptions there are, and how much was published and delivered.
        """
        return Counts(
            len(self._connections),
            self._subscriptions(),
            self._hub.delivery.published,
            self._feeds.changes,
            self._hub.delivery.fanout.delivered,
        )

    def _watchers(self) -> int:
        """How many subscribers here have the topics on which token streams run."""
        topics = self._hub.sequencer.answers.topics
        return sum(len(self._hub.registry.subscribers(topic)) for topic in topics)

    def metrics(self) -> Mapping[str, float]:
        """
        The values of the counters and gauges in L{aerostack.net.http.metriclist.METRICS}.
        """
        counts, faults = self.counts(), self.faults()
        waiting = self._tracker.waiting or Lag(0.0, None)
        holder, nodes = waiting.holder, self.nodes()
        return {
            "aerostack_connections": counts.connections,
            "aerostack_subscriptions": counts.subscriptions,
            "aerostack_topics": len(self._hub.registry),
            "aerostack_publications_total": counts.publications,
            "aerostack_changes_total": counts.changes,
            "aerostack_delivered_total": counts.deliveries,
            "aerostack_feed_up": int(not self._feeds.isDown),
            "aerostack_feed_lag_seconds": round(self._tracker.lag(), 3),
            "aerostack_feed_unnumbered_seconds": round(waiting.age, 3),
            "aerostack_feed_position": self._tracker.position,
            "aerostack_open_transaction_seconds": round(holder.age, 3) if holder else 0,
            "aerostack_engine_up": int(not faults.get(ENGINE)),
            "aerostack_nodes": max(1, sum(each["state"] in ("here", "up") for each in nodes)),
            "aerostack_nodes_silent": sum(each["state"] == "silent" for each in nodes),
            "aerostack_nodes_different": sum(bool(each.get("differences")) for each in nodes),
            "aerostack_database_up": int(not faults.get(DATABASE)),
            "aerostack_healthy": int(not _isFailing(faults)),
            # Those of the node replace these, where it is in this process.
            **streamValues(None),
            **emittedValues(None),
            **refusalValues({}),
            "aerostack_stream_watchers": self._watchers(),
            "aerostack_stream_late_joins_total": self._hub.joins.count,
            "aerostack_stream_snapshot_bytes_total": self._hub.joins.size,
        }


def _stateOf(node: Mapping[str, Any]) -> dict[str, Any]:
    """What every client may see of a node."""
    return {name: node[name] for name in ("state", "run", "version", "uptime", "heard", "lag")}


def _isFailing(faults: Mapping[str, str | None]) -> bool:
    """Whether what is wrong is a reason to send clients elsewhere."""
    return any(fault for name, fault in faults.items() if name != ENGINE)
