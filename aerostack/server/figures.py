"""
Puts the numbers of all workers together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.errors import RealtimeError
from aerostack.net.http.measured import Measured, Timings, WorkerLoad
from aerostack.net.http.metriclist import BY_NAME, metricOf
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
    return Figures(
        joinValues(each.values for each in found), _joinTimings(each.timings for each in found)
    )


def joinValues(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """
    Put the counters and gauges of several processes together.  A process may have no number under a
    key, for example because it serves no client of a project.
    """
    found: dict[str, list[float]] = {}
    for each in values:
        for key, value in each.items():
            found.setdefault(key, []).append(value)
    return {key: BY_NAME[metricOf(key)].join(numbers) for key, numbers in found.items()}


def _joinTimings(
    timings: Iterable[Mapping[str, Mapping[str, Part]]],
) -> dict[str, dict[str, Part]]:
    found: dict[str, dict[str, list[Part]]] = {}
    for each in timings:
        for name, parts in each.items():
            joined = found.setdefault(name, {})
            for key, part in parts.items():
                joined.setdefault(key, []).append(part)
    return {
        name: {
            key: Histogram.joined(several, boundsOf(name)).part for key, several in joined.items()
        }
        for name, joined in found.items()
    }


def boundsOf(name: str) -> tuple[float, ...]:
    """The upper bounds of the buckets of a metric."""
    return BY_NAME[name].bounds


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
        values = {key: n for key, n in figures.values.items() if _isCounter(key)}
        counted = Figures(values, figures.timings)
        self._past = counted if self._past is None else joinFigures([counted, self._past])

    def join(self) -> Figures:
        """
        The numbers of all workers, with what those that have died had counted.

        @raise RealtimeError: C{overloaded}: no worker has sent numbers yet.
        """
        if not self._newest:
            raise RealtimeError("overloaded", "No worker serves clients yet.", 1000)
        joined = joinFigures(self._newest.values())
        return joined if self._past is None else joinFigures([joined, self._past])


def _isCounter(key: str) -> bool:
    return BY_NAME[metricOf(key)].kind == "counter"


def measuredOf(figures: DaemonFigures) -> Measured:
    """
    The numbers of the daemon, as L{aerostack.net.http.metriclist} has them.
    """
    timings: dict[str, Histogram | Mapping[str, Histogram]] = {}
    for name, parts in figures.timings.items():
        bounds = boundsOf(name)
        histograms = {key: Histogram.joined([part], bounds) for key, part in parts.items()}
        timings[name] = histograms if BY_NAME[name].labels else histograms[WHOLE]
    loads = {name: _loadOf(load) for name, load in figures.workers.items()}
    return Measured(figures.values, timings, loads)


def _loadOf(load: Load) -> WorkerLoad:
    return WorkerLoad(load.connections, load.lag, load.processor, load.memory, load.deaths)
