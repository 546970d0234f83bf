"""
All kinds of messages between the hub and its workers.
"""

from __future__ import annotations

from msgspec import Struct

from aerostack.workers.messages import (
    clients,
    figures,
    line,
    logs,
    operating,
    presence,
    publishing,
    reads,
    serving,
    shares,
    sharing,
    streams,
    tables,
)

KINDS: tuple[type[Struct], ...] = (
    *logs.KINDS,
    *publishing.KINDS,
    *tables.KINDS,
    *reads.KINDS,
    *presence.KINDS,
    *clients.KINDS,
    *shares.KINDS,
    *line.KINDS,
    *serving.KINDS,
    *figures.KINDS,
    *operating.KINDS,
    *sharing.KINDS,
    *streams.KINDS,
)
