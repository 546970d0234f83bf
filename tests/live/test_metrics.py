"""
C{/metrics}: its content, and who may read it.
"""

from __future__ import annotations

from math import inf

import treq
from prometheus_client.parser import text_string_to_metric_families
from twisted.web.client import Agent

from aerostack import __version__
from aerostack.net.http.metriclist import METRICS
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.daemon import DaemonTests

PLAIN = "text/plain; version=0.0.4; charset=utf-8"

Samples = dict[str, dict[tuple[str, ...], float]]


def plain(samples: Samples) -> dict[str, float]:
    """
    Return the values of counters and gauges.
    """
    metrics = [m for m in METRICS if m.kind != "histogram" and not m.labels]
    names = {m.name.removeprefix("aerostack_") for m in metrics}
    return {name: samples[name][()] for name in names}


class MetricsTests(DaemonTests):
    """
    Tests for C{/metrics}.
    """

    async def get(self, **headers: str) -> tuple[int, str, str]:
        """
        Get the metrics.

        @return: The status, the media type and the text.
        """
        response = await treq.get(
            f"http://127.0.0.1:{self.port}/metrics",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            agent=Agent(self.reactor, pool=self.pool),
        )
        (kind,) = response.headers.getRawHeaders("content-type")
        return response.code, kind, await response.text()

    async def samples(self) -> Samples:
        """
        Return the samples by their names, without the common prefix, and by the values of their
        labels.
        """
        _, _, text = await self.get()
        found: Samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                name = sample.name.removeprefix("aerostack_")
                found.setdefault(name, {})[(*sample.labels.values(),)] = sample.value
        return found

    async def values(self) -> dict[str, float]:
        """
        Return the values of counters and gauges.
        """
        return plain(await self.samples())

    async def test_format(self) -> None:
        """
        Every metric is there, in the text format of Prometheus.
        """
        status, kind, text = await self.get()
        self.assertEqual((status, kind), (200, PLAIN))
        self.assertEqual(
            [
                (family.name, family.type, family.documentation)
                for family in text_string_to_metric_families(text)
                if not family.name.startswith("aerostack_worker_")
            ],
            [(m.name.removesuffix("_total"), m.kind, m.meaning) for m in METRICS],
        )
        self.assertIn(
            "\n# TYPE aerostack_changes_total counter\naerostack_changes_total 0.0\n", text
        )

    async def test_accept(self) -> None:
        """
        A request that accepts OpenMetrics gets it; with any other C{Accept} the answer is in the
        plain format.
        """
        openmetrics = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        status, kind, text = await self.get(Accept=openmetrics)
        self.assertEqual(status, 200)
        self.assertTrue(kind.startswith("application/openmetrics-text; version=1.0.0"), kind)
        self.assertTrue(text.endswith("# EOF\n"))
        for accept in (
            "text/html",
            "text/plain; version=x",
            "application/openmetrics-text;version=x",
        ):
            self.assertEqual((await self.get(Accept=accept))[:2], (200, PLAIN), accept)

    async def test_timings(self) -> None:
        """
        The histograms count publications, changes, database calls and delays of the event loop.
        """
        self.execute("CREATE TABLE orders (id INTEGER)")
        client = await self.subscribed("orders")
        client.tell({"type": "subscribe", "topic": "chat/a"})
        await client.frame()
        self.execute("INSERT INTO orders VALUES (1), (2), (3)")
        await client.frames(3)
        await self.emit("e", 1, "chat/a")
        await client.frame()
        # One measurement covers a whole pass; its count includes the frames until the next one.
        self.execute("INSERT INTO orders VALUES (4)")
        await client.frame()
        found = await self.samples()
        self.assertEqual(found["publish_to_socket_seconds_count"], {("p", "**"): 1})
        self.assertEqual(found["commit_to_socket_seconds_count"], {("table/**",): 4})
        self.assertEqual(found["publications_accepted_total"], {("p", "**"): 1})
        sizes = found["frame_bytes_count"]
        self.assertEqual((set(sizes), sizes["p", "**"]), ({("p", "**"), ("p", "table/**")}, 1))
        # A slow disk may add frames that say so.
        self.assertGreaterEqual(sizes["p", "table/**"], 4)
        self.assertGreater(found["database_call_seconds_count"]["tracker",], 0)
        self.assertEqual(
            {kind for (kind,) in found["database_call_seconds_count"]},
            {"history", "tracker", "query", "reads"},
        )
        for name in ("publish_to_socket_seconds", "commit_to_socket_seconds"):
            buckets = found[f"{name}_bucket"]
            bounds = [float(bound) for bound, *_ in buckets]
            self.assertEqual((bounds[0], bounds[-2:]), (0.0005, [10.0, inf]))
            ((labels, count),) = found[f"{name}_count"].items()
            self.assertEqual(buckets["+Inf", *labels], count)
            self.assertGreater(found[f"{name}_sum"][labels], 0)

    async def test_clients(self) -> None:
        """
        The metrics have what a client has sent, how long its acks took and how it closed, and what
        its project uses.
        """
        client = await self.subscribed("chat/a")
        for persist in (False, True):
            client.tell(
                {
                    **{"type": "publish", "topic": "chat/a", "event": "e"},
                    **{"data": 1, "id": int(persist), "persist": persist},
                }
            )
            await client.frames(2)
        found = await self.samples()
        self.assertEqual(found["received_frame_bytes_count"], {(): 3})
        self.assertEqual(found["acknowledgement_seconds_count"], {("true",): 1, ("false",): 1})
        self.assertEqual(found["project_connections"], {("p",): 1})
        self.assertEqual(found["project_subscriptions"], {("p",): 1})
        self.assertEqual(found["outbox_bytes"], {("p",): 0})
        self.assertEqual(set(found["closes_total"].values()), {0})
        await client.closeCleanly()
        while not (found := await self.samples())["closes_total"].get(("client", "1000")):
            await self.sleep(0.01)
        self.assertEqual(found["closes_total"]["daemon", "4008"], 0)
        self.assertNotIn("project_connections", found)

    async def test_process(self) -> None:
        """
        The metrics have the processor time, the memory and the files of the process under their
        usual names, and the version.
        """
        found = await self.samples()
        for name in ("cpu_seconds_total", "resident_memory_bytes", "open_fds", "max_fds"):
            self.assertGreater(found[f"process_{name}"][()], 0)
        ((labels, one),) = found["build_info"].items()
        self.assertEqual((labels[1], one), (__version__, 1))

    async def test_streams(self) -> None:
        """
        Those who watch streams are counted, over WebSockets and over HTTP, and the texts that they
        get.
        """
        client = await self.subscribed("ai-chat/7")
        other = await self.subscribed("ai-chat/8")
        self.assertEqual((await self.values())["stream_watchers"], 0)
        await self.rpc("ai.start", "ai-chat/7", {"stream": "a1"})
        await self.rpc("ai.append", "a1", 1, [{"part": "0", "at": 0, "text": "Hello"}])
        await client.frames(2)
        path = "/api/v1/public/realtime/streams/a1"
        reading = await treq.get(
            f"http://127.0.0.1:{self.port}{path}",
            headers={"X-Aerostack-Key": PUBLIC_KEY, "Accept": "text/event-stream"},
            agent=Agent(self.reactor, pool=self.pool),
            unbuffered=True,
        )
        # It has begun when its head comes.
        while (await self.values())["stream_watchers"] != 2:
            await self.sleep(0.01)
        while not (await self.samples())["stream_append_to_socket_seconds_count"][()]:
            await self.sleep(0.01)
        self.assertEqual(other.waitingFrames(), 0)
        await self.rpc("ai.end", "a1", 1)
        self.assertIn("ai:done", await reading.text())
        while (await self.values())["stream_watchers"]:
            await self.sleep(0.01)

    async def test_values(self) -> None:
        """
        Gauges have the current values, and counters what has happened.
        """
        self.execute("CREATE TABLE orders (id INTEGER)")
        clients = [await self.subscribed("orders") for _ in range(2)]
        clients[0].tell({"type": "subscribe", "topic": "chat/a"})
        await clients[0].frame()
        self.execute("INSERT INTO orders VALUES (1), (2), (3)")
        for client in clients:
            await client.frames(3)
        await self.emit("e", 1, "chat/a")
        await clients[0].frame()
        samples = await self.samples()
        # If the machine has stood still, changes are late for a moment.
        while not (samples["healthy"][()] and samples["feed_up"][()]):
            samples = await self.samples()
        found, frames = plain(samples), samples["frame_bytes_count"]
        # Two clients got three changes.  Then the feed may have been down, which adds frames.
        self.assertGreaterEqual(frames["p", "table/**"], 6)
        self.assertEqual(frames["p", "**"], 1)
        self.assertEqual(found.pop("delivered_total"), sum(frames.values()))
        self.assertLess(found.pop("feed_lag_seconds"), 60)
        self.assertGreater(found.pop("feed_position"), 2)
        idle = ("stream", "model", "emitted")
        streams = [found.pop(name) for name in tuple(found) if name.startswith(idle)]
        self.assertEqual(set(streams), {0})
        for name in tuple(found):
            if name.startswith(("process_", "config_")):
                del found[name]
        self.assertEqual(
            found,
            {
                "connections": 2,
                "subscriptions": 3,
                "topics": 2,
                "publications_total": 1,
                "changes_total": 3,
                "feed_up": 1,
                "feed_unnumbered_seconds": 0,
                "open_transaction_seconds": 0,
                "engine_up": 1,
                "nodes": 1,
                "nodes_silent": 0,
                "nodes_different": 0,
                "database_up": 1,
                "healthy": 1,
            },
        )

    async def test_down(self) -> None:
        """
        C{aerostack_feed_up}, C{aerostack_healthy} and C{aerostack_database_up} are 0 when the
        daemon cannot read changes, C{/health} is red, and the database keeps no messages.
        """
        self.front.feeds.feedDown("It sleeps.")
        self.assertEqual((await self.values())["feed_up"], 0)
        self.front.feeds.feedUp()
        self.assertEqual((await self.values())["feed_up"], 1)
        self.patch(self.daemon.node.tracker, "health", lambda: "Nothing was read for 60 s.")
        values = await self.values()
        self.assertEqual((values["healthy"], values["database_up"]), (0, 1))
        self.patch(self.daemon.node, "faults", lambda: {"database": "It is full."})
        values = await self.values()
        self.assertEqual((values["healthy"], values["database_up"]), (0, 0))

    async def test_access(self) -> None:
        """
        A client from another machine needs the secret key, and so does one that comes through a
        proxy, wherever the proxy runs.
        """
        for headers, status in (
            ({}, 200),
            ({"X_Forwarded_For": "127.0.0.1"}, 401),
            ({"Forwarded": "for=127.0.0.1"}, 401),
            ({"Via": "1.1 proxy"}, 401),
            ({"X_Real_IP": "127.0.0.1", "Authorization": f"Bearer {PUBLIC_KEY}"}, 403),
            ({"X_Forwarded_For": "192.0.2.1", "Authorization": "Bearer nonsense"}, 401),
            ({"X_Forwarded_For": "192.0.2.1", "Authorization": f"Bearer {SECRET_KEY}"}, 200),
        ):
            self.assertEqual((await self.get(**headers))[0], status, headers)
