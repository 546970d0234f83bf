"""
C{/metrics}: what the daemon counts, and who may see it.
"""

from __future__ import annotations

import re

import treq
from twisted.web.client import Agent

from aerostack.net.http.metrics import METRICS
from aerostack.testing import PUBLIC_KEY, SECRET_KEY
from tests.live.daemon import DaemonTests

LINE = re.compile(
    r"# HELP (?P<name>[a-z_:]+) [^\n]+\n# TYPE (?P=name) (counter|gauge)\n"
    r"(?P=name) (?P<value>[0-9.e+-]+)\n"
)


class MetricsTests(DaemonTests):
    """
    Tests for C{/metrics}.
    """

    async def get(self, **headers: str) -> tuple[int, str, str]:
        """
        Ask for the metrics.

        @return: The status, the media type and the text.
        """
        response = await treq.get(
            f"http://127.0.0.1:{self.port}/metrics",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            agent=Agent(self.reactor, pool=self.pool),
        )
        (kind,) = response.headers.getRawHeaders("content-type")
        return response.code, kind, await response.text()

    async def values(self) -> dict[str, float]:
        """
        The values, without the name that all begin with.
        """
        _, _, text = await self.get()
        self.assertEqual(LINE.sub("", text), "")
        return {
            found["name"].removeprefix("aerostack_"): float(found["value"])
            for found in LINE.finditer(text)
        }

    async def test_format(self) -> None:
        """
        Every metric is there, in the text format of Prometheus.
        """
        status, kind, text = await self.get()
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8"))
        self.assertEqual(LINE.sub("", text), "")
        self.assertEqual(
            [found["name"] for found in LINE.finditer(text)], [metric.name for metric in METRICS]
        )

    async def test_values(self) -> None:
        """
        They say what there is and what has happened.
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
        found = await self.values()
        self.assertLess(found.pop("feed_lag_seconds"), 60)
        self.assertGreater(found.pop("feed_position"), 2)
        self.assertEqual(
            found,
            {
                "connections": 2,
                "subscriptions": 3,
                "topics": 2,
                "publications_total": 1,
                "changes_total": 3,
                "delivered_total": 7,
                "feed_up": 1,
                "feed_unnumbered_seconds": 0,
                "open_transaction_seconds": 0,
                "healthy": 1,
            },
        )

    async def test_down(self) -> None:
        """
        They say so when changes cannot be read, and when C{/health} is red.
        """
        self.daemon.feeds.feedDown("It sleeps.")
        self.assertEqual((await self.values())["feed_up"], 0)
        self.daemon.feeds.feedUp()
        self.assertEqual((await self.values())["feed_up"], 1)
        self.patch(self.daemon.tracker, "health", lambda: "Nothing was read for 60 s.")
        self.assertEqual((await self.values())["healthy"], 0)

    async def test_access(self) -> None:
        """
        Whoever is not on this machine needs the secret key; who comes through a proxy is
        not on this machine, wherever the proxy is.
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
