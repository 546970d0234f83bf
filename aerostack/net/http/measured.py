"""
The numbers of the daemon at one time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aerostack.core.diagnosis.histogram import Histogram

Timings = Mapping[str, Histogram | Mapping[str, Histogram]]
"""The histograms by the names of their metrics; where a metric has labels, by
L{aerostack.net.http.metriclist.labelKey}."""


@dataclass(frozen=True)
class WorkerLoad:
    """
    How much a worker has to do.

    @ivar connections: How many connections of clients it has.
    @ivar lag: How late its reactor was, seconds.
    @ivar processor: The processor time that it has used, seconds.
    @ivar memory: How much memory it has, bytes; 0 if the system does not say.
    @ivar deaths: How often it has died, and was started again.
    """

    connections: int
    lag: float
    processor: float
    memory: int
    deaths: int


@dataclass(frozen=True)
class Measured:
    """
    All numbers of the daemon, at one time.

    @ivar values: The values of L{aerostack.net.http.metriclist.METRICS} by
        L{aerostack.net.http.metriclist.keyOf}, without the histograms.
    @ivar timings: The histograms.
    @ivar workers: The loads of the workers by their names, if there are workers.
    """

    values: Mapping[str, float]
    timings: Timings
    workers: Mapping[str, WorkerLoad] = field(default_factory=dict)
