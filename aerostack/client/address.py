"""
Where a daemon is, and the credentials for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from aerostack.settings.listen import parseDescription
from aerostack.settings.settings import Config

# A server that listens on all interfaces can be reached on the loopback interface.
_HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}

# What a URL may begin with.
_SECURE = ("wss", "https")
_UNIX = ("ws+unix", "http+unix")
_SCHEMES = ("ws", "http", *_SECURE, *_UNIX)

# Credentials travel as subprotocols, which are tokens (RFC 9110, 5.6.2).
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True)
class Address:
    """
    A daemon to connect to, with the client's credentials.

    @ivar url: C{ws://}, C{wss://} or C{ws+unix://} and a path; C{http} may stand for C{ws}.
        It stays as it was given, so that messages name it so.  Behind a proxy that has a path for
        the daemon, with that path.
    @ivar projectId: The project, if the client names it.
    @ivar userId: The user to be, if the project trusts clients to say so.
    @ivar key: An API key.
    @ivar token: A JWT.
    @ivar session: A secret by which the daemon knows a client that comes back.
    """

    url: str
    projectId: str | None = None
    userId: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    session: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, given in (("url", self.url), ("key", self.key), ("token", self.token)):
            if not isinstance(given, str) and (given is not None or name == "url"):
                said = "None" if given is None else f"a value of the type {type(given).__name__}"
                raise TypeError(
                    f"the {name} is text, not {said}; is a variable of the environment not set?"
                )
        scheme, separator, rest = self.url.partition("://")
        url = f"{scheme.lower()}{separator}{rest.rstrip('/')}"
        # The dataclass is frozen; only this method sets a field.
        object.__setattr__(self, "url", url)
        if not _isAddress(url):
            # A URL that may have a password is not shown.
            shown = "that" if "@" in url else repr(url)
            raise ValueError(
                f"{shown} is no address of a daemon; write it as http://host:8787, https://host or"
                " http+unix:///path/of.sock (or with ws for http), without credentials and"
                " parameters"
            )
        for name, value in (("key", self.key), ("token", self.token)):
            if value is not None and not _TOKEN.fullmatch(value):
                raise ValueError(
                    f"the {name} is empty or has characters that cannot travel in a header;"
                    " was it read with its line end?"
                )

    @property
    def path(self) -> str:
        """The path and query of the opening request."""
        named = {"projectId": self.projectId, "userId": self.userId}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"{self.prefix}/api/realtime{'?' if query else ''}{query}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a connection over server-sent events."""
        named = {
            "X-Aerostack-Key": self.key,
            "Authorization": f"Bearer {self.token}" if self.token else None,
            "X-Aerostack-Client": self.session,
        }
        return {name: value for name, value in named.items() if value}

    @property
    def web(self) -> str:
        """The HTTP address before the daemon's paths."""
        return f"{'https' if self.secure else 'http'}://{self.authority}{self.prefix}"

    @property
    def prefix(self) -> str:
        """The path before the daemon's paths, as a proxy may have one."""
        return "" if self.unixPath else urlsplit(self.url).path

    @property
    def protocols(self) -> list[str]:
        """The subprotocols to offer."""
        offered = []
        if self.key:
            offered.append(f"aerostack-key.{self.key}")
        if self.token:
            offered.append(f"aerostack-token.{self.token}")
        if self.session:
            offered.append(f"aerostack-session.{self.session}")
        return [*offered, "aerostack-v1"] if offered else []

    @property
    def unixPath(self) -> str | None:
        """The path of the Unix socket to connect to, if the URL names one."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme in _UNIX else None

    @property
    def secure(self) -> bool:
        """Whether the daemon speaks TLS."""
        return urlsplit(self.url).scheme in _SECURE

    @property
    def host(self) -> str:
        """The host to connect to; C{localhost} for a Unix socket."""
        return urlsplit(self.url).hostname or "localhost"

    @property
    def port(self) -> int:
        """The port to connect to."""
        return urlsplit(self.url).port or (443 if self.secure else 80)

    @property
    def authority(self) -> str:
        """Host and port, as in a URL."""
        return "localhost" if self.unixPath else urlsplit(self.url).netloc


def _isAddress(url: str) -> bool:
    parts = urlsplit(url)
    try:
        where = parts.path if parts.scheme in _UNIX else parts.hostname and parts.port != 0
    except ValueError:
        return False
    odd = parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in _SCHEMES and bool(where) and not odd


def urlsOf(config: Config) -> list[str]:
    """
    Where the daemon that runs on a configuration can be reached on this machine; first
    the listeners that are for this machine only.
    """
    urls = []
    descriptions = [parseDescription(listen) for listen in config.server.listen]
    for description in sorted(descriptions, key=lambda each: not each.local):
        options = description.options
        if description.proxied:
            continue
        if description.kind == "unix":
            urls.append(f"ws+unix://{config.path.parent / options['address']}")
        elif description.kind != "systemd":
            scheme = "wss" if description.kind == "ssl" else "ws"
            host = _HERE.get(options["interface"], options["interface"])
            host = f"[{host}]" if ":" in host else host
            urls.append(f"{scheme}://{host}:{options['port']}")
    return urls
