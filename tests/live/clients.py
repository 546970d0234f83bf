"""
The public Aerostack clients, byte for byte.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import jwt

from aerostack.settings.projects import JWTConfig, ProjectConfig
from aerostack.settings.settings import Config, HistoryConfig, ServerConfig
from aerostack.testing import TOKEN_SECRET, makeProject
from tests.live.daemon import ORIGIN, DaemonTests
from tests.live.wire import Frame, Refused, Wire

KEY = "dGhlIHNhbXBsZSBub25jZQ=="

CHROMIUM = """\
GET {path} HTTP/1.1
Host: 127.0.0.1:8787
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
Chrome/126.0.0.0 Safari/537.36
Upgrade: websocket
Origin: http://app.test
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-US,en;q=0.9
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: {protocols}

"""

NODE = """\
GET {path} HTTP/1.1
Sec-WebSocket-Version: 13
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Connection: Upgrade
Upgrade: websocket
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
Sec-WebSocket-Protocol: {protocols}
Host: localhost:8787

"""

PYTHON = """\
GET {path} HTTP/1.1
Host: localhost:8787
Upgrade: websocket
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Version: 13
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits
User-Agent: Python/3.12 websockets/12.0

"""

DART = """\
GET {path} HTTP/1.1
user-agent: Dart/3.4 (dart:io)
connection: Upgrade
cache-control: no-cache
accept-encoding: gzip
content-length: 0
sec-websocket-version: 13
sec-websocket-extensions: permessage-deflate; client_max_window_bits
host: localhost:8787
sec-websocket-protocol: {protocols}
sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==
upgrade: websocket

"""

GO = """\
GET {path} HTTP/1.1
Host: localhost:8787
User-Agent: Go-http-client/1.1
Connection: Upgrade
Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==
Sec-WebSocket-Protocol: {protocols}
Sec-WebSocket-Version: 13
Upgrade: websocket

"""


def makeToken(sub: str = "ann", **claims: Any) -> str:
    return jwt.encode({"sub": sub, **claims}, TOKEN_SECRET, "HS256")


class ClientTests(DaemonTests):
    """
    The base of the tests of the clients.
    """

    queryCredentials = False

    def projects(self) -> dict[str, ProjectConfig]:
        token = JWTConfig(algorithm="HS256", key=TOKEN_SECRET)
        return {
            "p": makeProject(origins=(ORIGIN,), dbQuery=True),
            "q": makeProject(
                id="q",
                publicKey="pk_of_q_23456789abcd",
                secretKey="sk_of_q_23456789abcd",
                anonymous=False,
                origins=("capacitor://localhost", "http://localhost:*"),
                jwt=token,
            ),
        }

    def config(self) -> Config:
        server = ServerConfig((), self.queryCredentials)
        return replace(super().config(), server=server, history=HistoryConfig(pageSize=300))

    async def opened(self, opening: str, path: str, protocols: str = "") -> Wire:
        """
        Open a WebSocket as a client does, and check that the client would accept the answer.
        """
        wire = await self.wire()
        request = opening.format(path=path, protocols=protocols).replace("\n", "\r\n")
        await wire.open(request.encode(), KEY.encode())
        self.assertNotIn("sec-websocket-extensions", wire.headers)
        chosen = "aerostack-v1" if protocols else None
        self.assertEqual(wire.headers.get("sec-websocket-protocol"), chosen)
        return wire

    async def refused(self, path: str, **headers: str) -> tuple[int, str, Refused]:
        """
        Open a WebSocket, and expect a refusal.
        """
        wire = await self.wire()
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        refusal = await self.assertFailure(wire.upgrade(path, sent), Refused)
        self.assertEqual(refusal.headers["content-type"], "application/json")
        self.assertLessEqual(set(refusal.body), {"error", "message", "retryAfter"})
        self.assertTrue(refusal.body["message"].endswith("."), refusal.body)
        return refusal.status, refusal.body["error"], refusal

    def told(self, frame: Frame, **fields: Any) -> None:
        """
        Check that a frame has exactly these fields, and the current time as its timestamp.
        """
        timestamp = frame.pop("timestamp")
        self.assertIs(type(timestamp), int)
        self.assertLess(abs(timestamp - time.time() * 1000), 60_000)
        self.assertEqual(frame, fields)
