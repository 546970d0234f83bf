"""
Tests for L{aerostack.server.about}.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from aerostack import __version__
from aerostack.net.http.metriclist import BUILD, labelsOf, metricOf
from aerostack.server.about import EXPIRY, About


class AboutTests(SynchronousTestCase):
    """
    Tests for L{About}.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.about = About(self.clock.seconds)

    def reload(self) -> tuple[float, float]:
        """
        Whether the last reload was good, and when the configuration that holds was read.
        """
        values = self.about.values()
        return (
            values["aerostack_config_last_reload_successful"],
            values["aerostack_config_last_reload_success_timestamp_seconds"],
        )

    def test_reloads(self) -> None:
        """
        A reload that fails keeps the time of the last one that did not; the start counts as one.
        """
        self.assertEqual(self.reload(), (1, 1_000_000_000))
        self.clock.advance(10)
        self.about.reloaded(False)
        self.assertEqual(self.reload(), (0, 1_000_000_000))
        self.clock.advance(10)
        self.about.reloaded(True)
        self.assertEqual(self.reload(), (1, 1_000_000_020))
        self.assertEqual(self.about.values()["process_start_time_seconds"], 1_000_000_000)

    def test_build(self) -> None:
        """
        The build's labels have the version.
        """
        (labels,) = [labelsOf(key) for key in self.about.values() if metricOf(key) == BUILD]
        self.assertEqual(labels[0], __version__)

    def test_certificates(self) -> None:
        """
        Each listener with TLS shows when its certificate expires, under a name without the paths of
        files; of two with one name the earlier counts.
        """

        def listener(description: str, year: int | None) -> Any:
            expires = None if year is None else datetime(year, 1, 1, tzinfo=UTC)
            tls = None if year is None else SimpleNamespace(expires=expires)
            return SimpleNamespace(description=description, tls=tls)

        self.about.listeners = [
            listener("tcp:80", None),
            listener("ssl:443:privateKey=/secret/key.pem", 2031),
            listener("ssl:443:privateKey=/secret/other.pem:interface=127.0.0.1", 2033),
            listener("systemd:domain=INET:index=0:privateKey=/secret/key.pem", 2035),
            listener("systemd:domain=INET:index=0:privateKey=/secret/next.pem", 2034),
        ]
        found = {
            labelsOf(key)[0]: datetime.fromtimestamp(value, UTC).year
            for key, value in self.about.values().items()
            if metricOf(key) == EXPIRY
        }
        self.assertEqual(
            found, {"ssl:443": 2031, "ssl:443:127.0.0.1": 2033, "systemd:INET:0": 2034}
        )
