"""
What the daemon's parts share of the events that transactions of the database emit.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aerostack.core.topics.emitted import EmitRules
from aerostack.hub.publishing import Publisher
from aerostack.interfaces.emitting import IEmittedEvents
from aerostack.interfaces.tracking import IDatabase
from aerostack.settings.settings import Config
from aerostack.tracker.emitting import EmittedPublisher
from aerostack.tracker.waking import SharedWaker


def emitRules(config: Config) -> EmitRules:
    """
    What an event may be by a configuration.
    """
    limits = config.limits
    return EmitRules(
        tuple(config.projects), limits.topicLength, limits.eventLength, limits.messageBytes
    )


def makeEmitted(
    reactor: Any,
    config: Config,
    events: IDatabase,
    source: IEmittedEvents,
    publisher: Publisher,
    isShared: bool,
    waker: SharedWaker | None,
) -> EmittedPublisher:
    """
    Make what publishes these events.

    @param events: The connections that read them.
    @param isShared: Whether an engine joins the daemon and others.
    @param waker: L{None} if it only polls.
    """
    return EmittedPublisher(
        reactor,
        events,
        source,
        emitRules(config),
        partial(publisher.publishEmitted, isShared=isShared),
        config.tracker.pollInterval,
        isShared=isShared,
        waker=None if waker is None else waker.share(),
    )


def emittedValues(emitted: EmittedPublisher | None) -> Mapping[str, float]:
    """
    The values of the metrics of these events.

    @param emitted: L{None} if transactions may not emit events, or another process publishes them.
    """
    return {
        "aerostack_emitted_total": 0 if emitted is None else emitted.published,
        "aerostack_emitted_refused_total": 0 if emitted is None else emitted.refused,
    }
