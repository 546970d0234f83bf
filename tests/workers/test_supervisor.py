"""
Tests for L{aerostack.workers.supervisor}, L{aerostack.workers.process} and
L{aerostack.workers.worker.main}, with real processes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutput
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from aerostack.workers import lives as livesModule
from aerostack.workers import process as processModule
from aerostack.workers.accepting import AcceptingPort
from aerostack.workers.process import environment
from tests.workers.ends import until
from tests.workers.samples import Note
from tests.workers.supervised import SupervisedTestCase, lives


class EnvironmentTests(SynchronousTestCase):
    """
    Tests for L{environment}.
    """

    def test_environment(self) -> None:
        """
        A worker finds the hub's modules, and nothing with which it could talk to systemd.
        """
        found = environment(
            {"HOME": "/h", "NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "1", "LISTEN_FDS": "2"},
            ["", "lib", "/usr/lib"],
            "/run",
        )
        self.assertEqual(found, {"HOME": "/h", "PYTHONPATH": "/run/:/run/lib:/usr/lib"})


class WorkerTests(SupervisedTestCase):
    """
    Tests for a worker that lives.
    """

    async def test_inherited(self) -> None:
        """
        A worker has its output, its two sockets and what its reactor opens, but nothing of the hub;
        its arguments name the worker, its body and the hub.
        """
        # Something that is open in the hub, and could be inherited.
        other = os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(other, True)
        self.addCleanup(os.close, other)
        high = os.dup2(other, 77)
        self.addCleanup(os.close, high)
        _, witness = self.supervise(1)
        [worker] = await self.serving(witness, 1)
        opened = await worker.channel.ask(Note("descriptors"), 60)
        self.assertNotIn("77", opened.values)
        self.assertEqual(set("01234") - set(opened.values), set())
        told = await worker.channel.ask(Note("arguments"), 60)
        arguments, environ = told.values
        self.assertEqual(
            arguments[1:], ["worker-1", "tests.workers.bodies:obedient", str(os.getpid())]
        )
        self.assertEqual(set(environ) - set(os.environ), {"PYTHONPATH"} - set(os.environ))

    async def test_signals(self) -> None:
        """
        A worker ignores the signals that the hub gets as well.
        """
        _, witness = self.supervise(1)
        [worker] = await self.serving(witness, 1)
        self.assertEqual(await worker.channel.ask(Note("signals"), 60), Note("alive"))

    async def test_log(self) -> None:
        """
        What a worker logs and prints is in the hub's log, with the worker's name.
        """
        events: list[Any] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        _, witness = self.supervise(1)
        [worker] = await self.serving(witness, 1)
        worker.channel.send(Note("log"))
        worker.channel.send(Note("print"))

        def found(text: str) -> list[Any]:
            return [event for event in events if text in str(event.get("log_text"))]

        await until(lambda: found("told to log this") and found("bare words"))
        [event] = found("told to log this")
        self.assertEqual(
            (event["worker"], event["connection"], event["log_level"].name),
            ("worker-1", "c1", "info"),
        )
        self.assertEqual(event["log_namespace"], "tests.workers.bodies.Obedient")
        self.assertEqual(found("bare words")[0]["worker"], "worker-1")

    async def test_connections(self) -> None:
        """
        Connections are spread evenly, and again so after a worker has died and its clients have
        come back.
        """
        _, witness = self.supervise(2)
        await self.serving(witness, 2)
        port = await AcceptingPort.listen(
            TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1"), 0, self.distribution.take
        )
        self.addCleanup(port.port.stopListening)
        self.distribution.ports.append(port)
        address = ("127.0.0.1", port.port.getHost().port)
        clients: dict[socket.socket, int] = {}

        async def connect() -> None:
            client = socket.create_connection(address)
            self.addCleanup(client.close)
            client.setblocking(False)
            said = bytearray()

            def told() -> bool:
                try:
                    said.extend(client.recv(100))
                except BlockingIOError:
                    return False
                return said.endswith(b"\n")

            await until(told)
            clients[client] = int(said)

        def shares() -> list[int]:
            served = list(clients.values())
            return sorted(served.count(pid) for pid in set(served))

        for _ in range(20):
            await connect()
        self.assertEqual(shares(), [10, 10])
        first = witness.serving[0]
        os.kill(first.pid, signal.SIGKILL)
        await self.serving(witness, 3)
        for client in [client for client, pid in clients.items() if pid == first.pid]:
            self.assertEqual(client.recv(1), b"")
            client.close()
            del clients[client]
        for _ in range(10):
            await connect()
        self.assertEqual(shares(), [10, 10])
        await until(lambda: [w.last.connections for w in witness.serving[1:] if w.last] == [10, 10])


class DeathTests(SupervisedTestCase):
    """
    Tests for workers that die or hang.
    """

    async def test_restart(self) -> None:
        """
        A worker that has died is started again under its name, after what it sent was received.
        """
        _, witness = self.supervise(1)
        [worker] = await self.serving(witness, 1)
        for n in range(100):
            worker.channel.send(Note(str(n)))
        worker.channel.send(Note("exit"))
        await until(lambda: witness.gone)
        self.assertEqual(len(witness.messages), 100)
        _, again = await self.serving(witness, 2)
        self.assertEqual(again.name, worker.name)
        self.assertNotEqual(again.pid, worker.pid)

    async def test_hopeless(self) -> None:
        """
        When workers die again and again, the supervisor says why and starts no more.
        """
        self.patch(livesModule, "FIRST_PAUSE", 0.0)
        # However long the machine takes to end a worker.
        self.patch(processModule, "PATIENCE", 300.0)
        _, witness = self.supervise(2, "hopeless")
        await until(lambda: witness.failures)
        self.assertEqual(len(witness.failures), 1)
        self.assertIn("5 workers died within 60 s; of the last one, worker-", witness.failures[0])
        self.assertIn("it has ended with status 1", witness.failures[0])

    async def test_hang(self) -> None:
        """
        A worker without heartbeats is killed and replaced.
        """
        _, witness = self.supervise(1)
        [worker] = await self.serving(witness, 1)
        patched = self.patch(livesModule, "SILENCE", 4.0)
        last = worker.last
        await until(lambda: worker.last is not last)
        patched.restore()
        os.kill(worker.pid, signal.SIGSTOP)
        await self.serving(witness, 2)
        self.assertEqual(witness.gone, [worker])
        self.assertEqual(worker._killed, "it has sent no heartbeat")

    async def test_unread(self) -> None:
        """
        A worker that leaves too much unread is killed and replaced.
        """
        _, witness = self.supervise(1)
        [worker] = await self.serving(witness, 1)
        os.kill(worker.pid, signal.SIGSTOP)
        for _ in range(70):
            worker.channel.send(Note("", bytes(1_000_000)))
        await until(lambda: witness.gone)
        self.assertEqual(worker.channel.unread, 0)
        await self.serving(witness, 2)

    async def test_stop(self) -> None:
        """
        When the supervisor stops, workers that can end do, and one that cannot is killed.
        """
        supervisor, witness = self.supervise(2)
        workers = await self.serving(witness, 2)
        workers[0].channel.send(Note("be busy"))
        await until(lambda: workers[0].channel.unread == 0)
        await supervisor.stop()
        self.assertEqual([lives(worker.pid) for worker in workers], [False, False])
        self.assertEqual(supervisor.workers, {})
        self.assertEqual(len(witness.gone), 2)
        self.assertEqual([worker._killed is None for worker in workers], [False, True])


class OrphanTests(SupervisedTestCase):
    """
    Tests for workers whose hub is killed.
    """

    async def test_orphans(self) -> None:
        """
        When the hub is killed, its workers end, also one that is busy and one that is stopped.
        """
        clock: Any = reactor
        told = await getProcessOutput(
            sys.executable,
            ["-m", "tests.workers.doomed"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            errortoo=True,
        )
        pids = json.loads(told)
        self.assertEqual(len(pids), 3)
        end = clock.seconds() + 60
        while any(map(lives, pids)) and clock.seconds() < end:
            await deferLater(clock, 0.01)
        left = [pid for pid in pids if lives(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        self.assertEqual(left, [])
