"""
Shared documents on Yjs, with the unmodified packages.
"""

from __future__ import annotations

import os
from functools import partial

from aerostack.testing import TOKEN_SECRET
from tests import PATIENCE
from tests.live.documents import CONFIG, Programs
from tests.live.nodeprocesses import NodesProgramTests
from tests.live.program import ProgramTests

RUNS = int(os.environ.get("DOCUMENTS", "3"))
"""How many random runs there are; ten documents are edited at a time."""


class DocumentsTests(ProgramTests):
    """
    Documents that many clients write.
    """

    timeout = PATIENCE + 10 * RUNS

    async def begin(self, more: str) -> None:
        """
        Start the daemon.

        @param more: More lines for its configuration, of the documents' topics at first.
        """
        self.daemon = await self.serve(self.configure(more=f"{CONFIG}{more}\n"))

    async def restart(self, kind: str) -> None:
        """
        End the daemon by a signal, and start it again.
        """
        self.daemon.signal(kind)
        await self.daemon.ended
        self.daemon = await self.serve()

    async def test_converge(self) -> None:
        """
        Five editors who edit at random have the same document in the end, whatever connections are
        cut and however the daemon is restarted, and a newcomer has it, too.
        """
        # With few frames in memory, clients that were away read the history again.
        await self.begin("count = 10")
        programs = Programs(self)
        for first in range(1, RUNS + 1, 10):
            seeds = range(first, min(first + 10, RUNS + 1))
            restarts = [partial(self.restart, "KILL"), partial(self.restart, "TERM")]
            await programs.converge([self.port], seeds, 120, restarts)

    async def test_openLarge(self) -> None:
        """
        A snapshot takes the place of a thousand edits, costs at most twice as much as Yjs itself
        needs for the document, and opens as the same document.  It comes in parts that the daemon
        takes.
        """
        await self.begin("[limits]\nmessage_bytes = 4096")
        seen = await Programs(self).show("opening", self.port, 1000)
        self.assertTrue(seen["same"], seen)
        self.assertEqual(seen["messages"], 1000)
        self.assertGreater(seen["size"], 2 * 4096)
        self.assertLessEqual(seen["stored"], 2 * seen["size"])

    async def test_readOnly(self) -> None:
        """
        A user who may not write a document reads it.  The provider says why edits are not saved,
        and does not try again with each of them.
        """
        jwt = f"[projects.p.jwt]\nalgorithm = 'HS256'\nkey = '{TOKEN_SECRET}'\n"
        self.daemon = await self.serve(self.configure(more=jwt + CONFIG))
        seen = await Programs(self).show("reader", self.port, TOKEN_SECRET)
        wanted = {"loaded": "hello", "code": "forbidden", "isSaved": False, "before": 1, "more": 0}
        self.assertEqual(seen, wanted)


class DocumentNodesTests(NodesProgramTests):
    """
    Documents whose editors use two daemons.
    """

    more = CONFIG

    async def restart(self) -> None:
        """
        Kill the second daemon, and start it again.
        """
        self.nodes[1].signal("KILL")
        await self.nodes[1].ended
        self.nodes[1] = self.node(1)
        await self.serving(1)

    async def test_converge(self) -> None:
        """
        Editors at two daemons have the same documents in the end, although one daemon is killed.
        """
        await self.begin()
        await Programs(self).converge(self.ports, range(1, 3), 80, [self.restart])
