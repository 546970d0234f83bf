"""
Puts the numbers of all workers together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.errors import RealtimeError
from aerostack.net.http.metrics import METRICS, Measured, Timings, WorkerLoad
from aerostack.workers.messages.figures import DaemonFigures, Figures, Load, Part

WHOLE = ""
"""Stands for the label of a metric that has one histogram."""

_COUNTERS = tuple(key for metric in METRICS if metric.kind == "counter" for key in metric.keys)


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
        key: metric.join([each.values[key] for each in found])
        for metric in METRICS
        if metric.kind != "histogram"
        for key in metric.keys
    }
    return Figures(values, _joinTimings([each.timings for each in found]))


def _joinTimings(
    timings: Sequence[Mapping[str, Mapping[str, Part]]],
) -> dict[str, dict[str, Part]]:
    return {
        name: {
            label: Histogram.joined(each[name][label] for each in timings).part for label in labels
        }
        for name, labels in timings[0].items()
    }


class WorkerFigures:
    """
    The newest numbers of each worker, and what the workers that have died had counted.

    What the daemon counts must not go back when a worker dies or does not answer.
    """

    def __init__(self) -> None:
        self._newest: dict[str, Figures] = {}
        # Of the workers that have died: only what a worker counts, and no state.
        self._past: Figures | None = None

    def note(self, name: str, figures: Figures) -> None:
        """
        Take the newest numbers of a worker.

        @param name: The worker.
        """
        self._newest[name] = figures

    def ended(self, name: str) -> None:
        """
        Note that a worker has died.  A worker that has sent no numbers has counted nothing.
        """
        figures = self._newest.pop(name, None)
        if figures is None:
            return
        counted = Figures({each: figures.values[each] for each in _COUNTERS}, figures.timings)
        self._past = counted if self._past is None else _add(counted, self._past)

    def join(self) -> Figures:
        """
        The numbers of all workers, with what those that have died had counted.

        @raise RealtimeError: C{overloaded}: no worker has sent numbers yet.
        """
        if not self._newest:
            raise RealtimeError("overloaded", "No worker serves clients yet.", 1000)
        joined = joinFigures(self._newest.values())
        return joined if self._past is None else _add(joined, self._past)


def _add(figures: Figures, counted: Figures) -> Figures:
    """Add what dead workers had counted to the numbers of workers."""
    values = {name: figures.values[name] + number for name, number in counted.values.items()}
    return Figures({**figures.values, **values}, _joinTimings([figures.timings, counted.timings]))


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
    return WorkerLoad(load.connections, load.lag, load.processor, load.memory, load.deaths)
