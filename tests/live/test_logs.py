"""
The daemon's log while other programs read or rotate it.
"""

from __future__ import annotations

import os

from tests.live.program import ProgramTests


class LogTests(ProgramTests):
    """
    Tests for the log while the daemon runs.
    """

    async def test_unread(self) -> None:
        """
        A pipe for the log whose reader stops does not stop the daemon.
        """
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.config.write_text(self.configure(more='[log]\nlevel = "debug"'))
        self.spawn(descriptors={1: writer, 2: writer})
        os.close(writer)
        await self.until(self.answers)
        # Each request writes a line of four thousand bytes.
        for _ in range(40):
            self.assertEqual((await self.http("GET", f"/{'x' * 4000}"))[0], 404)

    async def answers(self) -> bool:
        """Return whether the daemon answers."""
        try:
            return (await self.http("GET", "/health"))[0] == 200
        except Exception:
            return False

    async def test_rotated(self) -> None:
        """
        After a log file is moved away, the daemon writes to a new file of the same name.
        """
        path = self.directory / "rt.log"
        self.config.write_text(self.configure(more='[log]\nlevel = "debug"'))
        self.spawn(twistd=("--logfile", str(path)))
        await self.until(self.answers)
        path.rename(path.with_suffix(".1"))

        async def written() -> bool:
            # The daemon logs the request, and looks about once a second where its log is.
            return await self.answers() and path.exists() and "GET /health" in path.read_text()

        await self.until(written)

    async def test_signalled(self) -> None:
        """
        The daemon writes to the new log file also what it logs about a SIGHUP.
        """
        path = self.directory / "rt.log"
        self.config.write_text(self.configure())
        daemon = self.spawn(twistd=("--logfile", str(path)))
        await self.until(self.answers)
        kept = path.rename(path.with_suffix(".1"))
        daemon.signal("HUP")

        async def written() -> bool:
            return path.exists() and "is taken up" in path.read_text()

        await self.until(written)
        self.assertNotIn("is taken up", kept.read_text())
