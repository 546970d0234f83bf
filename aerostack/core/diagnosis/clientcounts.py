"""
What is counted of clients for the metrics.
"""

from __future__ import annotations

from collections import Counter

from aerostack.core.diagnosis.histogram import SIZES, Histogram
from aerostack.errors import CLOSE_CODES

CLIENT = "client"
DAEMON = "daemon"

NO_CODE = 1005
"""Stands for a close frame without a code (RFC 6455, 7.4.1)."""
BROKEN = 1006
"""Stands for a connection that neither side closed."""

OTHER = "other"
"""Stands for a code that a client made up."""

_KNOWN = frozenset((*CLOSE_CODES, NO_CODE, BROKEN))


class ClientCounts:
    """
    Numbers since the daemon began.

    @ivar received: How large the frames of clients are.
    @ivar kept: How long it took from a publication that was to be kept until its ack.
    @ivar passing: The same for publications that were not to be kept.
    @ivar closes: How many connections have ended, by the code and the side that closed.
    """

    def __init__(self) -> None:
        self.received = Histogram(SIZES)
        self.kept = Histogram()
        self.passing = Histogram()
        self.closes: Counter[tuple[str, str]] = Counter()

    def closed(self, code: int | None, by: str) -> None:
        """
        Count a connection that has ended.

        @param code: The code of the side that closed; L{None} if neither did.
        @param by: L{CLIENT} or L{DAEMON}.
        """
        code = BROKEN if code is None else code
        self.closes[str(code) if code in _KNOWN else OTHER, by] += 1
