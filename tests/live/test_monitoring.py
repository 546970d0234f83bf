"""
The metrics of a daemon with workers, as Prometheus reads them for the dashboard and the alerts.
"""

from __future__ import annotations

import time
from typing import Any

import treq
from prometheus_client.parser import text_string_to_metric_families

from tests.live.test_tls import TLSProgramTests
from tests.live.workers import WorkersTests
from tests.monitoring.files import named
from tests.ports import freePort

Samples = dict[str, dict[tuple[str, ...], float]]


class MonitoringTests(TLSProgramTests, WorkersTests):
    """
    Tests for C{/metrics} of a daemon with TLS and two workers.
    """

    async def metrics(self) -> Samples:
        """
        The samples by their names, and by the values of their labels in the order of the labels'
        names.
        """
        response = await treq.get(f"http://127.0.0.1:{self.plain}/metrics", agent=self.agent)
        found: Samples = {}
        for family in text_string_to_metric_families(await response.text()):
            for sample in family.samples:
                values = tuple(value for _, value in sorted(sample.labels.items()))
                found.setdefault(sample.name, {})[values] = sample.value
        return found

    async def test_together(self) -> None:
        """
        A daemon with clients at both workers exports every metric that the dashboard and the alerts
        name.  What the workers count is added up.  The expiry of the certificate is there, and a
        refused reload shows.
        """
        self.plain = freePort(self)
        self.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        local = f"tcp:{self.plain}:interface=127.0.0.1:local=1"
        text = self.configure(self.listen, local, more='[topics."chat/*"]')
        daemon = await self.serve(text)
        endpoint = self.secure()
        first = await self.client(endpoint=endpoint)
        wires = (first, await self.besides(first, endpoint=endpoint))
        for wire in wires:
            for topic in ("chat/a", "orders"):
                wire.tell({"type": "subscribe", "topic": topic})
                await wire.frame()
        for number, wire in enumerate(wires):
            for persist in (False, True):
                wire.tell(
                    {
                        **{"type": "publish", "topic": "chat/a", "event": "e", "data": number},
                        **{"id": f"{number} {persist}", "persist": persist},
                    }
                )
                # The event and its ack come in any order.
                await wire.frames(2)
                await wires[1 - number].frame()
        self.execute("INSERT INTO orders VALUES (1)")
        for wire in wires:
            await wire.frame()
        kind = ("p", "chat/*")
        found = await self.until(lambda: self.complete(kind))
        self.assertEqual(found["aerostack_publications_accepted_total"][kind], 4)
        self.assertEqual(found["aerostack_publish_to_socket_seconds_count"][kind], 4)
        self.assertEqual(found["aerostack_frame_bytes_count"][kind], 8)
        # A slow disk may add frames that say so.
        self.assertGreaterEqual(found["aerostack_frame_bytes_count"]["p", "table/**"], 2)
        self.assertEqual(
            found["aerostack_acknowledgement_seconds_count"], {("true",): 2, ("false",): 2}
        )
        self.assertEqual(found["aerostack_project_connections"], {("p",): 2})
        ((_, expires),) = found["aerostack_certificate_expiry_timestamp_seconds"].items()
        self.assertGreater(expires, time.time())
        self.assertEqual(
            set(found["aerostack_certificate_expiry_timestamp_seconds"]),
            {(f"ssl:{self.port}:127.0.0.1",)},
        )
        # The hub and two workers.
        self.assertGreater(
            found["process_resident_memory_bytes"][()],
            sum(found["aerostack_worker_memory_bytes"].values()),
        )
        self.assertEqual(named() - found.keys(), set())
        wires[0].drop()
        await self.until(self.broken)
        self.config.write_text("nonsense")
        daemon.signal("HUP")
        await daemon.wrote("not taken up")
        found = await self.metrics()
        self.assertEqual(found["aerostack_config_last_reload_successful"], {(): 0})

    async def complete(self, kind: tuple[str, str]) -> Samples | None:
        """
        The metrics, once they have everything that the clients did.  Of a worker that does not
        answer in time, the numbers are those that it sent before.

        @param kind: The project and the pattern of the topic.
        """
        found = await self.metrics()
        least: tuple[tuple[str, tuple[str, ...], int], ...] = (
            ("publications_accepted_total", kind, 4),
            ("publish_to_socket_seconds_count", kind, 4),
            ("frame_bytes_count", kind, 8),
            ("frame_bytes_count", ("p", "table/**"), 2),
            ("acknowledgement_seconds_count", ("true",), 2),
            ("acknowledgement_seconds_count", ("false",), 2),
        )
        counts = [
            found[f"aerostack_{name}"].get(labels, 0) >= count for name, labels, count in least
        ]
        here = found.get("aerostack_project_connections", {}).get(("p",))
        return found if all(counts) and here == 2 else None

    async def broken(self) -> Any:
        """Whether the connection that broke is counted."""
        closes = (await self.metrics())["aerostack_closes_total"]
        return closes.get(("client", "1006"))
