"""
The resource that opens WebSockets.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from aerostack.errors import RealtimeError
from aerostack.net.http.base import JSONResource, NotFoundResource
from aerostack.net.http.requests import BoundedRequest, headersOf, queryOf
from aerostack.net.websocket.opener import Opener


class RealtimeResource(JSONResource):
    """
    The resource that opens WebSockets.
    """

    # Other resources stand below it.
    isLeaf = False

    def __init__(self, opener: Opener) -> None:
        super().__init__()
        self.upgrader = self._opener = opener

    def getChild(self, path: bytes, request: Request) -> Resource:
        return NotFoundResource() if path else self

    def answer(self, request: BoundedRequest) -> Any:
        if request.method != b"GET" or request.clientproto != b"HTTP/1.1":
            raise RealtimeError(
                "upgrade_required", "A WebSocket opens with GET and HTTP/1.1 (RFC 6455, 4.1)."
            )
        opened = self._opener.open(request.channel, headersOf(request), partial(queryOf, request))
        return NOT_DONE_YET if opened is None else opened.addCallback(lambda _: NOT_DONE_YET)
