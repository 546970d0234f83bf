"""
The opening of a WebSocket, as far as it is plain data: what a request must bring,
and what of it is a credential.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b

from aerostack.auth.authenticator import Credentials
from aerostack.errors import RealtimeError

PROTOCOL = "aerostack-v1"
_KEY = "aerostack-key."
_TOKEN = "aerostack-token."
_SESSION = "aerostack-session."

_SECRET_LENGTHS = range(16, 129)

# 16 bytes in base64 (RFC 6455, 4.1).
_WEBSOCKET_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")


def checkUpgrade(headers: Mapping[str, Sequence[str]]) -> None:
    """
    Make sure that a request asks for a WebSocket in a form that we speak
    (RFC 6455, 4.2.1).

    @param headers: Lower-case names to values.
    @raise RealtimeError: C{upgrade_required} or C{invalid_arguments}.
    """
    if "websocket" not in _tokens(headers, "upgrade") or "upgrade" not in _tokens(
        headers, "connection"
    ):
        raise RealtimeError(
            "upgrade_required", "This path is a WebSocket; connect with a WebSocket client."
        )
    if list(headers.get("sec-websocket-version", ())) != ["13"]:
        raise RealtimeError("upgrade_required", "Only WebSocket version 13 is spoken here.")
    keys = headers.get("sec-websocket-key", ())
    if len(keys) != 1 or not _WEBSOCKET_KEY.fullmatch(keys[0].strip()):
        raise RealtimeError("invalid_arguments", "Sec-WebSocket-Key must be 16 bytes in base64.")
    offered = offeredProtocols(headers)
    if len(set(offered)) != len(offered):
        raise RealtimeError("invalid_arguments", "A subprotocol is offered twice.")


def _tokens(headers: Mapping[str, Sequence[str]], name: str) -> set[str]:
    values = headers.get(name, ())
    return {token.strip().lower() for value in values for token in value.split(",")}


def offeredProtocols(headers: Mapping[str, Sequence[str]]) -> list[str]:
    """
    The subprotocols that a client offers, in its order.
    """
    values = headers.get("sec-websocket-protocol", ())
    return [token.strip() for value in values for token in value.split(",") if token.strip()]


def readCredentials(
    headers: Mapping[str, Sequence[str]], query: Mapping[str, str], queryCredentials: bool
) -> Credentials:
    """
    Gather what a client brought along.

    @param query: The URL's parameters.
    @param queryCredentials: Whether a key or a token in the URL counts.
    @raise RealtimeError: C{invalid_arguments}: a credential came twice, or in the
        URL where that is turned off.
    """
    key = _one(headers, _KEY)
    token = _one(headers, _TOKEN)
    urlKey, urlToken = query.get("apiKey") or None, query.get("token") or None
    if urlKey or urlToken:
        if not queryCredentials:
            raise RealtimeError(
                "invalid_arguments",
                "Credentials in the URL end up in logs: offer them as subprotocols instead, or"
                " set server.query_credentials = true for older clients.",
            )
        key, token = key or urlKey, token or urlToken
    origins = headers.get("origin", ())
    return Credentials(
        projectId=query.get("projectId") or None,
        userId=query.get("userId") or None,
        key=key,
        token=token,
        origin=origins[0] if origins else None,
    )


def _one(headers: Mapping[str, Sequence[str]], prefix: str) -> str | None:
    found = [p.removeprefix(prefix) for p in offeredProtocols(headers) if p.startswith(prefix)]
    if len(found) > 1:
        raise RealtimeError("invalid_arguments", f"More than one {prefix}… is offered.")
    return found[0] if found and found[0] else None


def readClient(headers: Mapping[str, Sequence[str]]) -> str | None:
    """
    Read by which secret a client shows that it is the one that was here before.

    @return: What stands for the secret, which is not kept itself; L{None} if there is none.
    @raise RealtimeError: C{invalid_arguments}: it is too short or too long, or came twice.
    """
    secret = _one(headers, _SESSION)
    if secret is None:
        return None
    if len(secret) not in _SECRET_LENGTHS:
        raise RealtimeError(
            "invalid_arguments",
            f"A session secret has {_SECRET_LENGTHS[0]} to {_SECRET_LENGTHS[-1]} characters.",
        )
    return blake2b(secret.encode(), digest_size=16).hexdigest()
