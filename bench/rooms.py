"""
The scene C{rooms}: many small rooms in which all members publish, at rates that rise until the
system breaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from plan import Bench, Measurement, Plan, Run
from processes import Failed
from system import System

MEMBERS = 1_000
"""How many clients all rooms have together."""

LADDER: Mapping[int, Sequence[int]] = {
    2: (2_000, 4_000, 8_000, 10_000, 12_000, 16_000, 20_000, 25_000, 30_000, 40_000, 60_000),
    10: (1_000, 2_000, 3_000, 4_000, 6_000, 8_000, 10_000, 13_000, 16_000, 20_000),
    50: (200, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 5_000, 7_000),
}
"""By the members of a room: publications a second that all rooms together are offered."""

TIMELY = 20
"""Milliseconds.  A system holds a rate if its p99 is not above."""

BROKEN = 200
"""Milliseconds.  The rates after two with a p99 above are not tried."""

PASSED = 0.97
"""The part of the publications that must pass for a system to hold a rate."""


def rates(members: int, plan: Plan) -> Sequence[int]:
    """
    Return the rates that rooms are offered, in publications a second.
    """
    return LADDER[members][: plan.rungs]


def room(members: int, bench: Bench, system: System) -> Iterator[Measurement]:
    """
    Rooms of one size, at each rate up to that at which the system breaks.
    """
    phases = [f"r{rate}:{bench.plan.seconds}" for rate in rates(members, bench.plan)]
    limit = int(60 + len(phases) * (2 * bench.plan.seconds + 5))
    with bench.running(system) as drive:
        found = drive(
            ["rooms", members, MEMBERS, BROKEN, *phases], subscribers=MEMBERS, limit=limit
        )
    if any(values["wrong"] for values in found):
        raise Failed("events went to members of other rooms")
    for values in found:
        values["work"] = perPublish(values)
        yield f"rooms/{members}/{values['offered']:.0f}", values
    yield f"rooms/{members}", {"held": held(found)}


def perPublish(values: Mapping[str, Any]) -> float | None:
    """
    Return the microseconds of processor time for each publication; L{None} if none passed.
    """
    passed = values["publishes"]
    return values["cpu"] / 100 * 1e6 / passed if passed else None


def held(found: Sequence[Mapping[str, Any]]) -> float:
    """
    Return the highest rate offered at which the publications passed, and in time; 0 if there is
    none.
    """
    return max(
        (
            values["offered"]
            for values in found
            if 0 <= values["p99"] <= TIMELY and values["publishes"] >= PASSED * values["offered"]
        ),
        default=0,
    )


def rooms(plan: Plan) -> dict[str, Run]:
    """
    Return the runs, by name.
    """
    return {f"rooms/{members}": partial(room, members) for members in plan.rooms}
