"""
The files of the examples, and the requests of their pages.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

from twisted.internet.threads import deferToThread

from aerostack.settings.settings import Config
from aerostack.testing import SECRET_KEY, makeProject
from tests.live.daemon import DaemonTests
from tests.live.test_pages import Asking
from tests.web import EXAMPLES, Workshop, run

ORDER = "/examples/api/orders/create"
NAMES = ("orders", "chat", "document", "auction", "ai")


class ServerTests(DaemonTests):
    """
    Tests for the requests of the pages.
    """

    def config(self) -> Config:
        config = super().config()
        project = makeProject(origins=("http://127.0.0.1:*",))
        server = replace(config.server, examples=True)
        return replace(config, server=server, projects={"p": project})

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        """
        Send a request.

        @param body: Bytes, or a value that is sent as JSON.
        """
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer, _ = await self.http("POST", path, data, **headers)
        return status, answer

    async def refused(self, path: str, body: Any, **headers: str) -> tuple[int, str]:
        """
        Send a request, and expect a refusal.

        @return: The status and the code.
        """
        status, answer = await self.post(path, body, **headers)
        self.assertEqual(set(answer), {"error", "message"}, answer)
        return status, answer["error"]

    async def test_badBodies(self) -> None:
        """
        The servers refuse a body that is not a JSON object, or has wrong fields, and do nothing.
        """
        for body, code in (
            (b"", "invalid_json"),
            (b"{", "invalid_json"),
            (b"\xff", "invalid_json"),
            (b"[" * 5000 + b"]" * 5000, "too_deep"),
            (b"[]", "invalid_arguments"),
            (b"null", "invalid_arguments"),
            (b'"x"', "invalid_arguments"),
        ):
            self.assertEqual(await self.refused(ORDER, body), (400, code), body)
        self.assertEqual(await self.refused(ORDER, b" " * 2_000_000), (413, "too_large"))
        for path, given in (
            ("orders/update", {}),
            ("orders/update", {"id": "1", "status": "paid"}),
            ("orders/update", {"id": 1, "status": "x' OR 1=1"}),
            ("orders/update", {"id": 2**60, "status": "paid"}),
            ("orders/remove", {"id": [1]}),
            ("auction/look", {"lot": "x"}),
            ("auction/bid", {"lot": "lamp", "bidder": "a"}),
            ("auction/bid", {"lot": "lamp", "bidder": "a", "amount": 1e9}),
            ("auction/bid", {"lot": "lamp", "bidder": "a" * 41, "amount": 41}),
            ("ai/ask", {"stream": "../x", "question": "x"}),
        ):
            refusal = await self.refused(f"/examples/api/{path}", given)
            self.assertEqual(refusal, (400, "invalid_arguments"), (path, given))
        found = await self.query("SELECT name FROM sqlite_schema WHERE name IN ('orders', 'x')")
        self.assertEqual(found["results"], [])

    async def test_whatThereIsNot(self) -> None:
        """
        Other paths are 404, and a missing order is an error.
        """
        for path in ("/examples/api/orders/drop", "/examples/api/", "/examples/api/orders"):
            self.assertEqual(await self.refused(path, {}), (404, "not_found"), path)
        status, _, headers = await self.http("GET", ORDER)
        self.assertEqual(status, 405)
        self.assertEqual(headers.getRawHeaders("allow"), ["POST"])
        self.assertEqual((await self.post(ORDER, {}))[0], 200)
        update = "/examples/api/orders/update"
        status, answer = await self.post(update, {"id": 7, "status": "paid"})
        self.assertEqual((status, answer["message"]), (400, "There is no order 7."))
        bid = {"lot": "lamp", "bidder": "a", "amount": 1}
        status, answer = await self.post("/examples/api/auction/bid", bid)
        self.assertEqual((status, answer["error"], answer["kind"]), (400, "sql_error", "undefined"))

    async def test_whoMayAsk(self) -> None:
        """
        Pages of other origins are refused, whatever C{Host} they send, and so is every request
        through a proxy.
        """
        own = f"http://127.0.0.1:{self.port}"
        self.assertEqual((await self.post(ORDER, {}, Origin=own))[0], 200)
        for headers in (
            {"Origin": "http://evil.test"},
            {"Origin": "null"},
            {"Origin": "http://127.0.0.1:1"},
        ):
            refusal = await self.refused(ORDER, {}, **headers)
            self.assertEqual(refusal, (403, "origin_not_allowed"), headers)
        # The page's host name may resolve to this machine.
        refusal = await self.refused(ORDER, {}, Origin="http://evil.test", Host="evil.test")
        self.assertEqual(refusal, (403, "forbidden"))
        for proxy in ("X_Forwarded_For", "Via", "Forwarded", "X_Real_IP"):
            refusal = await self.refused(ORDER, {}, **{proxy: "127.0.0.1"})
            self.assertEqual(refusal, (403, "forbidden"), proxy)
        answer = await self.query("SELECT count(*) AS n FROM orders")
        self.assertEqual(answer["results"], [{"n": 1}])

    async def test_projectGone(self) -> None:
        """
        After the project is closed for anonymous clients, the examples are off.
        """
        config = self.daemon.config
        closed = {"p": makeProject(anonymous=False)}
        await self.reload(replace(config, projects=closed))
        self.assertEqual(await self.refused(ORDER, {}), (401, "unauthorized"))
        await self.reload(replace(config, projects={"q": makeProject(id="q")}))
        self.assertEqual(await self.refused(ORDER, {}), (404, "unknown_project"))

    async def test_node(self) -> None:
        """
        The code for a server on Node.js in the documentation runs unchanged.
        """
        await self.post(ORDER, {})
        watcher = await self.subscribed("orders")
        key = self.directory / "secret"
        key.write_text(f"{SECRET_KEY}\n")
        workshop = Workshop(self.directory / "shop", [EXAMPLES / "orders" / "ship.mjs"])
        url = f"http://127.0.0.1:{self.port}"
        command = ("node", "ship.mjs", url, str(key.absolute()), "1")
        self.assertEqual(await deferToThread(run, *command, folder=workshop.folder), "")
        frames = await watcher.frames(2)
        told = {frame.get("event", frame.get("operation")): frame["data"] for frame in frames}
        shipped = {"id": 1, "status": "shipped"}
        self.assertEqual(told, {"UPDATE": shipped, "order:updated": shipped})


class FileTests(Asking):
    """
    Tests for the files of the examples.
    """

    def config(self) -> Config:
        config = super().config()
        return replace(config, server=replace(config.server, examples=True))

    async def test_pages(self) -> None:
        """
        Every page exists and loads only files of the daemon.  All files that it names exist, and
        so does the code that it shows.
        """
        _, _, first = await self.ask("/")
        self.assertIn(b'<section aria-labelledby="examples-title" id="examples" >', first)
        self.assertIn(b'<a href="#examples" >', first)
        found = re.findall(r'href="(examples/\w+/)"', first.decode())
        linked = {urljoin("/", each) for each in found}
        self.assertEqual(linked, {f"/examples/{name}/" for name in NAMES})
        for page in (*linked, "/examples/chat/smallest.html"):
            status, headers, body = await self.ask(page)
            self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
            policy = headers["content-security-policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            if page == "/examples/document/":
                # The editor makes its styles itself.
                policy = policy.replace("style-src 'self' 'unsafe-inline'", "")
            self.assertNotIn("unsafe", policy)
            self.assertIn(b'name="project" content="p"', body)
            named = re.findall(r'(?:src|data-source|href)="(?!\?)([^"]+)"', body.decode())
            self.assertGreater(len(named), 2, page)
            for name in named:
                status, headers, _ = await self.ask(urljoin(page, name))
                self.assertEqual(status, 200, (page, name))
                self.assertEqual(headers["x-content-type-options"], "nosniff")
            shown = re.findall(r'data-source="([^"]+)" data-part="(\w+)"', body.decode())
            for name, part in shown:
                _, _, source = await self.ask(urljoin(page, name))
                marks = re.findall(rf"(?m)\[/?{part}\]$", source.decode())
                self.assertEqual(marks, [f"[{part}]", f"[/{part}]"], (page, name))

    async def test_withoutSlash(self) -> None:
        """
        The path of an example without its slash redirects to the one with it, and their folder to
        the list of them on the start page.
        """
        for path, code, place in (
            ("/examples/orders", 308, "orders/"),
            ("/examples", 308, "examples/"),
            ("/examples/", 302, "../#examples"),
        ):
            status, headers, _ = await self.ask(path)
            self.assertEqual((status, headers["location"]), (code, place))

    async def test_nothingElse(self) -> None:
        """
        No other file of the disk is served.
        """
        for path in (
            "/examples/orders/index.html",
            "/examples/orders/given.py",
            "/examples/orders/../../index.html",
            "/examples/%2e%2e/index.html",
            "/examples/server.py",
            "/examples/chat/server.py",
        ):
            status, _, body = await self.ask(path)
            self.assertEqual(status, 404, path)
            self.assertIn(b'"error":"not_found"', body, path)


class OffTests(Asking):
    """
    Tests for a daemon without the examples, which is the default.
    """

    async def test_off(self) -> None:
        """
        The daemon serves no example, and its start page does not link to them.
        """
        for path in ("/examples/orders/", "/examples/shared.js", ORDER):
            status, _, _ = await self.ask(path, "POST" if path == ORDER else "GET")
            self.assertEqual(status, 404, path)
        _, _, page = await self.ask("/")
        self.assertIn(b'<section aria-labelledby="examples-title" id="examples" hidden>', page)
        self.assertIn(b'<a href="#examples" hidden>', page)
