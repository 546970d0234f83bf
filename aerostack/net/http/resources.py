"""
What the daemon serves over HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import IO, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import parse_qs
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.core.access.permissions import Identity, Role
from aerostack.errors import RealtimeError
from aerostack.protocol.codec import encodeValue
from aerostack.settings.addresses import isLoopback

# What proxies add.  A client of theirs is not on this machine, although they may be.
_FORWARDED = ("x-forwarded-for", "x-real-ip", "forwarded", "via")


def headersOf(request: Request) -> Mapping[str, list[str]]:
    """
    A request's headers: lower-case names to their values.
    """
    return {
        name.decode("latin-1").lower(): [value.decode("latin-1") for value in values]
        for name, values in request.requestHeaders.getAllRawHeaders()
    }


def headerOf(request: Request, name: str) -> str | None:
    """
    The last value of one of a request's headers, whatever bytes it holds.
    """
    values = request.requestHeaders.getRawHeaders(name.encode("latin-1"))
    return values[-1].decode("latin-1") if values else None


def bearerOf(request: Request, authenticator: Authenticator) -> Credentials | None:
    """
    Read C{Authorization: Bearer} (RFC 6750, 2.1).

    @raise RealtimeError: C{unauthorized}: it is another kind of authorization.
    """
    header = headerOf(request, "authorization")
    if header is None:
        return None
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise RealtimeError("unauthorized", "Authorization must be Bearer and a key or token.")
    return authenticator.bearer(value.strip())


def isLocal(request: Request) -> bool:
    """
    Whether a request comes from this machine: through a listener of which the
    configuration says so.

    A proxy that says nothing of its clients looks like any other program of this
    machine, so that where a request comes from proves nothing.  One that does say is
    refused all the same.  And a page of elsewhere may have made its own name lead here:
    its browser names it in C{Host}.
    """
    channel: Any = request.channel
    return (
        channel.site.local
        and all(headerOf(request, name) is None for name in _FORWARDED)
        and _namesHere(headerOf(request, "host") or "")
    )


def _namesHere(host: str) -> bool:
    name = host.partition(":")[0].lower()
    return name == "localhost" or name.endswith(".localhost") or isLoopback(host)


def serverOf(request: Request, authenticator: Authenticator, now: float) -> Identity:
    """
    Who brings C{Authorization: Bearer}, as servers do.

    @param now: The time in seconds.
    @raise RealtimeError: C{unauthorized}: nobody does, or what is brought does not hold.
    """
    bearer = bearerOf(request, authenticator)
    if bearer is None:
        raise RealtimeError("unauthorized", "Bring Authorization: Bearer and the secret key.")
    return authenticator.identify(bearer, now)


def operatorOf(request: Request, authenticator: Authenticator, now: float, what: str) -> Identity:
    """
    Make sure that a request brings a project's secret key.

    @param now: The time in seconds.
    @param what: What is for the secret key, as the beginning of a sentence.
    @raise RealtimeError: C{unauthorized} or C{forbidden}.
    """
    identity = serverOf(request, authenticator, now)
    if identity.role is not Role.SECRET:
        raise RealtimeError("forbidden", f"{what} for the secret key.")
    return identity


def queryOf(request: Request) -> Mapping[str, str]:
    """
    A request's URL parameters; of one that is repeated, the first.

    @raise RealtimeError: C{invalid_arguments}: one is not UTF-8.
    """
    try:
        return {
            name.decode("utf-8"): values[0].decode("utf-8")
            for name, values in (request.args or {}).items()
        }
    except UnicodeDecodeError:
        raise RealtimeError("invalid_arguments", "The URL's parameters are not UTF-8.") from None


def numberOf(query: Mapping[str, str], name: str, least: int) -> int | None:
    """
    Read a whole number among a request's URL parameters.

    @return: L{None} if it is not there.
    @raise RealtimeError: C{invalid_arguments}: it is none, or less than it may be.
    """
    text = query.get(name)
    if text is None:
        return None
    # 16 digits hold every millisecond until the year 318857.
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) >= least):
        raise RealtimeError("invalid_arguments", f"{name} must be a whole number from {least}.")
    return int(text)


class BoundedRequest(Request):
    """
    A request that stores no more of its body than is allowed.

    @ivar tooLarge: Whether something of the body was thrown away.
    """

    tooLarge = False
    content: IO[bytes]
    channel: Any

    def handleContentChunk(self, data: bytes) -> None:
        if self.content.tell() + len(data) > self.channel.site.bodyBytes:
            self.tooLarge = True
        if not self.tooLarge:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        Take a request that is complete.

        Twisted's own reads forms, on any path and before anybody is asked who they are,
        which takes half a second for a megabyte.  No form is read here.
        """
        self.content.seek(0)
        self.method, self.clientproto = command, version
        authority, self.uri = _originForm(path)
        if authority is not None:
            # It counts instead of Host (RFC 9112, 3.2.2).
            self.requestHeaders.setRawHeaders(b"host", [authority])
        self.path, _, query = self.uri.partition(b"?")
        self.args = parse_qs(query, keep_blank_values=True)
        self.process()


def _originForm(target: bytes) -> tuple[bytes | None, bytes]:
    """
    Read a request's target in its absolute form (RFC 9112, 3.2.2): all servers have to.

    @return: The authority, L{None} for another form, and the path with its query.
    """
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return None, target
    authority = re.split(rb"[/?]", rest, maxsplit=1)[0]
    path = rest[len(authority) :]
    return authority, path if path.startswith(b"/") else b"/" + path


class JSONResource(Resource):
    """
    A resource that answers JSON, its errors as well.

    Subclasses override L{answer}.

    @cvar methods: The HTTP methods that are served.
    @cvar cors: Whether pages of a project's origins may read the answers.
    """

    isLeaf = True
    methods: tuple[str, ...] = ("GET",)
    cors = False
    log = Logger()

    def answer(self, request: BoundedRequest) -> Any:
        """
        Answer a request.

        @return: The answer, for JSON, or L{NOT_DONE_YET} where the request is taken
            over, or a L{Deferred} of either.
        @raise RealtimeError: It is refused.
        """
        raise NotImplementedError

    def originAllowed(self, origin: str) -> bool:
        """Whether pages of an origin may read the answers."""
        return False

    def render(self, request: BoundedRequest) -> Any:
        if any(request.postpath or ()):
            return self._respond(request, *_errorAnswer(request, nothingHere()))
        if self.cors:
            self._allowOrigin(request)
        method = request.method.decode("latin-1")
        if self.cors and method == "OPTIONS":
            request.setResponseCode(204)
            return b""
        if method not in self.methods and not (method == "HEAD" and "GET" in self.methods):
            request.setHeader(b"allow", ", ".join(self.methods).encode())
            refusal = RealtimeError("method_not_allowed", f"Use {' or '.join(self.methods)} here.")
            return self._respond(request, *_errorAnswer(request, refusal))
        try:
            if request.tooLarge:
                raise RealtimeError(
                    "too_large", f"A body has at most {request.channel.site.bodyBytes} bytes here."
                )
            answer = self.answer(request)
        except Exception:
            return self._respond(request, *self._failed(Failure(), request))
        if answer is NOT_DONE_YET:
            return NOT_DONE_YET
        if not isinstance(answer, Deferred):
            return self._respond(request, *answer)
        gone: list[Failure] = []
        request.notifyFinish().addErrback(gone.append)

        def finish(answered: Any) -> None:
            if answered is NOT_DONE_YET:
                return
            body = self._respond(request, *answered)
            if not gone:
                request.write(body)
                request.finish()

        answer.addErrback(self._failed, request).addCallback(finish)
        return NOT_DONE_YET

    def _failed(self, failure: Failure, request: Request) -> tuple[int, Any]:
        if isinstance(failure.value, RealtimeError):
            return _errorAnswer(request, failure.value)
        self.log.failure("a request failed", failure, path=request.path)
        return _errorAnswer(
            request, RealtimeError("internal_error", "The daemon failed; its log says how.")
        )

    def encode(self, body: Any) -> tuple[bytes, bytes]:
        """
        Make an answer's bytes.

        @return: The bytes, and their media type.
        """
        return encodeValue(body), b"application/json"

    def _respond(self, request: Request, status: int, body: Any) -> bytes:
        try:
            data, kind = self.encode(body)
        except Exception:
            status, body = self._failed(Failure(), request)
            data, kind = self.encode(body)
        # Twisted does not know the phrases of all.
        request.setResponseCode(status, HTTPStatus(status).phrase.encode())
        request.setHeader(b"content-type", kind)
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"content-length", str(len(data)).encode())
        return b"" if request.method == b"HEAD" else data

    def _allowOrigin(self, request: Request) -> None:
        """Answer as the Fetch standard's CORS protocol wants it (3.3)."""
        request.setHeader(b"vary", b"origin")
        origin = headerOf(request, "origin")
        if origin is not None and self.originAllowed(origin):
            request.setHeader(b"access-control-allow-origin", origin.encode("latin-1"))
            request.setHeader(b"access-control-allow-methods", ", ".join(self.methods).encode())
            request.setHeader(
                b"access-control-allow-headers", b"authorization, content-type, x-aerostack-key"
            )
            request.setHeader(b"access-control-max-age", b"600")


def _errorAnswer(request: Request, error: RealtimeError) -> tuple[int, Any]:
    body: dict[str, Any] = {"error": error.code, "message": error.message}
    if error.code == "upgrade_required":
        # RFC 9110, 15.5.22 and RFC 6455, 4.4.
        request.setHeader(b"upgrade", b"websocket")
        request.setHeader(b"sec-websocket-version", b"13")
    if error.retryAfter is not None:
        body["retryAfter"] = error.retryAfter
        request.setHeader(b"retry-after", str(-(-error.retryAfter // 1000)).encode())
    if error.http == 401:
        request.setHeader(b"www-authenticate", b"Bearer")
    return error.http, body


def nothingHere() -> RealtimeError:
    """
    What is said of a path that nobody serves.
    """
    return RealtimeError("not_found", "Nothing is served under this path.")


class RefusalResource(JSONResource):
    """
    What is not served, however it is asked for.
    """

    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

    def __init__(self, error: RealtimeError) -> None:
        """
        @param error: Why it is not.
        """
        super().__init__()
        self._error = error

    def answer(self, request: BoundedRequest) -> Any:
        # Raised, it would know the frame that knows us, and all of us would stay in memory.
        return _errorAnswer(request, self._error)


class NotFoundResource(RefusalResource):
    """
    Every path that is not another's.
    """

    def __init__(self) -> None:
        super().__init__(nothingHere())
