"""
The scenes for each system: one function per scene, which yields measurements by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from idle import idle
from kept import acks
from plan import Bench, Measurement, Plan, Run
from processes import Failed
from rooms import rooms
from system import System
from tokens import OWN
from tokens import RUNS as TOKENS

QUIET = 10_000
BUSY = 100_000
STALLED = 10


def windows(size: int) -> tuple[int, ...]:
    """
    Return how many events are in flight at overload: several numbers, because each system delivers
    most at another one.
    """
    return (16, 64) if size >= 10_000 else (32, 64, 256)


def fanout(size: int, bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Deliveries to a number of subscribers of one topic, at each rate.
    """
    seconds = bench.plan.seconds
    phases = {"quiet": f"r{QUIET / size:g}:{seconds}"}
    if size == 1_000:
        phases["busy"] = f"r{BUSY / size:g}:{seconds}"
    # With ten thousand subscribers, slow systems need seconds for the events in flight.
    longer = 2 * seconds if size >= 10_000 else seconds
    phases |= {f"overload/{window}": f"w{window}:{longer}" for window in windows(size)}
    limit = int(60 + len(phases) * (longer + 10))
    with bench.running(system) as drive:
        found = drive(["fanout", *phases.values()], subscribers=size, limit=limit)
    for name, values in zip(phases, found, strict=True):
        yield f"fanout/{size}/{name}", values


def crowd(kind: str, bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Many clients that connect and subscribe, and then are silent.

    @param kind: C{plain}, C{tls}, or C{storm}, in which all of them connect at once.
    """
    tls = kind == "tls"
    count = bench.plan.crowd[tls]
    with bench.running(system, tls) as drive:
        inflight = count if kind == "storm" else 500
        found = drive(["crowd"], subscribers=count, inflight=inflight, limit=90)
    found["rate"] = found["ready"] / found["seconds"]
    memory = (found["after"] - found["before"]) / found["stayed"] if found["stayed"] else None
    found["memory"] = memory
    yield f"crowd/{kind}", found


def stall(bench: Bench, system: System) -> Iterator[Measurement]:
    """
    One subscriber among a thousand that stops reading its own topic.
    """
    # Half of BUSY: a system at its limit says nothing about a stalled reader.
    rate = BUSY / 2 / 1_000
    with bench.running(system) as drive:
        # Long enough to fill the kernel's buffers, the bound, and the server's buffer for the
        # client.
        times = (2 * bench.plan.seconds, STALLED)
        found = drive(["stall", *times, rate], subscribers=1_000, limit=90)
    reading, stalled = found["reading"], found["stalled"]
    stalled["growth"] = stalled["rss"] - reading["rss"]
    stalled["ratio"] = stalled["p99"] / reading["p99"]
    yield "stall/reading", reading
    yield "stall/stalled", stalled


def resume(bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Many clients that reconnect at once, and have missed many events.
    """
    count, missed = bench.plan.back
    with bench.running(system) as drive:
        found = drive(["resume"], topic="bench/kept", subscribers=count, missed=missed, limit=120)
    if not found["positions"]:
        raise Failed("its answer has no position")
    yield "resume", found


def runs(scene: str, plan: Plan) -> dict[str, Run]:
    """
    Return the runs of a scene, by name; each starts a server.
    """
    if scene == "fanout":
        return {f"fanout/{size}": partial(fanout, size) for size in plan.sizes}
    if scene == "crowd":
        return {f"crowd/{kind}": partial(crowd, kind) for kind in ("plain", "storm", "tls")}
    if scene == "rooms":
        return rooms(plan)
    if scene == "tokens":
        return {f"tokens/{name}": run for name, run in TOKENS.items()}
    return {scene: SINGLE[scene]}


def has(system: System | type[System], name: str) -> bool:
    """
    Return whether a run is for a system.
    """
    if system.scenes is not None and name.partition("/")[0] not in system.scenes:
        return False
    wanted = {"acks": system.keeps, "resume": system.resumes}
    wanted |= {f"tokens/{each}": system.producing for each in OWN}
    return bool(wanted.get(name, True))


SINGLE: Mapping[str, Run] = {"idle": idle, "stall": stall, "acks": acks, "resume": resume}
SCENES = ("fanout", "rooms", "crowd", *SINGLE, "tokens")
