"""
C{aerostack-rt reload}, as the shipped unit calls it.
"""

from __future__ import annotations

import re
import shlex
import sys

from tests.live.commands import CommandTests
from tests.net import ROOT, Child
from tests.net.certificates import Authority


class ReloadCommandTests(CommandTests):
    """
    Tests for the command with a daemon of two workers that speaks TLS.
    """

    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority("A private authority")
        self.authority.renew(self.directory)

    @property
    def listen(self) -> str:
        """The endpoint string of L{port}."""
        return f"ssl:{self.port}:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem"

    async def reload(self) -> tuple[int, str, str]:
        """
        Reload as C{ExecReload=} of the unit does.
        """
        unit = (ROOT / "systemd/aerostack-rt.service").read_text()
        (line,) = re.findall("^ExecReload=(.*)$", unit, re.MULTILINE)
        program, *arguments = shlex.split(line)
        self.assertEqual(program, "/opt/aerostack-rt/bin/aerostack-rt")
        index = arguments.index("/etc/aerostack-rt/rt.toml")
        arguments[index] = str(self.config)
        command = ["-m", "aerostack.cli", *arguments]
        child = Child.spawn(self.reactor, command, program=sys.executable)
        self.addCleanup(child.kill)
        return await child.ended, child.output, child.errors

    async def test_reload(self) -> None:
        """
        The command ends when the new configuration holds, and fails with the reason if it does not.
        """
        status, _, errors = await self.reload()
        self.assertEqual(status, 1)
        self.assertIn(f"no daemon that runs on {self.config} can be asked", errors)
        daemon = await self.serve(self.configure(server="workers = 2"))
        self.assertEqual(await self.reload(), (0, "", ""))
        await daemon.wrote(f"{self.config} is taken up")
        changed = self.configure(server='workers = 2\nname = "other"')
        self.config.write_text(changed)
        note = "aerostack-rt: [server] has changed; it takes a restart\n"
        self.assertEqual(await self.reload(), (0, "", note))
        (self.directory / "cert.pem").write_bytes(self.authority.pem)
        status, _, errors = await self.reload()
        self.assertEqual(status, 1)
        self.assertIn("aerostack-rt: the old certificate stays: ", errors)
        self.config.write_text(changed.replace("lag = 0", "frame_bites = 1\nlag = -1"))
        status, _, errors = await self.reload()
        first, second = errors.splitlines()
        self.assertEqual(status, 1)
        self.assertIn(f"aerostack-rt: {self.config}: limits.frame_bites: is an unknown", first)
        self.assertIn(f"aerostack-rt: {self.config}: limits.lag: is -1", second)
        self.config.write_text("[server")
        status, _, errors = await self.reload()
        self.assertEqual((status, errors.count(str(self.config))), (1, 1), errors)
