"""
Reads HTTP requests, and finds out who sends them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol

from twisted.logger import Logger
from twisted.web.http import parse_qs
from twisted.web.server import Request

from aerostack.auth.authenticator import Authenticator, Credentials
from aerostack.core.access.permissions import Identity, Role
from aerostack.errors import RealtimeError
from aerostack.settings.addresses import isLoopback

TWISTED = Logger(namespace="twisted.web")
"""
The log of Twisted's classes.  A subclass of ours would log under its own name, and the daemon's log
would have a line of each client that Twisted times out.
"""

# Headers that proxies add.  The proxy may be on this machine, but its client is not.
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
    Whether a request comes from this machine.  It must come through a listener that the
    configuration calls local.

    The peer's address proves nothing: a proxy that adds no headers looks like any other program
    on this machine.  A request with a proxy's headers is not local.  A request whose C{Host} is
    not this machine's is not local either: a foreign page may have made its own name point here.
    """
    channel: Any = request.channel
    return (
        channel.site.local
        and all(headerOf(request, name) is None for name in _FORWARDED)
        and _namesHere(headerOf(request, "host") or "")
    )


# A name or an address, and perhaps a port (RFC 9110, 7.2).
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:@/\[\]]+)(?::[0-9]*)?")


def _namesHere(host: str) -> bool:
    name = host.partition(":")[0].lower()
    if not _HOST.fullmatch(host):
        return False
    return name == "localhost" or name.endswith(".localhost") or isLoopback(host)


def serverOf(request: Request, authenticator: Authenticator, now: float) -> Identity:
    """
    Verify the credentials in C{Authorization: Bearer}, as servers send them.

    @param now: The time in seconds.
    @raise RealtimeError: C{unauthorized}: there are no credentials, or they do not hold.
    """
    bearer = bearerOf(request, authenticator)
    if bearer is None:
        raise RealtimeError("unauthorized", "Bring Authorization: Bearer and the secret key.")
    return authenticator.identify(bearer, now)


def callerOf(
    request: Request, authenticator: Authenticator, now: float, topic: str = ""
) -> Identity:
    """
    Verify the credentials of a client: a key or a token in C{Authorization: Bearer}, the key in
    C{X-Aerostack-Key} beside a token, or, for an anonymous client, only the name of its project in
    C{X-Aerostack-Project}, in the URL, or behind the topic.

    @param now: The time in seconds.
    @param topic: The topic that the request is about, if it is about one.
    @raise RealtimeError: As L{Authenticator.identify}.
    """
    bearer = bearerOf(request, authenticator) or Credentials()
    project = headerOf(request, "x-aerostack-project") or queryOf(request).get("projectId")
    key = headerOf(request, "x-aerostack-key") or bearer.key
    behind = topic.rpartition("/")[2]
    if not (project or key or bearer.token) and behind in authenticator.projects:
        project = behind
    if not (project or key or bearer.token):
        raise RealtimeError(
            "unauthorized",
            "Bring Authorization: Bearer and the project's key or a token; where clients need none,"
            " name the project by ?projectId=.",
        )
    return authenticator.identify(
        Credentials(
            projectId=project, key=key, token=bearer.token, origin=headerOf(request, "origin")
        ),
        now,
    )


def operatorOf(request: Request, authenticator: Authenticator, now: float, what: str) -> Identity:
    """
    Make sure that a request has a project's secret key.

    @param now: The time in seconds.
    @param what: The beginning of a sentence that ends in "for the secret key".
    @raise RealtimeError: C{unauthorized} or C{forbidden}.
    """
    identity = serverOf(request, authenticator, now)
    if identity.role is not Role.SECRET:
        raise RealtimeError("forbidden", f"{what} for the secret key.")
    return identity


def queryOf(request: Request) -> Mapping[str, str]:
    """
    A request's URL parameters.  If one is repeated, its first value counts.

    @raise RealtimeError: C{invalid_arguments}: a parameter is not UTF-8.
    """
    return _parameters(request.args or {})


def readQuery(query: bytes) -> Mapping[str, str]:
    """
    Read the query of a URL; see L{queryOf}.
    """
    return _parameters(_parse(query))


def _parse(query: bytes) -> dict[bytes, list[bytes]]:
    parsed: dict[bytes, list[bytes]] = parse_qs(query, keep_blank_values=True)
    return parsed


def _parameters(args: Mapping[bytes, Sequence[bytes]]) -> Mapping[str, str]:
    try:
        return {name.decode("utf-8"): values[0].decode("utf-8") for name, values in args.items()}
    except UnicodeDecodeError:
        raise RealtimeError("invalid_arguments", "The URL's parameters are not UTF-8.") from None


def numberOf(query: Mapping[str, str], name: str, least: int) -> int | None:
    """
    Read a whole number among a request's URL parameters.

    @return: L{None} if the parameter is not there.
    @raise RealtimeError: C{invalid_arguments}: the value is not a whole number, or too small.
    """
    text = query.get(name)
    if text is None:
        return None
    # 16 digits hold every millisecond until the year 318857.
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) >= least):
        raise RealtimeError("invalid_arguments", f"{name} must be a whole number from {least}.")
    return int(text)


class RefusalNotes(Protocol):
    """
    Takes notice of requests that are refused.
    """

    def note(self, request: BoundedRequest, error: RealtimeError) -> None:
        """Note a request that is refused."""

    def noteUnread(self, channel: Any, error: RealtimeError) -> None:
        """
        Note a request that is refused before it was read.

        @param channel: The connection.
        """


class BoundedRequest(Request):
    """
    A request that stores no more of its body than the limit allows.

    @ivar tooLarge: Whether a part of the body was thrown away.
    """

    tooLarge = False
    content: IO[bytes]
    channel: Any

    @property
    def _log(self) -> Logger:  # type: ignore[override]
        return TWISTED

    def handleContentChunk(self, data: bytes) -> None:
        if self.content.tell() + len(data) > self.channel.site.bodyBytes:
            self.tooLarge = True
        if not self.tooLarge:
            super().handleContentChunk(data)

    def refused(self, error: RealtimeError) -> None:
        """
        Note that the request is refused.  A client that has gone does not get the answer.
        """
        if self.channel is not None and self.channel.site.notes is not None:
            self.channel.site.notes.note(self, error)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        Take a complete request.

        Twisted's own method parses forms on any path, before it knows the client, and takes half a
        second for a megabyte.  This one parses no forms.
        """
        self.content.seek(0)
        self.method, self.clientproto = command, version
        authority, self.uri = _originForm(path)
        if authority is not None:
            # The authority in the target overrides Host (RFC 9112, 3.2.2).
            self.requestHeaders.setRawHeaders(b"host", [authority])
        self.path, _, query = self.uri.partition(b"?")
        self.args = _parse(query)
        self.process()


def _originForm(target: bytes) -> tuple[bytes | None, bytes]:
    """
    Read a request's target in its absolute form, which all servers must accept (RFC 9112, 3.2.2).

    @return: The authority, L{None} for another form, and the path with its query.
    """
    scheme, separator, rest = target.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return None, target
    authority = re.split(rb"[/?]", rest, maxsplit=1)[0]
    path = rest[len(authority) :]
    return authority, path if path.startswith(b"/") else b"/" + path
