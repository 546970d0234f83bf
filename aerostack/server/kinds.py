"""
All kinds of messages between the hub and its workers.
"""

from __future__ import annotations

from msgspec import Struct

from aerostack.workers.messages import (
    clients,
    figures,
    keyed,
    line,
    logs,
    operating,
    presence,
    publishing,
    reads,
    refusals,
    serving,
    shares,
    sharing,
    streams,
    tables,
    uplinks,
)

KINDS: tuple[type[Struct], ...] = (
    *logs.KINDS,
    *publishing.KINDS,
    *tables.KINDS,
    *reads.KINDS,
    *refusals.KINDS,
    *keyed.KINDS,
    *presence.KINDS,
    *clients.KINDS,
    *shares.KINDS,
    *line.KINDS,
    *serving.KINDS,
    *figures.KINDS,
    *operating.KINDS,
    *sharing.KINDS,
    *streams.KINDS,
    *uplinks.KINDS,
)
