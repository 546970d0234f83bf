"""
Tests for L{aerostack.net.http.metrics}.
"""

from __future__ import annotations

from itertools import islice

from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as readOpen
from prometheus_client.parser import text_string_to_metric_families as readPlain
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.diagnosis.histogram import SIZES, Histogram
from aerostack.net.http import metrics
from aerostack.net.http.measured import Measured
from aerostack.net.http.metriclist import ACCEPTED, METRICS, keyOf, labelKey
from aerostack.net.http.metrics import expose

PROJECTS = [f"p{number:02}" for number in range(50)]
ODD = 'a"b\\c\nd'


def measured() -> Measured:
    """
    Numbers of many projects.
    """
    sizes = {labelKey(name, ODD): Histogram(SIZES) for name in PROJECTS}
    for histogram in sizes.values():
        histogram.observe(100, 2)
    timings: dict[str, Histogram | dict[str, Histogram]] = {
        metric.name: {} if metric.labels else Histogram()
        for metric in METRICS
        if metric.kind == "histogram"
    }
    values = {keyOf(ACCEPTED, name, ODD): 3.0 for name in PROJECTS}
    return Measured(values, {**timings, "aerostack_frame_bytes": sizes})


class ExposeTests(SynchronousTestCase):
    """
    Tests for L{expose}.
    """

    def test_pieces(self) -> None:
        """
        Many numbers are written in many steps.  The text is what one step would have written, in
        each format, and its readers get all numbers and labels.
        """
        for accept, read in (
            ("", readPlain),
            ("application/openmetrics-text; version=1.0.0", readOpen),
        ):
            encode, _ = choose_encoder(accept)
            parts: list[bytes] = []
            steps = sum(1 for _ in expose(measured(), encode, parts))
            self.assertGreater(steps, len(METRICS))
            large = self.patch(metrics, "PIECE", 1000)
            whole: list[bytes] = []
            self.assertEqual(sum(1 for _ in expose(measured(), encode, whole)), len(METRICS))
            large.restore()
            self.assertEqual(b"".join(parts), b"".join(whole))
            families = {family.name: family for family in read(b"".join(parts).decode())}
            samples = families[ACCEPTED.removesuffix("_total")].samples
            self.assertEqual([each.labels["project"] for each in samples], PROJECTS)
            self.assertEqual({each.labels["topics"] for each in samples}, {ODD})
            counts = [s for s in families["aerostack_frame_bytes"].samples if "_count" in s.name]
            self.assertEqual([each.value for each in counts], [2.0] * len(PROJECTS))

    def test_steps(self) -> None:
        """
        No step writes more than a few histograms.
        """
        encode, _ = choose_encoder("")
        parts: list[bytes] = []
        for _ in islice(expose(measured(), encode, parts), 1000):
            lines = parts[-1].splitlines()
            self.assertLessEqual(len(lines), 2 + metrics.PIECE * (len(SIZES) + 3))
