"""
Gives the numbers of all refused requests.
"""

from __future__ import annotations

from collections.abc import Mapping

from aerostack.errors import ERRORS
from aerostack.net.http.metriclist import REFUSALS, keyOf


def refusalValues(counts: Mapping[str, int]) -> Mapping[str, float]:
    """
    The values of the metric of refusals.

    @param counts: How many there were, by code; none where another process counts them.
    """
    return {keyOf(REFUSALS, code): counts.get(code, 0) for code in ERRORS}
