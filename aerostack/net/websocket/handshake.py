"""
Reads the request that opens a WebSocket and its credentials, and makes the answer.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import blake2b, sha1

from msgspec import Struct

from aerostack.auth.authenticator import Credentials
from aerostack.errors import RealtimeError

PROTOCOL = "aerostack-v1"
_KEY = "aerostack-key."
_TOKEN = "aerostack-token."
_SESSION = "aerostack-session."

_SECRET_LENGTHS = range(16, 129)

# 16 bytes in base64 (RFC 6455, 4.1).
_WEBSOCKET_KEY = re.compile(r"[A-Za-z0-9+/]{21}[AQgw]==")

# RFC 6455, 1.3.
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

Headers = Mapping[str, Sequence[str]]
"""A request's headers: lower-case names to values."""


class Opening(Struct, frozen=True):
    """
    A request that asks for a WebSocket in a form that we speak.  L{parseOpening} reads one.

    @ivar key: The value of C{Sec-WebSocket-Key}, from which the answer is computed.
    @ivar protocols: The subprotocols that the client offers, in its order.
    @ivar extensions: The values of C{Sec-WebSocket-Extensions}.
    @ivar forwardedFor: The values of C{X-Forwarded-For}.
    @ivar origin: The page that a browser says it comes from.
    @ivar expects: Whether the request has C{Expect}: the server has written C{100 Continue} then.
    """

    key: str
    protocols: tuple[str, ...]
    extensions: tuple[str, ...]
    forwardedFor: tuple[str, ...]
    origin: str | None
    expects: bool

    def credentials(self, query: Mapping[str, str], queryCredentials: bool) -> Credentials:
        """
        Gather the client's credentials.

        @param query: The URL's parameters.
        @param queryCredentials: Whether a key or a token in the URL counts.
        @raise RealtimeError: C{invalid_arguments}: a credential came twice, or it came in the URL
            and that is turned off.
        """
        key, token = self._one(_KEY), self._one(_TOKEN)
        urlKey, urlToken = query.get("apiKey") or None, query.get("token") or None
        if urlKey or urlToken:
            if not queryCredentials:
                raise RealtimeError(
                    "invalid_arguments",
                    "Credentials in the URL end up in logs: bring them in headers, or as"
                    " subprotocols of a WebSocket, or set server.query_credentials = true for older"
                    " clients.",
                )
            key, token = key or urlKey, token or urlToken
        return Credentials(
            projectId=query.get("projectId") or None,
            userId=query.get("userId") or None,
            key=key,
            token=token,
            origin=self.origin,
        )

    def client(self) -> str | None:
        """
        Read the session secret, which shows that a client had a connection before.

        @return: A hash of the secret, because the daemon does not keep the secret itself; L{None}
            if the client sent none.
        @raise RealtimeError: C{invalid_arguments}: it is too short or too long, or came twice.
        """
        secret = self._one(_SESSION)
        if secret is None:
            return None
        if len(secret) not in _SECRET_LENGTHS:
            raise RealtimeError(
                "invalid_arguments",
                f"A session secret has {_SECRET_LENGTHS[0]} to {_SECRET_LENGTHS[-1]} characters.",
            )
        return blake2b(secret.encode(), digest_size=16).hexdigest()

    def answer(self, extension: str | None) -> bytes:
        """
        The answer that opens the WebSocket (RFC 6455, 4.2.2).

        @param extension: The accepted extension, as it stands in the answer; L{None} if the daemon
            accepts none.
        """
        accept = b64encode(sha1(self.key.encode("ascii") + _GUID).digest()).decode("ascii")
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
        ]
        if PROTOCOL in self.protocols:
            lines.append(f"Sec-WebSocket-Protocol: {PROTOCOL}")
        if extension is not None:
            lines.append(f"Sec-WebSocket-Extensions: {extension}")
        return "\r\n".join([*lines, "", ""]).encode("ascii")

    def _one(self, prefix: str) -> str | None:
        found = [each.removeprefix(prefix) for each in self.protocols if each.startswith(prefix)]
        if len(found) > 1:
            raise RealtimeError("invalid_arguments", f"More than one {prefix}… is offered.")
        return found[0] if found and found[0] else None


def parseOpening(headers: Headers) -> Opening:
    """
    Read a request that asks for a WebSocket (RFC 6455, 4.2.1).

    @raise RealtimeError: C{upgrade_required} or C{invalid_arguments}: the request does not ask for
        a WebSocket, or not in a form that we speak.
    """
    if not (_has(headers, "upgrade", "websocket") and _has(headers, "connection", "upgrade")):
        raise RealtimeError(
            "upgrade_required", "This path is a WebSocket; connect with a WebSocket client."
        )
    if list(headers.get("sec-websocket-version", ())) != ["13"]:
        raise RealtimeError("upgrade_required", "Only WebSocket version 13 is spoken here.")
    keys = headers.get("sec-websocket-key", ())
    if len(keys) != 1 or not _WEBSOCKET_KEY.fullmatch(keys[0].strip()):
        raise RealtimeError("invalid_arguments", "Sec-WebSocket-Key must be 16 bytes in base64.")
    listed = _list(headers.get("sec-websocket-protocol", ()))
    offered = tuple([token for token in listed if token])
    if len(set(offered)) != len(offered):
        raise RealtimeError("invalid_arguments", "A subprotocol is offered twice.")
    origins = headers.get("origin", ())
    return Opening(
        key=keys[0].strip(),
        protocols=offered,
        extensions=tuple(headers.get("sec-websocket-extensions", ())),
        forwardedFor=tuple(headers.get("x-forwarded-for", ())),
        origin=origins[0] if origins else None,
        expects="expect" in headers,
    )


def _has(headers: Headers, name: str, token: str) -> bool:
    """Whether a header that is a list has an element, in any case of letters."""
    return token in [each.lower() for each in _list(headers.get(name, ()))]


def _list(values: Sequence[str]) -> list[str]:
    """The elements of a header that is a list (RFC 9110, 5.6.1)."""
    return [token.strip() for token in ",".join(values).split(",")]
