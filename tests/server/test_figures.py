"""
Tests for L{aerostack.server.figures}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.histogram import SIZES, Histogram
from aerostack.errors import RealtimeError
from aerostack.net.http.measured import WorkerLoad
from aerostack.net.http.metriclist import DATABASE_CALLS, METRICS, MODEL_REQUESTS, keyOf
from aerostack.server.figures import WorkerFigures, encodeTimings, joinFigures, measuredOf
from aerostack.workers.messages.figures import DaemonFigures, Figures, Load

WHOLE, KINDS = "aerostack_garbage_search_seconds", DATABASE_CALLS
"""A metric with one histogram, and one with several."""


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
    values = {
        keyOf(metric.name, *each): number for metric in metrics for each in metric.of or ((),)
    }
    return Figures(values, encodeTimings({WHOLE: histogram, KINDS: {"a": histogram}}))


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
        whole, kinds = measured.timings[WHOLE], measured.timings[KINDS]
        assert isinstance(whole, Histogram)
        assert isinstance(kinds, dict)
        for histogram in (whole, kinds["a"]):
            self.assertEqual(histogram.count, 3)
            self.assertAlmostEqual(histogram.total, 3.3)
        self.assertEqual(measured.workers, {"worker-1": WorkerLoad(5, 0.25, 1.5, 1000, 2)})

    def test_parts(self) -> None:
        """
        What only some workers have, because only they serve clients of a project, is the daemon's.
        """
        a, b = keyOf("aerostack_outbox_bytes", "a"), keyOf("aerostack_outbox_bytes", "b")
        sizes = Histogram(SIZES)
        sizes.observe(100, 2)
        timings = encodeTimings({"aerostack_frame_bytes": {"b": sizes}})
        joined = joinFigures([Figures({a: 1}, {}), Figures({a: 2, b: 4}, timings), Figures({}, {})])
        self.assertEqual(joined.values, {a: 3, b: 4})
        measured = measuredOf(DaemonFigures(joined.values, joined.timings, {}))
        self.assertEqual(
            measured.timings["aerostack_frame_bytes"]["b"].buckets()[:2], [(64, 0), (256, 2)]
        )


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
        ((counts, _),) = joined.timings[WHOLE].values()
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
