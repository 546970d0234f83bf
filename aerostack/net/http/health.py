"""
The resource that says whether the daemon does its work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aerostack.net.http.base import JSONResource
from aerostack.net.http.requests import BoundedRequest


class HealthResource(JSONResource):
    """
    Reports whether the daemon does its work.
    """

    def __init__(self, health: Callable[[], dict[str, Any]]) -> None:
        """
        @param health: Gives the answer.  Its C{status} is C{ok} or C{failing}.
        """
        super().__init__()
        self._health = health

    def answer(self, request: BoundedRequest) -> Any:
        body = self._health()
        return 200 if body["status"] == "ok" else 503, body
