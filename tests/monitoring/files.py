"""
Reads what stands in C{etc/monitoring}.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

ALERTS = ROOT / "etc/monitoring/alerts.yml"

_METRIC = re.compile(r"\b(?:aerostack|process)_[a-z_]+")


def panels() -> list[dict[str, Any]]:
    """
    The dashboard's panels that show something.
    """
    text = (ROOT / "etc/monitoring/dashboard.json").read_text()
    return [panel for panel in json.loads(text)["panels"] if panel["type"] != "row"]


def expressions() -> Iterator[str]:
    """
    What the dashboard asks Prometheus, with the variables of Grafana replaced.
    """
    for panel in panels():
        for target in panel["targets"]:
            expression: str = target["expr"]
            yield (
                expression.replace("$__rate_interval", "5m")
                .replace("$job", "x")
                .replace("$instance", ".*")
            )


def named() -> set[str]:
    """
    The metrics that the dashboard and the alerts name.
    """
    alerts = ALERTS.read_text()
    return {found for text in (*expressions(), alerts) for found in _METRIC.findall(text)}
