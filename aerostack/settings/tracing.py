"""
The settings of the section C{[tracing]}.
"""

from __future__ import annotations

from dataclasses import dataclass

from aerostack.settings.fields import setting
from aerostack.settings.kinds import Number, Text


@dataclass(frozen=True)
class TracingConfig:
    """Traces for OpenTelemetry."""

    endpoint: str | None = setting(
        "Where traces are sent, by OTLP over HTTP. Where it is not set, nothing is traced.",
        Text("a URL such as 'http://127.0.0.1:4318/v1/traces'"),
        None,
    )
    sample: float = setting(
        "Which part of the publications and of the batches of table changes is traced. What comes"
        " with a traceparent goes by that.",
        Number("traces for each publication", 0, 1, False),
        0.01,
    )
