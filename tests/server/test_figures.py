"""
Tests for L{aerostack.server.figures}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.histogram import Histogram
from aerostack.errors import RealtimeError
from aerostack.net.http.metrics import METRICS, MODEL_REQUESTS, WorkerLoad, keyOf
from aerostack.server.figures import WorkerFigures, encodeTimings, joinFigures, measuredOf
from aerostack.workers.messages.figures import DaemonFigures, Figures, Load


def figures(number: float, *seconds: float) -> Figures:
    """
    The figures of a worker.

    @param number: The value of every metric.
    @param seconds: The events in each histogram.
    """
    histogram = Histogram()
    for each in seconds:
        histogram.observe(each)
    metrics = [metric for metric in METRICS if metric.kind != "histogram"]
    values = {key: number for metric in metrics for key in metric.keys}
    return Figures(values, encodeTimings({"whole": histogram, "kinds": {"a": histogram}}))


class FiguresTests(SynchronousTestCase):
    """
    Tests for the numbers of several workers.
    """

    def test_values(self) -> None:
        """
        What workers count is added up; of what all workers see, the worst counts.
        """
        joined = joinFigures([figures(1), figures(0), figures(1)]).values
        self.assertEqual(joined["aerostack_connections"], 2)
        self.assertEqual(joined["aerostack_delivered_total"], 2)
        self.assertEqual(joined[keyOf(MODEL_REQUESTS, "429")], 2)
        self.assertEqual(joined["aerostack_feed_lag_seconds"], 1)
        self.assertEqual(joined["aerostack_feed_position"], 1)
        self.assertEqual(joined["aerostack_feed_up"], 0)
        self.assertEqual(joined["aerostack_healthy"], 0)

    def test_timings(self) -> None:
        """
        Histograms are added up, each under its own label.
        """
        joined = joinFigures([figures(0, 0.1, 0.2), figures(0, 3.0)])
        load = {"worker-1": Load(5, 0.25, 1.5, 1000, 2)}
        measured = measuredOf(DaemonFigures(joined.values, joined.timings, load))
        whole, kinds = measured.timings["whole"], measured.timings["kinds"]
        assert isinstance(whole, Histogram)
        assert isinstance(kinds, dict)
        for histogram in (whole, kinds["a"]):
            self.assertEqual(histogram.count, 3)
            self.assertAlmostEqual(histogram.total, 3.3)
        self.assertEqual(measured.workers, {"worker-1": WorkerLoad(5, 0.25, 1.5, 1000, 2)})


class WorkerFiguresTests(SynchronousTestCase):
    """
    Tests for L{WorkerFigures}.
    """

    def setUp(self) -> None:
        self.figures = WorkerFigures()

    def counted(self) -> tuple[float, float, int]:
        """
        The connections, the deliveries, and the events in a histogram.
        """
        joined = self.figures.join()
        ((counts, _),) = joined.timings["whole"].values()
        values = joined.values
        return values["aerostack_connections"], values["aerostack_delivered_total"], sum(counts)

    def test_newest(self) -> None:
        """
        Of each worker, the newest numbers count.
        """
        self.figures.note("worker-1", figures(1, 0.1))
        self.figures.note("worker-2", figures(2, 0.1))
        self.figures.note("worker-1", figures(3, 0.1, 0.2))
        self.assertEqual(self.counted(), (5, 5, 3))

    def test_died(self) -> None:
        """
        When workers die, what they had counted stays, and what they had is gone.
        """
        self.figures.note("worker-2", figures(1, 0.1))
        for number in (1, 2):
            self.figures.note("worker-1", figures(10, 0.1, 0.2))
            self.assertEqual(self.counted(), (11, 1 + 10 * number, 1 + 2 * number))
            self.figures.ended("worker-1")
            self.assertEqual(self.counted(), (1, 1 + 10 * number, 1 + 2 * number))

    def test_early(self) -> None:
        """
        A worker that dies before it has sent numbers changes nothing.
        """
        self.figures.note("worker-2", figures(1, 0.1))
        self.figures.ended("worker-1")
        self.assertEqual(self.counted(), (1, 1, 1))

    def test_noWorker(self) -> None:
        """
        Before any worker has sent numbers, there are none.
        """
        self.assertEqual(self.assertRaises(RealtimeError, self.figures.join).code, "overloaded")
