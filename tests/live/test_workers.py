"""
The life and death of workers and their hub.
"""

from __future__ import annotations

import json
import os
import signal
import socket
from contextlib import closing
from typing import Any

import treq

from aerostack.testing import SECRET_KEY
from tests.live.program import READY
from tests.live.test_tls import TLSProgramTests
from tests.live.wire import Wire
from tests.live.workers import WorkersTests, isAlive

WORKERS = {"worker-1", "worker-2"}


class MeetingTests(WorkersTests):
    """
    Tests for clients of two workers.
    """

    async def test_together(self) -> None:
        """
        Events, kept messages, changes of a table, presence and one topic's order are the same for
        the clients of both workers, and a client resumes at the other one.
        """
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT)")
        await self.serve(self.configure(more="[presence]\ngrace = 600"))
        one, other = await self.spread("chat/a", "orders")
        for wire in (one, other):
            wire.positions = True
        for number, wire in enumerate((one, other, one, other)):
            wire.tell(
                {
                    **{"type": "publish", "topic": "chat/a", "event": "e", "data": number},
                    **{"id": f"m{number}", "persist": bool(number % 2)},
                }
            )
            await self.until(lambda: one.waitingFrames() and other.waitingFrames())
            mine, theirs = await self.eventOf(one), await self.eventOf(other)
            self.assertEqual(mine, theirs)
            self.assertEqual(mine["data"], number)
        for wire in (one, other):
            view = {"view": "new", "filter": {"status": "new"}}
            wire.tell({"type": "subscribe", "topic": "orders", **view})
            while (await wire.frame()).get("view") != "new":
                # Acknowledgements come before.
                pass
        self.execute("INSERT INTO orders VALUES (1, 'new')")
        changes = []
        for wire in (one, other):
            seen = [await self.eventOf(wire) for _ in range(2)]
            views = {change.pop("view", None): change for change in seen}
            self.assertEqual(views[None], views["new"])
            changes.append(views[None])
        for change in changes:
            # Each process has an epoch of its own for tables; the rest is valid anywhere.
            change["pos"] = str(change["pos"]).partition("-")[2]
        self.assertEqual(changes[0], changes[1])
        self.assertEqual(changes[0]["data"], {"id": 1, "status": "new"})
        one.tell({"type": "track", "topic": "chat/a", "state": {"name": "Ann"}})
        joined = await self.eventOf(other)
        self.assertEqual(
            (joined["event"], joined["data"]["state"]), ("presence:join", {"name": "Ann"})
        )
        one.drop()
        third = await self.client()
        third.tell({"type": "subscribe", "topic": "chat/a", "since": mine["pos"]})
        self.assertTrue((await third.frame())["recovered"])
        for _ in range(2):
            # Connections go to the workers in turn.
            late = await self.client()
            late.tell({"type": "subscribe", "topic": "chat/a", "rewind": 9})
            self.assertEqual((await late.frame())["type"], "subscribed")
            events = [await self.eventOf(late) for _ in range(5)]
            self.assertEqual(events[0]["event"], "presence:sync")
            self.assertEqual([each["data"] for each in events[1:]], [0, 1, 2, 3])
        late.positions = True
        late.tell({"type": "subscribe", "topic": "chat/b"})
        while (await late.frame())["type"] != "subscribed":
            pass
        for event, data in (("ai:token", {"token": "a"}), ("ai:done", {"model": "m"})):
            call = {"method": "socket.emit", "args": [event, data, "chat/b"]}
            path, secret = "/internal/hooks/rpc", f"Bearer {SECRET_KEY}"
            await self.http("POST", path, json.dumps(call).encode(), Authorization=secret)
        while (await late.frame()).get("event") != "ai:done":
            pass
        for _ in range(2):
            # Only one of the workers had a watcher while the stream ran.
            later = await self.client()
            later.positions = True
            later.tell({"type": "subscribe", "topic": "chat/b", "rewind": 1})
            self.assertEqual((await later.frame())["type"], "subscribed")
            end = await later.frame()
            self.assertEqual((end["data"]["text"], end["data"]["model"]), ("a", "m"))
        status, body = await self.http(
            "GET",
            "/api/v1/public/realtime/history?projectId=p&room=chat/a",
            Authorization=f"Bearer {SECRET_KEY}",
        )
        self.assertEqual(status, 200, body)
        self.assertEqual(len(body["messages"]), 2)

    async def test_operator(self) -> None:
        """
        The console and the metrics show the clients of both workers, an explanation knows
        connections at the other worker, and a user is removed from both.
        """
        await self.serve(self.configure(more="anonymous = true"))
        wires = await self.spread("chat/a")
        metrics, body = await self.until(lambda: self.seen(2))
        self.assertIn('aerostack_worker_connections{worker="worker-2"}', metrics)
        self.assertEqual([each["subscriptions"] for each in body["connections"]], [1, 1])
        topic = await self.admin("topic?topic=chat/a")
        self.assertEqual((topic["subscribers"], len(topic["subscriptions"])), (2, 2))
        topics = await self.admin("topics")
        subscribers = {each["topic"]: each["subscribers"] for each in topics["topics"]}
        # The clients have found out on this one where they are.
        self.assertEqual(subscribers, {"chat/a/p": 2, "chat/who/p": 0})
        overview = await self.admin("overview")
        self.assertEqual(overview["metrics"]["aerostack_connections"], 2)
        self.assertEqual(set(overview["workers"]), WORKERS)
        await self.until(self.sampled)
        named = [await self.client(query="&userId=ann") for _ in range(2)]
        for wire in named:
            wire.tell({"type": "subscribe", "topic": "chat/a"})
            self.assertEqual((await wire.frame())["type"], "subscribed")
        listed = await self.admin("connections")
        (user,) = {each["userId"] for each in listed["connections"]} - {None}
        found = await self.admin(f"explain?user={user}&topic=chat/a")
        self.assertEqual(len(found["connections"]), 2, found)
        answer = await self.rpc("user.disconnect", user, {"code": 4242})
        self.assertEqual((answer["connections"], answer["unconfirmed"]), (2, []))
        self.assertEqual(sum(answer["nodes"].values()), 2)
        self.assertEqual({name.rpartition("/")[2] for name in answer["nodes"]}, WORKERS)
        for wire in named:
            await wire.lost
            self.assertEqual(wire.closeCode, 4242)
        for wire in wires:
            self.assertFalse(wire.lost.called)

    async def seen(self, count: int) -> tuple[str, dict[str, Any]] | None:
        """
        Get the metrics and the list of connections, once both have so many.  The metrics have the
        numbers of the second before of a worker that takes long to answer.
        """
        body = await self.admin("connections")
        if len(body["connections"]) != count:
            return None
        response = await treq.get(f"http://127.0.0.1:{self.port}/metrics", agent=self.agent)
        metrics = await response.text()
        return (metrics, body) if f"aerostack_connections {count}.0" in metrics else None

    async def sampled(self) -> bool:
        """
        Whether a sample has the clients of both workers.
        """
        samples = (await self.admin("overview"))["samples"]
        return bool(samples) and samples[-1]["subscriptions"] == 2

    async def admin(self, path: str) -> dict[str, Any]:
        """
        Ask as the console does, until both workers have answered in time.
        """
        while True:
            status, body = await self.http(
                "GET", f"/internal/admin/{path}", Authorization=f"Bearer {SECRET_KEY}"
            )
            self.assertEqual(status, 200, body)
            if "missing" not in body:
                found: dict[str, Any] = body
                return found

    async def rpc(self, method: str, *args: Any) -> dict[str, Any]:
        """
        Call a method of the RPC.
        """
        body = json.dumps({"method": method, "args": args, "projectId": "p"}).encode()
        status, answer = await self.http(
            "POST", "/internal/hooks/rpc", body, Authorization=f"Bearer {SECRET_KEY}"
        )
        self.assertEqual(status, 200, answer)
        found: dict[str, Any] = answer
        return found

    async def eventOf(self, wire: Wire) -> dict[str, object]:
        """
        The next frame that is no acknowledgement.
        """
        while (frame := await wire.frame())["type"] == "ack":
            pass
        return frame


class LifeTests(WorkersTests):
    """
    Tests for workers that die, and for a stop.
    """

    async def notice(self) -> str:
        """
        What C{/health} says of the workers; empty if all serve clients.
        """
        status, body = await self.http("GET", "/health")
        self.assertEqual((status, body["status"]), (200, "ok"), body)
        return str(body.get("notices", {}).get("workers", ""))

    async def assertServed(self, wire: Wire) -> None:
        """
        Assert that a client gets what it publishes.
        """
        wire.tell({"type": "publish", "topic": "chat/a", "event": "e", "data": "alive"})
        self.assertEqual((await wire.frame())["data"], "alive")

    async def test_killed(self) -> None:
        """
        When a worker is killed, the clients of the other one go on, and another process takes its
        place.  Then one hangs, and is replaced as well.
        """
        daemon = await self.serve(self.configure())
        one, other = await self.spread("chat/a")
        first = self.workersOf(daemon)
        self.assertEqual(len(first), 2)
        os.kill(first[0], signal.SIGKILL)
        lost, kept = (one, other) if await self.lostFirst(one, other) is one else (other, one)
        self.assertIsNone(lost.closeCode)
        await self.assertServed(kept)
        await daemon.wrote("worker-1 has died: signal 9 has ended it; it is started again at once")
        await daemon.wrote("worker-1 serves clients again")
        await self.until(lambda: self.isWhole())
        second = self.workersOf(daemon)
        self.assertEqual(len(second), 2)
        await self.assertServed(kept)
        (hung,) = set(second) & set(first)
        served = await self.besides(kept)
        served.tell({"type": "subscribe", "topic": "chat/a"})
        self.assertEqual((await served.frame())["type"], "subscribed")
        os.kill(hung, signal.SIGSTOP)
        self.addCleanup(self.wake, hung)
        # The other one serves meanwhile.
        await self.assertServed(served)
        await daemon.wrote("worker-2 has died: it has sent no heartbeat")
        await kept.lost
        await daemon.wrote("worker-2 serves clients again")
        daemon.signal("TERM")
        self.assertEqual(await daemon.ended, 0)
        self.assertEqual(served.closeCode, 1001)
        self.assertNotIn("Traceback", daemon.output + daemon.errors)

    async def test_late(self) -> None:
        """
        While a worker does not serve clients yet, the daemon is not ready, and the health names the
        worker; the other one answers.
        """
        self.config.write_text(self.configure())
        daemon = self.spawn()
        *_, late = await self.until(lambda: len(found := self.workersOf(daemon)) == 2 and found)
        os.kill(late, signal.SIGSTOP)
        self.addCleanup(self.wake, late)
        # At first the other worker may not serve yet, or not know yet that it does.  If the daemon
        # is ready, the late worker was faster than this test.
        while READY not in daemon.output:
            notice = await self.notice()
            self.assertRegex(notice, "^worker-[12] ")
            if notice.endswith(" of 2 workers does not serve clients."):
                break
        os.kill(late, signal.SIGCONT)
        await daemon.wrote(READY)
        await self.until(self.isWhole)

    async def isWhole(self) -> bool:
        """
        Whether all workers serve clients, as the health says.
        """
        return not await self.notice()

    def wake(self, pid: int) -> None:
        """
        Let a stopped process end.
        """
        if isAlive(pid):
            os.kill(pid, signal.SIGCONT)

    async def lostFirst(self, *wires: Wire) -> Wire:
        """
        Wait until one of several clients has lost its connection.
        """
        found: Wire = await self.until(
            lambda: next((wire for wire in wires if wire.lost.called), None)
        )
        return found

    async def test_again(self) -> None:
        """
        When workers die five times within a minute, the daemon ends, and says why.
        """
        daemon = await self.serve(self.configure())
        killed: set[int] = set()
        while not daemon.ended.called:
            for pid in set(self.workersOf(daemon)) - killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
            await self.sleep(0.05)
        self.assertEqual(await daemon.ended, 1)
        self.assertIn("the daemon ends: 5 workers died within 60 s", daemon.output)

    async def test_hubKilled(self) -> None:
        """
        When the hub is killed, no worker stays, and the port is free.
        """
        daemon = await self.serve(self.configure())
        wires = await self.spread("chat/a")
        workers = self.workersOf(daemon)
        # This one is in the middle of its work, and does not read its channel.
        os.kill(workers[0], signal.SIGSTOP)
        await daemon.kill()
        await self.gone(workers)
        for wire in wires:
            await wire.lost
        with closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", self.port))

    async def test_group(self) -> None:
        """
        A signal to all processes stops the daemon in order: each client is told when to come back,
        and none loses its connection without a close.
        """
        daemon = await self.serve(self.configure(server="restart_time = 1.0"))
        wires = await self.spread("chat/a")
        workers = self.workersOf(daemon)
        self.signalAll([*workers, self.hubOf(daemon), *workers], signal.SIGTERM)
        self.assertEqual(await daemon.ended, 0)
        for wire in wires:
            await wire.lost
            (frame,) = await wire.frames(wire.waitingFrames())
            self.assertEqual((frame["type"], frame["reason"]), ("reconnect", "restart"))
            self.assertEqual(wire.closeCode, 1001)
        self.assertEqual([pid for pid in workers if isAlive(pid)], [])
        self.assertNotIn("Traceback", daemon.output + daemon.errors)


class SecretTests(WorkersTests):
    """
    Tests for what other programs of the machine can see of a worker.
    """

    async def test_secrets(self) -> None:
        """
        No worker has a key in its arguments or its environment.
        """
        daemon = await self.serve(self.configure())
        for pid in self.workersOf(daemon):
            for name in ("cmdline", "environ"):
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    found = file.read()
                self.assertNotIn(b"pk_", found)
                self.assertNotIn(b"sk_", found)


class TLSTests(TLSProgramTests, WorkersTests):
    """
    Tests for certificates.
    """

    async def test_renewed(self) -> None:
        """
        After a reload both workers serve the new certificate, and so does one that is started
        later.
        """
        daemon = await self.serve(self.configure())
        old = await self.client(endpoint=self.secure())
        self.assertEqual(self.serialOf(old), self.serial)
        renewed = self.authority.renew(self.directory)
        daemon.signal("HUP")
        await daemon.wrote("is taken up")
        for _ in range(4):
            self.assertEqual(self.serialOf(await self.client(endpoint=self.secure())), renewed)
        for pid in self.workersOf(daemon):
            os.kill(pid, signal.SIGKILL)
        for name in ("worker-1", "worker-2"):
            await daemon.wrote(f"{name} serves clients again")
        for _ in range(4):
            self.assertEqual(self.serialOf(await self.client(endpoint=self.secure())), renewed)
