"""
Tests for the picture of small rooms that C{bench/curves.py} draws.
"""

from __future__ import annotations

from xml.etree import ElementTree

from curves import around, curves, draw
from plan import Plan
from results import Results
from twisted.trial.unittest import SynchronousTestCase

SVG = "{http://www.w3.org/2000/svg}"


class AxisTests(SynchronousTestCase):
    """
    Tests for L{around}.
    """

    def test_places(self) -> None:
        """
        Each power of ten takes the same part of an axis.
        """
        axis = around([2, 900], 300, True)
        self.assertEqual(axis.decades(), [1, 10, 100, 1000])
        self.assertEqual([round(axis.at(value)) for value in axis.decades()], [0, 100, 200, 300])

    def test_below(self) -> None:
        """
        A value below the beginning stands at the beginning.
        """
        self.assertEqual(around([10, 100], 300, False).at(1), 0)

    def test_same(self) -> None:
        """
        An axis for one value has a length.
        """
        self.assertEqual(around([2000, 2000], 300, False).at(2000), 0)


class CurveTests(SynchronousTestCase):
    """
    Tests for L{curves} and L{draw}.
    """

    def setUp(self) -> None:
        self.results = Results()
        self.results.labels = {"aerostack": "ours", "ws": "theirs & others"}
        for system, members, rate, p99 in (
            ("aerostack", 2, 2_000, 1.5),
            ("aerostack", 2, 4_000, 30),
            ("aerostack", 10, 1_000, -1),
            ("ws", 2, 2_000, 0.001),
            ("ws", 50, 200, 700),
        ):
            self.results.add(system, f"rooms/{members}/{rate}", {"p99": p99})

    def test_curves(self) -> None:
        """
        A size of rooms has a curve for each system that was measured, without rates at which
        nothing was delivered.
        """
        self.assertEqual(
            curves(self.results, Plan()),
            {
                2: {"ours": [(2_000, 1.5), (4_000, 30)], "theirs & others": [(2_000, 0.01)]},
                50: {"theirs & others": [(200, 700)]},
            },
        )

    def test_picture(self) -> None:
        """
        The picture has a panel for each size, a line for each curve in it, and a key for each
        system, all within its edges.
        """
        root = ElementTree.fromstring(draw(curves(self.results, Plan())))
        texts = [element.text for element in root.iter(f"{SVG}text")]
        panels = [text for text in texts if text is not None and text.startswith("rooms of")]
        self.assertEqual(panels, ["rooms of 2", "rooms of 50"])
        self.assertEqual(texts[-2:], ["ours", "theirs & others"])
        self.assertEqual(len(list(root.iter(f"{SVG}polyline"))), 3)
        self.assertEqual(len(list(root.iter(f"{SVG}circle"))), 4)
        height = float(root.attrib["height"])
        for circle in root.iter(f"{SVG}circle"):
            self.assertTrue(0 <= float(circle.attrib["cy"]) <= height)
