"""
Many clients of a node that loses Valkey for a second.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from marks import Mark
from pairs import Daemon, metric, relayed, running, share, valkey
from processes import Failed
from tools import Tools, aside
from twisted.internet.threads import deferToThread

RATE = 10
"""Publications a second."""

OUTAGE = 1.0
"""Seconds for which nothing passes between the node and Valkey."""


async def outage(tools: Tools) -> list[Mark]:
    """
    Whether all clients keep their connections, and get everything in order.
    """
    clients = 100 if tools.quick else 1_000
    with tempfile.TemporaryDirectory(prefix="aerostack-bench-") as place, valkey() as engine:
        shared = await deferToThread(share, engine)
        async with relayed(tools.reactor, engine.port) as relay:
            # Publishers are at the node whose connection is lost, then at the other one.
            systems = [Daemon(tools.cache, shared=each) for each in (shared.by(relay.port), shared)]
            async with aside(running(systems, Path(place))) as servers:
                found = [await _run(tools, servers, relay, clients, other) for other in (0, 1)]
    marks = []
    for where, phase in zip(("the same node", "the other node"), found, strict=True):
        faults = [phase[name] for name in ("lost", "missing", "wrong")]
        marks.append(
            Mark(
                f"outage of {OUTAGE:g} s, {clients:,} clients, publisher at {where}:"
                " disconnected, missing, in wrong order",
                ", ".join(f"{fault:,}" for fault in faults),
                f"{phase['events']:,} events, max {phase['max']:,.0f} ms",
                "-",
                "0, 0, 0",
                not any(faults),
            )
        )
    return marks


async def _run(tools: Tools, servers: Any, relay: Any, clients: int, publisher: int) -> Any:
    """Let the generator's clients subscribe at the first node, and cut it off meanwhile."""
    first, system = servers[0], Daemon(tools.cache)
    driven = deferToThread(
        tools.generator.drive,
        first,
        system.dialect,
        system.credentials,
        ["fanout", f"r{RATE}:{6 * OUTAGE:g}"],
        subscribers=clients,
        publisher=servers[publisher].port,
        limit=60,
    )
    outcome: list[Any] = []
    driven.addBoth(outcome.append)
    # The generator's clients come in at some 500 a second.
    for _ in range(600):
        await tools.sleep(0.1)
        (subscriptions,) = await deferToThread(metric, first.port, "aerostack_subscriptions")
        if outcome or subscriptions >= clients:
            break
    # The load begins half a second after its clients have subscribed.
    await tools.sleep(2.5)
    if outcome:
        raise Failed("the load ended before the outage")
    relay.cut()
    await tools.sleep(OUTAGE)
    relay.mend()
    await tools.until(lambda: outcome, "the load to end")
    if not isinstance(outcome[0], list):
        outcome[0].raiseException()
    return outcome[0][-1]
