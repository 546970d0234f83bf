"""
The scene C{acks}: kept publications and their acknowledgements.
"""

from __future__ import annotations

from collections.abc import Iterator

from plan import Bench, Measurement
from system import System

WINDOWS = (1, 64, 512)
"""How many publications wait for their acknowledgements at once."""


def acks(bench: Bench, system: System) -> Iterator[Measurement]:
    """
    The time from a kept publication to its acknowledgement.
    """
    phases = [f"w{window}:{bench.plan.seconds}" for window in WINDOWS]
    with bench.running(system) as drive:
        found = drive(["acks", *phases], topic="bench/kept", limit=90)
    for values in found:
        yield f"acks/{values['window']}", values
