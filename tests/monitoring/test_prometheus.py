"""
Tests that Prometheus understands the alerts and the dashboard.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from tests.monitoring.files import ALERTS, ROOT, expressions, panels


class PrometheusTests(SynchronousTestCase):
    """
    Runs C{promtool}, of Debian's package C{prometheus}.
    """

    def promtool(self, *arguments: str | Path) -> None:
        """
        Run it; the test fails if it finds something wrong.
        """
        done = subprocess.run(
            ["promtool", *arguments], capture_output=True, text=True, check=False, timeout=60
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_alerts(self) -> None:
        """
        The numbers of a daemon in trouble raise the alert for the trouble, and no other.
        """
        self.promtool("test", "rules", ROOT / "tests/monitoring/alerts.test.yml")

    def test_allTested(self) -> None:
        """
        Every alert is raised by a test, and says what happened and what to do.
        """
        tested = (ROOT / "tests/monitoring/alerts.test.yml").read_text()
        for group in yaml.safe_load(ALERTS.read_text())["groups"]:
            for rule in group["rules"]:
                self.assertRegex(tested, rf'alertname(=|: )"?{rule["alert"]}\b')
                self.assertEqual(set(rule["annotations"]), {"summary", "description"})

    def test_documented(self) -> None:
        """
        The documentation has every alert, and no other.
        """
        text = (ROOT / "docs/operating.rst").read_text()
        alerts = {
            rule["alert"]
            for group in yaml.safe_load(ALERTS.read_text())["groups"]
            for rule in group["rules"]
        }
        rows = [
            line.split()[0].strip("`")
            for line in text.splitlines()
            if line.startswith("``Aerostack")
        ]
        self.assertEqual(sorted(rows), sorted(alerts))

    def test_dashboard(self) -> None:
        """
        Every question of the dashboard is one that Prometheus can answer, and every panel has a
        title and a unit.
        """
        rules = [
            {"record": f"panel:{number}", "expr": expression}
            for number, expression in enumerate(expressions())
        ]
        self.assertGreater(len(rules), 30)
        path = Path(self.mktemp())
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
        self.promtool("check", "rules", path)
        for panel in panels():
            self.assertTrue(panel["title"])
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"])
