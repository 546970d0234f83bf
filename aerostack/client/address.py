"""
Where a daemon is, and what it wants to see.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from aerostack.settings import Config


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
    for listen in config.server.listen:
        kind, _, rest = listen.partition(":")
        first, *options = rest.split(":")
        if kind in ("tcp", "ssl"):
            named = dict(option.partition("=")[::2] for option in options)
            host = named.get("interface") or "127.0.0.1"
            host = "127.0.0.1" if host == "0.0.0.0" else host
            scheme = "ws" if kind == "tcp" else "wss"
            url = f"{scheme}://{host}:{first.removeprefix('port=')}"
            return Address(url, project.id, key=project.publicKey)
        if kind == "unix":
            path = (config.path.parent / first.removeprefix("address=")).resolve()
            return Address(f"ws+unix://{path}", project.id, key=project.publicKey)
    raise ValueError("none of server.listen can be connected to from here; give --url")
