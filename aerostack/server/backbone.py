"""
Makes what puts publications in order.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

from aerostack.core.presence import Presence
from aerostack.core.replay.idempotency import IdempotencyCache
from aerostack.core.replay.logs import TopicLogs
from aerostack.core.topics.policies import TopicPolicies
from aerostack.databases.history import History
from aerostack.engine.memory import MemoryEngine
from aerostack.hub.backbone import Backbone
from aerostack.hub.idempotency import ownerOf
from aerostack.hub.sharedkeyed import SharedGate
from aerostack.hub.sharing import SharedEngine
from aerostack.server.preparing import MAX_REPEATS
from aerostack.server.runs import MessageIds
from aerostack.settings.settings import Config

if TYPE_CHECKING:
    from aerostack.engine.valkey.service import ValkeyEngine


def makeBackbone(
    reactor: Any,
    now: Callable[[], int],
    config: Config,
    run: str,
    engine: ValkeyEngine | None,
    history: History,
    policies: TopicPolicies,
) -> Backbone:
    """
    Make the backbone of a node.

    @param now: Gives the time of day, milliseconds since the epoch.
    @param run: The id of this run.
    @param engine: Carries what the nodes share; L{None} if the node is alone.
    @param policies: The policy of each topic.
    """
    newId = MessageIds(run, now)
    epochs = count(1)
    gate: SharedGate | None = None
    if engine is not None:
        gate = SharedGate(reactor, now, engine.values, policies.keyedOf, newId)
    return Backbone(
        reactor,
        now,
        MemoryEngine() if engine is None else SharedEngine(engine.log, run),
        history,
        Presence(config.presence.grace),
        newId,
        policies,
        TopicLogs(
            lambda topic: policies.of(topic).depth,
            lambda: f"{run}{next(epochs):x}",
            config.replay.memory,
        ),
        IdempotencyCache(config.replay.repeatWindow, MAX_REPEATS, ownerOf),
        config.replay.stateMemory,
        gate,
    )
