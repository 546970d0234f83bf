"""
A site without sockets, and what tests of server-sent events ask of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from aerostack.protocol.sse import EventReader
from tests.net.http.sites import SiteUnderTest, Wire

ORIGIN = "Origin: http://a.example"


def post(path: str, body: bytes = b"", *lines: str) -> bytes:
    """
    A request with a body.
    """
    head = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode() + body


def content(answer: bytes) -> bytes:
    """
    The body of an answer that goes on (RFC 9112, 7.1).
    """
    rest, body = answer.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


class EventsCase(SynchronousTestCase):
    """
    A site.
    """

    limits: Mapping[str, Any] = {}

    def setUp(self) -> None:
        self.site = SiteUnderTest(**self.limits)
        self.world = self.site.world
        self.world.context.reload(self.site.limits)

    def open(self, *lines: str, body: bytes = b"", query: str = "projectId=p") -> Wire:
        """
        Open a connection.
        """
        wire = self.site.connect()
        self.site.write(wire, post(f"/api/realtime/sse?{query}", body, *lines))
        return wire

    def frames(self, wire: Wire) -> list[Any]:
        """
        The frames that have come.
        """
        return [json.loads(event.data) for event in EventReader().feed(content(wire.value()))]

    def types(self, wire: Wire) -> list[str]:
        """
        The types of these frames.
        """
        return [frame["type"] for frame in self.frames(wire)]

    def ids(self, wire: Wire) -> list[str]:
        """
        The ids of the events.
        """
        return [event.id for event in EventReader().feed(content(wire.value()))]

    def session(self, wire: Wire) -> str:
        """
        The name of the session.
        """
        return str(self.frames(wire)[0]["session"])

    def send(self, session: str, *frames: Any, lines: tuple[str, ...] = ()) -> Any:
        """
        Send frames.

        @return: The status and the body of the answer; L{None} before the answer has come.
        """
        body = json.dumps(frames[0] if len(frames) == 1 else frames).encode()
        return self.request(f"/api/realtime/send?session={session}", body, *lines)

    def request(self, path: str, body: bytes, *lines: str) -> Any:
        """
        Send a request, and read its answer.
        """
        wire = self.site.connect()
        self.site.write(wire, post(path, body, *lines))
        head, _, answer = wire.value().partition(b"\r\n\r\n")
        return (int(head.split()[1]), json.loads(answer)) if head else None
