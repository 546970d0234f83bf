"""
Which workers serve clients, for an operator.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from aerostack.workers.balance import Load


def describeAbsent(
    names: Sequence[str], serving: Collection[str], loads: Iterable[Load], now: float
) -> str | None:
    """
    Say which workers do not serve clients, and which are late.

    @param names: The names of all workers that there should be.
    @param serving: The names of those that serve clients.
    @param loads: How much the workers that run have to do.
    @param now: Seconds, by the clock of the loads.
    @return: Sentences; L{None} if every worker serves clients and is in time.
    """
    sentences = []
    missing = [name for name in names if name not in serving]
    if missing:
        verb = "does" if len(missing) == 1 else "do"
        sentences.append(
            f"{' and '.join(missing)} of {len(names)} workers {verb} not serve clients."
        )
    sentences += [
        f"{load.name} has sent no heartbeat for {load.silence(now):.0f} seconds."
        for load in loads
        if load.name in serving and load.late(now)
    ]
    return " ".join(sentences) or None
