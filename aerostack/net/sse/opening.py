"""
Reads a request that opens a connection over server-sent events, and the frames in a body.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from twisted.web.server import Request

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.errors import RealtimeError
from aerostack.net.http.requests import bearerOf, headerOf, headersOf, queryOf
from aerostack.net.websocket.handshake import Opening
from aerostack.protocol.codec import splitFrames

MOST = 1000
"""How many frames one request has at the most."""

_BLANK = b" \t\r\n"


class EventsOpening(Struct, frozen=True):
    """
    A request for a connection over server-sent events.

    @ivar opening: What it has in common with the request for a WebSocket.
    @ivar query: The parameters of its URL, with the project that a header names.
    @ivar lastEventId: The id of the last event that the client has seen; L{None} without one.
    @ivar hasIds: Whether the client wants ids of events.
    @ivar pongs: Whether the client answers pings.
    """

    opening: Opening
    query: Mapping[str, str]
    lastEventId: str | None
    hasIds: bool
    pongs: bool


def readOpening(request: Request, authenticator: Authenticator) -> EventsOpening:
    """
    Read a request.  Its credentials are in headers: C{Authorization}, C{X-Aerostack-Key}, and the
    session secret in C{X-Aerostack-Client}.

    @raise RealtimeError: C{unauthorized} or C{invalid_arguments}: a header or a parameter cannot be
        read.
    """
    bearer = bearerOf(request, authenticator) or Credentials()
    offered = {
        "aerostack-key.": headerOf(request, "x-aerostack-key") or bearer.key,
        "aerostack-token.": bearer.token,
        "aerostack-session.": headerOf(request, "x-aerostack-client"),
    }
    query = dict(queryOf(request))
    named = headerOf(request, "x-aerostack-project")
    if named and query.setdefault("projectId", named) != named:
        raise RealtimeError("wrong_project", "The header and the URL name different projects.")
    headers = headersOf(request)
    return EventsOpening(
        opening=Opening(
            key="",
            protocols=tuple(prefix + value for prefix, value in offered.items() if value),
            extensions=(),
            forwardedFor=tuple(headers.get("x-forwarded-for", ())),
            origin=headerOf(request, "origin"),
            expects=False,
        ),
        query=query,
        lastEventId=headerOf(request, "last-event-id"),
        hasIds=_switch(query, "ids", True),
        pongs=_switch(query, "pongs", False),
    )


def _switch(query: Mapping[str, str], name: str, default: bool) -> bool:
    text = query.get(name)
    if text not in (None, "0", "1"):
        raise RealtimeError("invalid_arguments", f"{name} is 0 or 1.")
    return default if text is None else text == "1"


def readFrames(body: bytes) -> list[bytes]:
    """
    Read the frames in a body: one JSON object, or a JSON list of them.

    The session checks each frame, but not that it is UTF-8, which over a WebSocket is checked
    before.

    @raise RealtimeError: C{invalid_json}, C{too_deep} or C{too_large}: it is not UTF-8, or a list
        that cannot be read, or that has too many frames.
    """
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        raise RealtimeError("invalid_json", "The body is not UTF-8.") from None
    body = body.strip(_BLANK)
    if not body.startswith(b"["):
        return [body] if body else []
    frames = splitFrames(body)
    if len(frames) > MOST:
        raise RealtimeError(
            "too_large", f"A request has at most {MOST} frames; this one {len(frames)}."
        )
    return frames
