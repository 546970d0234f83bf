"""
The client and the SDK on asyncio, against a running daemon.
"""

from __future__ import annotations

import os
import sys

from twisted.internet.utils import getProcessOutputAndValue

from aerostack.testing import SECRET_KEY
from tests.live.program import ProgramTests
from tests.net import ROOT


class LoopTests(ProgramTests):
    """
    Tests for L{tests.live.loops}.
    """

    async def test_loops(self) -> None:
        """
        A program in which every warning is an error uses event loops one after the other and two
        at once, with every transport; it imports no reactor, and writes nothing to its errors.
        """
        await self.serve(self.configure(more="anonymous = true"))
        output, errors, status = await getProcessOutputAndValue(
            sys.executable,
            [
                *("-X", "dev", "-W", "error", "-m", "tests.live.loops"),
                *(f"http://127.0.0.1:{self.port}", SECRET_KEY),
            ],
            {**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self.assertEqual((output.decode(), errors.decode(), status), ("well\n", "", 0))
