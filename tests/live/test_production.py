"""
The commands on a server as it is in production: with credentials that only the daemon's unit has,
and with TLS under a name that is not the listener's address.
"""

from __future__ import annotations

import json
import signal
from typing import Any

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.commands import CommandTests
from tests.net import socketPath
from tests.net.certificates import Authority


class ProductionTests(CommandTests):
    """
    Tests for the commands with a daemon that has its keys from systemd.
    """

    async def setUp(self) -> None:  # type: ignore[override]
        super().setUp()
        authority = Authority("A private authority")
        authority.renew(self.directory)
        self.ca = self.directory / "ca.pem"
        self.ca.write_bytes(authority.pem)
        credentials = self.directory / "credentials"
        credentials.mkdir()
        for name, key in (("public_key", PUBLIC_KEY), ("secret_key", SECRET_KEY)):
            (credentials / name).write_text(key)
            (credentials / name).chmod(0o600)
        self.environ = {"CREDENTIALS_DIRECTORY": str(credentials)}

    async def start(self, *more: str) -> None:
        """
        Start the daemon.

        @param more: More endpoint strings, behind that with TLS.
        """
        tls = f"ssl:{self.port}:interface=127.0.0.1:privateKey=key.pem:certKey=cert.pem"
        text = self.configure(tls, *more).replace(
            f'"{PUBLIC_KEY}"', '{ credential = "public_key" }'
        )
        text = text.replace(f'"{SECRET_KEY}"', '{ credential = "secret_key" }')
        await self.serve(text, environ=self.environ)

    async def carryOut(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """
        Run a command to its end.
        """
        child = self.command(*arguments, **environ)
        return await child.ended, child.output, child.errors

    async def test_commands(self) -> None:
        """
        A command needs no key that is given, finds the name in the certificate, and trusts the
        certificate that the configuration names.  With the address it wants the authority's.
        """
        await self.start()
        here = ("--config", str(self.config))
        url = f"wss://localhost:{self.port}"
        there = ("--url", url, "--ca", str(self.ca))
        for arguments, key in (
            (("status",), ""),
            (("emit", "chat/a", "e", "1"), SECRET_KEY),
            (("publish", "chat/a", "e", "1"), PUBLIC_KEY),
        ):
            for where in (here, there):
                status, _, errors = await self.carryOut(*arguments, *where, AEROSTACK_KEY=key)
                self.assertEqual((status, errors), (0, ""))
        for arguments, text in (
            (("emit", "chat/a", "e", "1", *here), "aerostack-rt: projects.p.secret_key: is the cr"),
            (
                ("status", "--url", url),
                f"aerostack-rt: The certificate of {url} cannot be trusted: ",
            ),
            (("tail", "a", "--timeout"), "aerostack-rt: unrecognized arguments: --timeout; see "),
        ):
            status, output, errors = await self.carryOut(*arguments)
            self.assertEqual((output, errors.count("\n")), ("", 1), errors)
            self.assertTrue(errors.startswith(text), errors)
            self.assertNotEqual(status, 0)
        url = f"wss://127.0.0.1:{self.port}"
        for arguments in (("status",), ("publish", "chat/a", "e", "1"), ("tail", "chat/a")):
            where = ("--url", url, "--ca", str(self.ca), "--key", PUBLIC_KEY)
            status, _, errors = await self.carryOut(*arguments, *where)
            self.assertEqual(status, 1)
            self.assertIn("is --url the certificate's host, and --ca", errors)

    async def test_interrupted(self) -> None:
        """
        A command that goes on ends by the signal that interrupts it, without a word, and a stream
        that it has begun is ended as failed.
        """
        path = socketPath()
        await self.start(f"unix:{path}")

        def begin(*arguments: str) -> Any:
            where = ("--config", str(self.config))
            return self.command(*arguments, *where, AEROSTACK_KEY=SECRET_KEY)

        tail, follow = begin("tail", "chat/a", "--json"), begin("presence", "chat/a", "-f")
        lines, stream = begin("publish", "chat/a", "e", "-"), begin("emit", "--stream", "chat/a")
        await self.said(tail, "watching chat/a/p")
        lines.transport.write(b"1\n")
        stream.transport.write(b"Once")
        await lines.wrote("published")
        await tail.wrote("Once")
        said = tail.errors
        self.assertIn(f"ws+unix://{path}", said)
        for child, name in ((lines, "INT"), (stream, "INT"), (follow, "TERM")):
            child.signal(name)
            self.assertEqual(await child.ended, -getattr(signal, f"SIG{name}"))
            self.assertEqual(child.errors, "")
        await tail.wrote('"failed"')
        tail.signal("INT")
        self.assertEqual((await tail.ended, tail.errors), (-signal.SIGINT, said))
        self.assertTrue([json.loads(line) for line in tail.output.splitlines()])
