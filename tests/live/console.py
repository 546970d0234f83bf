"""
A daemon with a console, for tests of the console's API.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import SECRET_KEY, TOKEN_SECRET, makeProject
from tests.live.daemon import DaemonTests
from tests.live.wire import Wire

OTHER_SECRET = "sk_of_other_89abcdef"

ANN, BEN = "anonymous:ann", "anonymous:ben"


class ConsoleTests(DaemonTests):
    """
    Runs a daemon with a console.
    """

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(
                jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET),
                defaultRead=("anonymous", "key", "token"),
            ),
            "other": makeProject(
                id="other", publicKey="pk_of_other_89abcdef", secretKey=OTHER_SECRET
            ),
        }

    async def look(self, what: str, key: str = SECRET_KEY, **query: Any) -> Any:
        """
        Send a request to the API, and expect the status 200.
        """
        status, body, _ = await self.http(
            "GET", f"/internal/admin/{what}?{urlencode(query)}", Authorization=f"Bearer {key}"
        )
        self.assertEqual(status, 200, body)
        return body

    async def leave(self, wire: Wire) -> None:
        """
        Disconnect a client, and wait until the daemon has noticed.
        """
        here = self.connected
        wire.drop()
        await self.until(lambda: self.connected != here)
