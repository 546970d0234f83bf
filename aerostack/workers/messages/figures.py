"""
The numbers of the daemon's work.
"""

from __future__ import annotations

from msgspec import Struct

Part = tuple[list[int], float]
"""A histogram, as L{aerostack.core.diagnosis.histogram.Histogram.part} gives it."""


class Measure(Struct, frozen=True, array_like=True, tag=105):
    """
    The hub asks a worker for its numbers.  The worker sends L{Figures}, and then answers with
    L{aerostack.workers.messages.serving.Done}.
    """


class Figures(Struct, frozen=True, array_like=True, tag=106):
    """
    The numbers of a worker, which it sends each second and when the hub asks.

    @ivar values: The counters and gauges, by metric.
    @ivar timings: The histograms, by metric and label.
    @ivar watchers: How many subscribers the worker has, by the canonical topics on which token
        streams run.
    """

    values: dict[str, float]
    timings: dict[str, dict[str, Part]]
    watchers: dict[str, int] = {}


class AskFigures(Struct, frozen=True, array_like=True, tag=107):
    """
    A worker asks the hub for the numbers of the whole daemon.  The answer is L{DaemonFigures}.
    """


class Load(Struct, frozen=True, array_like=True):
    """
    How much a worker has to do; see L{aerostack.workers.frames.Beat}.

    @ivar deaths: How often it has died since the daemon's start.
    """

    connections: int
    lag: float
    processor: float
    memory: int
    deaths: int


class DaemonFigures(Struct, frozen=True, array_like=True, tag=108):
    """
    The numbers of the whole daemon.

    @ivar values: See L{Figures}.
    @ivar timings: See L{Figures}.
    @ivar workers: The loads of the workers, by name.
    """

    values: dict[str, float]
    timings: dict[str, dict[str, Part]]
    workers: dict[str, Load]


KINDS = (Measure, Figures, AskFigures, DaemonFigures)
