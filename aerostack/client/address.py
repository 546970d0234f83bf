"""
Where a daemon is, and what it wants to see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from aerostack.core.descriptions import parseDescription
from aerostack.settings import Config

# Who listens everywhere listens on the loopback interface too.
_HERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Address:
    """
    A daemon to connect to, and as whom.

    @ivar url: C{ws://}, C{wss://} or C{ws+unix://} and a path.
    @ivar projectId: The project, if it is named.
    @ivar userId: The user to be, where the project believes it.
    @ivar key: An API key.
    @ivar token: A JWT.
    """

    url: str
    projectId: str | None = None
    userId: str | None = None
    key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)

    @property
    def path(self) -> str:
        """The path and query of the opening request."""
        named = {"projectId": self.projectId, "userId": self.userId}
        query = urlencode({name: value for name, value in named.items() if value})
        return f"/api/realtime?{query}" if query else "/api/realtime"

    @property
    def protocols(self) -> list[str]:
        """The subprotocols to offer."""
        offered = []
        if self.key:
            offered.append(f"aerostack-key.{self.key}")
        if self.token:
            offered.append(f"aerostack-token.{self.token}")
        return [*offered, "aerostack-v1"] if offered else []

    @property
    def unixPath(self) -> str | None:
        """The Unix socket to connect to, if it is one."""
        parts = urlsplit(self.url)
        return parts.path if parts.scheme == "ws+unix" else None


def addressOf(config: Config, projectId: str | None) -> Address:
    """
    Find the daemon that runs on a configuration, from the machine it runs on.

    @param projectId: One of its projects; L{None} for the first.
    @raise ValueError: It has no such project, or listens nowhere that can be
        connected to.
    """
    project = config.projects.get(projectId or next(iter(config.projects)))
    if project is None:
        raise ValueError(f"the configuration has no project {projectId}")
    for url in urlsOf(config):
        return Address(url, project.id, key=project.publicKey)
    raise ValueError("none of server.listen can be connected to from here; give --url")


def urlsOf(config: Config) -> list[str]:
    """
    Where the daemon that runs on a configuration can be reached on this machine.
    """
    urls = []
    for listen in config.server.listen:
        description = parseDescription(listen)
        options = description.options
        if description.kind == "unix":
            urls.append(f"ws+unix://{config.path.parent / options['address']}")
        elif description.kind != "systemd":
            scheme = "wss" if description.kind == "ssl" else "ws"
            host = _HERE.get(options["interface"], options["interface"])
            host = f"[{host}]" if ":" in host else host
            urls.append(f"{scheme}://{host}:{options['port']}")
    return urls
