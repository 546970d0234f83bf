"""
The JavaScript client, compared with a model of a daemon, over a network that cuts, delays and
lies.
"""

from __future__ import annotations

from itertools import islice

from twisted.trial.unittest import SynchronousTestCase

from tests import PATIENCE
from tests.fuzz import FUZZ_SECONDS, seeds
from tests.web import HERE, run

SCRIPT = HERE.parent / "fuzz" / "javascript.js"

# Node.js starts once for this many seeds.
_BATCH = 100


class ClientFuzz(SynchronousTestCase):
    """
    Runs random applications; see C{javascript.js}.
    """

    timeout = PATIENCE + FUZZ_SECONDS

    def test_random(self) -> None:
        """
        Whatever an application and the network do, in the end the application shows what the
        daemon has, and each publication was accepted once or rejected.
        """
        wanted = seeds(100)
        while batch := [str(seed) for seed in islice(wanted, _BATCH)]:
            written = run("node", str(SCRIPT), *batch, folder=SCRIPT.parent)
            self.assertEqual(written.splitlines(), [f"{seed} ok" for seed in batch])
