"""
The base classes of the daemon's HTTP resources.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from aerostack.auth.keysets import KeysAwaited
from aerostack.auth.origins import originRefused
from aerostack.errors import RealtimeError
from aerostack.net.http.head import Upgrader
from aerostack.net.http.requests import BoundedRequest, headerOf
from aerostack.protocol.codec import encodable, encodeValue

_log = Logger()


class JSONResource(Resource):
    """
    A resource whose answers and errors are JSON.

    Subclasses override L{answer}.

    @cvar methods: The HTTP methods that are served.
    @cvar cors: Whether pages of a project's origins may read the answers.
    @cvar corsHeaders: The headers that such a page may send.
    @cvar corsExposed: The headers of an answer that such a page may read.
    @ivar upgrader: Opens WebSockets on the path; L{None} if the path has none.
    """

    isLeaf = True
    methods: tuple[str, ...] = ("GET",)
    cors = False
    corsHeaders: tuple[str, ...] = ("authorization", "content-type", "x-aerostack-key")
    corsExposed: tuple[str, ...] = ()
    upgrader: Upgrader | None = None

    def answer(self, request: BoundedRequest) -> Any:
        """
        Answer a request.

        @return: The status and the body for JSON; or L{NOT_DONE_YET} if the resource has taken the
            request over; or a L{Deferred} of either.
        @raise RealtimeError: The request is refused.
        """
        raise NotImplementedError

    def originAllowed(self, origin: str) -> bool:
        """Whether pages of an origin may read the answers."""
        return False

    def takes(self, method: str) -> bool:
        """Whether L{answer} is asked about requests with a method."""
        return method in self.methods or (method == "HEAD" and "GET" in self.methods)

    def render(self, request: BoundedRequest) -> Any:
        if any(request.postpath or ()):
            return self._respond(request, *self._refuse(request, nothingHere()))
        stranger = self._allowOrigin(request) if self.cors else None
        method = request.method.decode("latin-1")
        if self.cors and method == "OPTIONS":
            request.setResponseCode(204)
            return b""
        if stranger is not None:
            return self._respond(request, *self._refuse(request, originRefused(stranger)))
        if not self.takes(method):
            request.setHeader(b"allow", ", ".join(self.methods).encode())
            refusal = RealtimeError("method_not_allowed", f"Use {' or '.join(self.methods)} here.")
            return self._respond(request, *self._refuse(request, refusal))
        try:
            if request.tooLarge:
                raise RealtimeError(
                    "too_large", f"A body has at most {request.channel.site.bodyBytes} bytes here."
                )
            answer = self._answer(request)
        except Exception:
            # The client gets an answer; unless the client is at fault, the log has the error.
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

    def _answer(self, request: Any) -> Any:
        """Answer a request; if its token has a new key, once the keys were fetched."""
        try:
            return self.answer(request)
        except KeysAwaited as awaited:
            return awaited.fetched.addCallback(lambda _: self._again(request))

    def _again(self, request: Any) -> Any:
        if request.channel is None:
            # The client has gone.
            return NOT_DONE_YET
        return self.answer(request)

    def _failed(self, failure: Failure, request: BoundedRequest) -> tuple[int, Any]:
        return self._refuse(request, refusalFor(failure, request.path))

    def errorBody(self, error: RealtimeError) -> Any:
        """
        Make the body of the answer to a request that is refused.
        """
        body: dict[str, Any] = {"error": error.code, "message": error.message}
        body.update(encodable(error.details))
        if error.retryAfter is not None:
            body["retryAfter"] = error.retryAfter
        return body

    def _refuse(self, request: BoundedRequest, error: RealtimeError) -> tuple[int, Any]:
        request.refused(error)
        if error.code == "upgrade_required":
            # RFC 9110, 15.5.22 and RFC 6455, 4.4.
            request.setHeader(b"upgrade", b"websocket")
            request.setHeader(b"sec-websocket-version", b"13")
        if error.retryAfter is not None:
            request.setHeader(b"retry-after", str(-(-error.retryAfter // 1000)).encode())
        if error.http == 401:
            request.setHeader(b"www-authenticate", b"Bearer")
        return error.http, self.errorBody(error)

    def encode(self, body: Any) -> tuple[bytes, bytes]:
        """
        Make an answer's bytes.

        @return: The bytes, and their media type.
        """
        return encodeValue(body), b"application/json"

    def _respond(self, request: BoundedRequest, status: int, body: Any) -> bytes:
        if status == HTTPStatus.NO_CONTENT:
            request.setResponseCode(status)
            return b""
        try:
            data, kind = self.encode(body)
        except Exception:
            # A value cannot be encoded: the client gets the error as the answer.
            status, body = self._failed(Failure(), request)
            data, kind = self.encode(body)
        # Twisted does not know the phrases of all codes.
        request.setResponseCode(status, HTTPStatus(status).phrase.encode())
        request.setHeader(b"content-type", kind)
        request.setHeader(b"cache-control", b"no-store")
        request.setHeader(b"content-length", str(len(data)).encode())
        return b"" if request.method == b"HEAD" else data

    def _allowOrigin(self, request: Request) -> str | None:
        """
        Answer as the Fetch standard's CORS protocol wants it (3.3).

        A page of an origin that no project allows may read the answer, too: it gets nothing but
        that refusal.

        @return: Such an origin; L{None} if the request may go on.
        """
        request.setHeader(b"vary", b"origin")
        origin = headerOf(request, "origin")
        if origin is not None:
            request.setHeader(b"access-control-allow-origin", origin.encode("latin-1"))
            request.setHeader(b"access-control-allow-methods", ", ".join(self.methods).encode())
            request.setHeader(b"access-control-allow-headers", ", ".join(self.corsHeaders).encode())
            if self.corsExposed:
                request.setHeader(
                    b"access-control-expose-headers", ", ".join(self.corsExposed).encode()
                )
            request.setHeader(b"access-control-max-age", b"600")
            if not self.originAllowed(origin):
                return origin
        return None


def refusalFor(failure: Failure, path: bytes) -> RealtimeError:
    """
    The error that a client gets because its request has failed.  Unless the client is at fault,
    the log gets the failure.

    @param path: The path of the request.
    """
    if isinstance(failure.value, RealtimeError):
        return failure.value
    _log.failure("a request failed", failure, path=path)
    return RealtimeError("internal_error", "The daemon failed; its log says how.")


def nothingHere() -> RealtimeError:
    """
    The error for a path that the daemon does not serve.
    """
    return RealtimeError("not_found", "Nothing is served under this path.")


class RefusalResource(JSONResource):
    """
    Answers every request with one error.
    """

    def __init__(self, error: RealtimeError) -> None:
        """
        @param error: The error.
        """
        super().__init__()
        self._error = error

    def takes(self, method: str) -> bool:
        return True

    def render(self, request: BoundedRequest) -> Any:
        # The refusal is for all paths below this one, too.
        request.postpath = []
        return super().render(request)

    def answer(self, request: BoundedRequest) -> Any:
        # A raised error refers to its frame, and the frame to this resource.  That circle would
        # stay in memory until the next garbage collection.
        return self._refuse(request, self._error)


class NotFoundResource(RefusalResource):
    """
    Answers for every path that has no other resource.
    """

    def __init__(self) -> None:
        super().__init__(nothingHere())


class PageResource(Resource):
    """
    A file or a page: a resource that is only read, and whose refusals are JSON as all others.

    Subclasses override L{read}.
    """

    isLeaf = True

    def read(self, request: BoundedRequest) -> bytes:
        """
        Answer a request, of the method GET or HEAD.

        @return: The body; empty for HEAD.
        """
        raise NotImplementedError

    def render(self, request: BoundedRequest) -> Any:
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", b"GET, HEAD")
            refusal = RealtimeError("method_not_allowed", "Use GET here.")
        else:
            try:
                return self.read(request)
            except Exception:
                # The client gets an answer; the log has the error.
                refusal = refusalFor(Failure(), request.path)
        return RefusalResource(refusal).render(request)


def redirect(request: Request, location: bytes, status: HTTPStatus) -> bytes:
    """
    Send a client to another path.

    @param location: The path, perhaps relative.
    @return: The body, which is empty: browsers do not show it.
    """
    request.setHeader(b"location", location)
    request.setResponseCode(status)
    return b""


class RedirectResource(PageResource):
    """
    Sends clients to another page.
    """

    def __init__(self, location: bytes) -> None:
        """
        @param location: See L{redirect}.
        """
        super().__init__()
        self._location = location

    def read(self, request: BoundedRequest) -> bytes:
        return redirect(request, self._location, HTTPStatus.FOUND)
