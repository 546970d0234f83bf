"""
Requests over HTTP, for tests against a running daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.testing import SECRET_KEY, TOKEN_SECRET, makeProject
from tests.live.daemon import DaemonTests

RPC = "/internal/hooks/rpc"


class HTTPTests(DaemonTests):
    """
    The base of the tests of the daemon's HTTP side.
    """

    limits: Mapping[str, Any] = {"querySeconds": 0.2, "queryRows": 100, "bodyBytes": 4096}

    def projects(self) -> dict[str, ProjectConfig]:
        return {
            "p": makeProject(jwt=JWTConfig(algorithm="HS256", key=TOKEN_SECRET), dbQuery=True),
            "quiet": makeProject(
                id="quiet", publicKey=None, secretKey="sk_of_quiet_89abcdef", dbQuery=False
            ),
        }

    async def assertRefused(
        self, status: int, code: str, method: str, *args: Any, key: str = SECRET_KEY
    ) -> str:
        """
        Check that a call is refused.

        @return: The message.
        """
        answered, body = await self.rpc(method, *args, key=key)
        self.assertEqual((answered, body.get("error")), (status, code), args)
        self.assertTrue(body["message"].endswith("."), body)
        message: str = body["message"]
        return message
