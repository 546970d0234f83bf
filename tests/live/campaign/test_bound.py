"""
The time that the campaign may take.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.trial.runner import TestLoader
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.live import campaign


def each(suite: Any) -> Iterator[TestCase]:
    """
    Return every test of a suite that has a timeout.
    """
    for test in getattr(suite, "_tests", (suite,)):
        if test is not suite:
            yield from each(test)
        elif isinstance(test, TestCase):
            yield test


class BoundTests(SynchronousTestCase):
    """
    Tests for L{campaign}.
    """

    def test_bound(self) -> None:
        """
        Every module sets a timeout for its tests, and all of them together are at most the
        campaign's bound.
        """
        suite = TestLoader().loadPackage(campaign, recurse=True)
        bounds = {test.id(): test.getTimeout() for test in each(suite)}
        self.assertGreater(len(bounds), 40)
        default = TestCase().getTimeout()
        self.assertEqual([test for test, bound in bounds.items() if bound == default], [])
        self.assertLessEqual(sum(bounds.values()), campaign.MOST)
