"""
The client's own wheel, in an environment without the daemon.
"""

from __future__ import annotations

from email import message_from_bytes
from zipfile import ZipFile

from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from release.distributions import build, stageClient
from tests.live.environments import Environment, required
from tests.live.program import ProgramTests
from tests.net import Child

# What the daemon needs and a client does not.
DAEMON = {"psycopg", "hiredis", "httptools", "pyjwt", "prometheus-client"}
SOCKETS = {"twisted", "autobahn", "treq", "cryptography"}

EMITTING = """
import sys
from aerostack.client.blocking import BlockingSDK

with BlockingSDK(sys.argv[1], sys.argv[2], timeout=300) as sdk:
    sdk.socket.emit("said", {"n": 1}, "chat/a", persist=True)
    print(sdk.health()["status"], "twisted" in sys.modules)
"""

SUBSCRIBING = """
import sys
from twisted.internet.defer import Deferred
from twisted.internet.task import react
from aerostack.client.realtime import RealtimeClient

async def main(reactor):
    client = RealtimeClient(reactor, sys.argv[1], apiKey=sys.argv[2])
    client.startService()
    came = Deferred()
    chat = client.channel("chat/a")
    chat.on("said", lambda frame: came.called or came.callback(frame))
    await chat.subscribe(rewind=1)
    print((await came)["data"])
    await client.stopService()

react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
"""


class ClientTests(ProgramTests):
    """
    Builds the wheel, and runs programs of users with it.
    """

    def setUp(self) -> None:
        super().setUp()
        sources = self.directory / "client"
        stageClient(sources)
        build(sources, self.directory / "dist", "--wheel")
        (self.wheel,) = (self.directory / "dist").glob("*.whl")
        with ZipFile(self.wheel) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
            self.requires = message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])

    async def output(self, environment: Environment, name: str, code: str, *arguments: str) -> str:
        """
        Run a program in an environment.

        @return: Its output.
        """
        path = self.directory / name
        path.write_text(code)
        child = Child.spawn(self.reactor, ["-I", str(path), *arguments], program=environment.python)
        self.addCleanup(child.kill)
        status = await child.ended
        self.assertEqual(status, 0, child.errors)
        return child.output

    def environment(self, *extras: str) -> tuple[Environment, set[str]]:
        """
        Make an environment with the wheel and what it requires.

        @return: The environment, and the names of what is required.
        """
        environment = Environment(self.directory / "-".join(("installed", *extras)))
        found = required(self.requires, extras)
        environment.link(found.values())
        environment.install(self.wheel)
        return environment, set(found)

    async def test_client(self) -> None:
        """
        A server that only emits needs one more package, a program that subscribes needs
        Twisted's, and neither needs what only the daemon uses.  Where those are missing, the error
        has the command that installs them.
        """
        await self.serve(self.configure())
        address = f"127.0.0.1:{self.port}"
        small, names = self.environment()
        self.assertEqual(names, {"msgspec"})
        written = await self.output(small, "emit.py", EMITTING, f"http://{address}", SECRET_KEY)
        self.assertEqual(written, "ok False\n")
        for name in ("realtime", "sdk", "aio"):
            code = f"import aerostack.client.{name}"
            said = self.assertRaises(AssertionError, small.call, small.python, "-c", code)
            self.assertIn("pip install 'aerostack-rt-client[realtime]'", str(said))
        whole, names = self.environment("realtime")
        self.assertLessEqual(SOCKETS, names)
        self.assertEqual(names & DAEMON, set())
        written = await self.output(whole, "come.py", SUBSCRIBING, f"ws://{address}", PUBLIC_KEY)
        self.assertEqual(written, "{'n': 1}\n")
