"""
Puts the numbers of all workers together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.net.http.metrics import METRICS, Measured, Timings, WorkerLoad
from aerostack.workers.messages.figures import DaemonFigures, Figures, Load, Part

WHOLE = ""
"""Stands for the label of a metric that has one histogram."""


def encodeTimings(timings: Timings) -> dict[str, dict[str, Part]]:
    """
    Make plain data of histograms, by metric and label.
    """
    return {
        name: (
            {WHOLE: found.part}
            if isinstance(found, Histogram)
            else {label: histogram.part for label, histogram in found.items()}
        )
        for name, found in timings.items()
    }


def joinFigures(figures: Iterable[Figures]) -> Figures:
    """
    Put the numbers of several workers together; of one at least.
    """
    found = list(figures)
    values = {
        metric.name: metric.join([each.values[metric.name] for each in found])
        for metric in METRICS
        if metric.kind != "histogram"
    }
    timings: dict[str, dict[str, Part]] = {}
    for name, first in found[0].timings.items():
        timings[name] = {
            label: Histogram.joined(each.timings[name][label] for each in found).part
            for label in first
        }
    return Figures(values, timings)


def measuredOf(figures: DaemonFigures) -> Measured:
    """
    The numbers of the daemon, as L{aerostack.net.http.metrics} takes them.
    """
    timings: dict[str, Histogram | Mapping[str, Histogram]] = {}
    for name, parts in figures.timings.items():
        histograms = {label: Histogram.joined([part]) for label, part in parts.items()}
        timings[name] = histograms.get(WHOLE, histograms)
    loads = {name: _loadOf(load) for name, load in figures.workers.items()}
    return Measured(figures.values, timings, loads)


def _loadOf(load: Load) -> WorkerLoad:
    return WorkerLoad(load.connections, load.lag, load.processor)
