"""
The scene C{tokens}: token streams that grow while many clients watch.

Producers write numbered tokens, and the load generator compares what every watcher has with the
whole text.  The daemon gets the tokens as streams, its peers as one message for each token.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from plan import Bench, Measurement, Run
from system import System

WATCHERS = 1_000
PREFIX = 100_000
"""How many tokens a stream has before clients come late: 450 KB."""


@dataclass(frozen=True)
class Rung:
    """
    One load of the ladder.

    @ivar rate: Tokens a second of each stream.
    @ivar topics: On how many topics the streams are.  Each watcher subscribes to all of them.
    """

    streams: int
    rate: int
    topics: int = 1

    def __str__(self) -> str:
        """Say it in words."""
        streams = "1 stream" if self.streams == 1 else f"{self.streams} streams"
        where = "" if self.topics == 1 else f" on {self.topics} topics"
        return f"{streams} of {self.rate} tokens/s{where}"

    @property
    def name(self) -> str:
        """The name of its measurement."""
        where = f"on{self.topics}" if self.topics > 1 else ""
        return f"{self.streams}x{self.rate}{where}"


TOP = Rung(10, 100)
SPREAD = Rung(10, 100, 10)
LADDER = (Rung(1, 50), Rung(1, 100), TOP, SPREAD)


def climb(rung: Rung, bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Streams that grow while a thousand clients watch all of them.
    """
    found = _drive(bench, system, rung, "tokens", rung.streams)
    yield f"tokens/{rung.name}", found["rung"]


def late(load: Rung | None, bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Clients that come one by one when a stream has many tokens.

    @param load: What goes on meanwhile for others; L{None} for nothing.
    """
    count, _ = bench.plan.joins
    idle = Rung(0, 1)
    found = _drive(bench, system, load or idle, "late", (load or idle).streams, joiners=count)
    yield f"tokens/late/{'loaded' if load else 'idle'}", found["joins"]


def joins(bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Many clients that come at once when a stream has many tokens, and has watchers.
    """
    _, count = bench.plan.joins
    found = _drive(bench, system, Rung(1, 100), "joins", joiners=count)
    yield "tokens/joins/live", found["rung"]
    yield "tokens/joins/late", found["joins"]


def stalled(bench: Bench, system: System) -> Iterator[Measurement]:
    """
    One of a thousand watchers that stops reading, and then 200 more.
    """
    found = _drive(bench, system, TOP, "stalled", TOP.streams)
    reading, stopped = found["reading"], {**found["stalled"], **found["readers"]}
    stopped["ratio"] = stopped["p99"] / reading["p99"]
    yield "tokens/stalled/reading", reading
    yield "tokens/stalled/stalled", stopped


def _drive(
    bench: Bench, system: System, rung: Rung, scene: str, *words: object, joiners: int = 0
) -> dict[str, dict[str, float]]:
    settings: dict[str, object] = {"joiners": joiners, "tokens": PREFIX if joiners else 0}
    if system.producing:
        settings["producer-key"] = system.producing
    with bench.running(system) as drive:
        found: dict[str, dict[str, float]] = drive(
            [scene, *words, rung.rate, bench.plan.tokens],
            topic="bench/tokens",
            topics=rung.topics,
            subscribers=WATCHERS if rung.streams else 0,
            limit=int(90 + 3 * bench.plan.tokens),
            **settings,
        )
    return found


OWN: Mapping[str, Run] = {
    "late/idle": partial(late, None),
    "late/loaded": partial(late, TOP),
    "joins": joins,
    "stalled": stalled,
}
"""The runs for systems that have token streams."""

RUNS: Mapping[str, Run] = {
    **{rung.name: partial(climb, rung) for rung in LADDER},
    **OWN,
}
