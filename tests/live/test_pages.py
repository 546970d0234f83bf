"""
Files that the daemon serves to browsers.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha512

from twisted.internet.threads import deferToThread

from aerostack import __version__
from aerostack.net.http.files import clientPackage
from tests.live.daemon import DaemonTests
from tests.web import CLIENT, CONSOLE, run

Answer = tuple[int, dict[str, str], bytes]


class Asking(DaemonTests):
    """
    Requests files from a daemon.
    """

    async def ask(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """
        Request a path exactly as it is written.

        @return: The status, the headers by lower-case names, and the body.
        """
        wire = await self.wire()
        wire.keepRaw()
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        request = [f"{method} {path} HTTP/1.0", "Host: localhost", *lines, "", ""]
        wire.write("\r\n".join(request).encode())
        await wire.lost
        head, _, body = wire.received.partition(b"\r\n\r\n")
        status, *fields = head.decode().split("\r\n")
        pairs = (field.split(": ", 1) for field in fields)
        return int(status.split()[1]), {name.lower(): value for name, value in pairs}, body


class FileTests(Asking):
    """
    Tests for the start page, the console, and the client for browsers.
    """

    async def test_page(self) -> None:
        """
        The start page is HTML that may load nothing from other origins and cannot be framed.
        """
        status, headers, body = await self.ask("/")
        self.assertEqual(status, 200)
        self.assertEqual(headers["content-type"], "text/html; charset=utf-8")
        self.assertEqual(headers["x-content-type-options"], "nosniff")
        policy = headers["content-security-policy"]
        self.assertIn("default-src 'none'", policy)
        self.assertIn("frame-ancestors 'none'", policy)
        self.assertNotIn("access-control-allow-origin", headers)
        self.assertIn(b"<html", body.lower())
        self.assertNotIn(b"{{projectId}}", body)

    async def test_client(self) -> None:
        """
        Every module of the client is served unchanged, with its media type, to pages of any
        origin.
        """
        served = {
            ".js": "text/javascript; charset=utf-8",
            ".d.ts": "text/plain; charset=utf-8",
        }
        files = [
            (path, kind)
            for path in CLIENT.iterdir()
            for ending, kind in served.items()
            if path.name.endswith(ending)
        ]
        self.assertGreater(len(files), 5)
        for path, kind in files:
            status, headers, body = await self.ask(f"/client/{path.name}?v=1")
            self.assertEqual((status, body), (200, path.read_bytes()), path.name)
            self.assertEqual(headers["content-type"], kind)
            self.assertEqual(headers["content-length"], str(len(body)))
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertEqual(headers["access-control-allow-origin"], "*")

    async def test_package(self) -> None:
        """
        npm installs the client from the running daemon.  The package is served to all, and stays
        the same after a restart, so that the checksum in a lock file holds.
        """
        address = f"http://127.0.0.1:{self.port}/client/aerostack-rt.tgz"
        folder = self.directory / "app"
        folder.mkdir()
        (folder / "package.json").write_text('{"type": "module"}')
        quiet = ("--no-audit", "--no-fund", "--cache", str(self.directory / "cache"))
        await deferToThread(run, "npm", "install", *quiet, address, folder=folder)
        status, headers, body = await self.ask("/client/aerostack-rt.tgz")
        self.assertEqual((status, headers["content-type"]), (200, "application/gzip"))
        self.assertEqual(headers["access-control-allow-origin"], "*")
        self.assertEqual(body, clientPackage())
        lock = json.loads((folder / "package-lock.json").read_text())
        digest = b64encode(sha512(body).digest()).decode()
        entry = lock["packages"]["node_modules/aerostack-rt"]
        self.assertEqual((entry["integrity"], entry["version"]), (f"sha512-{digest}", __version__))
        tag = headers["etag"]
        status, _, _ = await self.ask("/client/aerostack-rt.tgz", If_None_Match=tag)
        self.assertEqual(status, 304)
        code = 'console.log(typeof (await import("aerostack-rt")).RealtimeClient)'
        shown = await deferToThread(
            run, "node", "--input-type=module", "--eval", code, folder=folder
        )
        self.assertEqual(shown, "function\n")

    async def test_console(self) -> None:
        """
        The console may load only its own files.  They are served with their media types, to no
        other pages, and include the library for charts.
        """
        status, headers, body = await self.ask("/console/")
        self.assertEqual((status, body), (200, (CONSOLE / "index.html").read_bytes()))
        policy = headers["content-security-policy"]
        for part in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"):
            self.assertIn(part, policy.split("; "))
        self.assertNotIn("unsafe", policy)
        self.assertEqual(headers["cross-origin-opener-policy"], "same-origin")
        kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
        paths = {path.name: path for path in CONSOLE.iterdir() if path.suffix in kinds}
        self.assertGreater(len(paths), 12)
        dist = CONSOLE / "node_modules" / "uplot" / "dist"
        paths |= {f"chart/{name}": dist / name for name in ("uPlot.esm.js", "uPlot.min.css")}
        for name, path in paths.items():
            status, headers, body = await self.ask(f"/console/{name}")
            self.assertEqual((status, body), (200, path.read_bytes()), name)
            self.assertEqual(headers["content-type"].partition(";")[0], kinds[path.suffix])
            self.assertEqual(headers["x-content-type-options"], "nosniff")
            self.assertEqual(headers["cross-origin-resource-policy"], "same-origin")
            self.assertNotIn("access-control-allow-origin", headers)

    async def test_consoleWithoutSlash(self) -> None:
        """
        The console's path without its slash redirects to the one with it.
        """
        status, headers, body = await self.ask("/console?x=1")
        self.assertEqual((status, headers["location"], body), (308, "console/", b""))

    async def test_manual(self) -> None:
        """
        The documentation is served, and its path without the slash redirects to it.
        """
        status, headers, _ = await self.ask("/docs")
        self.assertEqual((status, headers["location"]), (308, "docs/"))
        for path in ("/docs/", "/docs/console.html"):
            status, headers, body = await self.ask(path)
            self.assertEqual((status, headers["content-type"]), (200, "text/html; charset=utf-8"))
            self.assertIn("default-src 'none'", headers["content-security-policy"])
        self.assertIn(b"The console", body)

    async def test_consoleElsewhere(self) -> None:
        """
        A request through a proxy gets no file of the console and learns why, unless the console is
        open to all.  If the console is off, every request is 404.
        """
        for console, local, proxied in (
            ("loopback", 200, 403),
            ("everywhere", 200, 200),
            ("off", 404, 404),
        ):
            config = self.daemon.config
            await self.reload(replace(config, server=replace(config.server, console=console)))
            for path in ("/console/", "/console/main.js", "/console/chart/uPlot.esm.js"):
                status, _, _ = await self.ask(path)
                self.assertEqual(status, local, (console, path))
                status, _, body = await self.ask(path, X_Forwarded_For="127.0.0.1")
                self.assertEqual(status, proxied, (console, path))
                if proxied == 403:
                    self.assertIn(b"server.console", body)

    async def test_wayToConsole(self) -> None:
        """
        The start page links the console where that answers.  Where it does not, the page says how
        to turn it on, or from where it opens, also after a reload.
        """
        link, way = b'<a href="console/">', b'<a href="#console">'
        for console, headers, found in (
            ("loopback", {}, "link"),
            ("loopback", {"X_Forwarded_For": "127.0.0.1"}, "elsewhere"),
            ("everywhere", {"X_Forwarded_For": "127.0.0.1"}, "link"),
            ("off", {}, "off"),
        ):
            config = self.daemon.config
            await self.reload(replace(config, server=replace(config.server, console=console)))
            status, answered, body = await self.ask("/", **headers)
            self.assertEqual(status, 200)
            self.assertEqual((link in body, way in body), (found == "link", found != "link"))
            shown = re.findall(rb'<p data-console="([a-z]+)" >', body)
            self.assertEqual(shown, [] if found == "link" else [found.encode()])
            self.assertEqual(b'aria-labelledby="console" >' in body, found != "link")
            self.assertNotIn(b"{{", body)
            headers = {**headers, "If_None_Match": answered["etag"]}
            self.assertEqual((await self.ask("/", **headers))[0], 304)

    async def test_unchanged(self) -> None:
        """
        A conditional request gets 304 as long as the file has not changed.
        """
        _, headers, body = await self.ask("/client/realtime.js")
        self.assertEqual(headers["cache-control"], "no-cache")
        tag = headers["etag"]
        status, headers, again = await self.ask("/client/realtime.js", If_None_Match=tag)
        self.assertEqual((status, again, headers["etag"]), (304, b"", tag))
        status, _, again = await self.ask("/client/realtime.js", If_None_Match='"other"')
        self.assertEqual((status, again), (200, body))
        _, headers, _ = await self.ask("/client/connection.js")
        self.assertNotEqual(headers["etag"], tag)

    async def test_head(self) -> None:
        """
        C{HEAD} gets only the headers.
        """
        for path in ("/", "/client/realtime.js"):
            _, wanted, body = await self.ask(path)
            status, headers, nothing = await self.ask(path, "HEAD")
            self.assertEqual((status, nothing), (200, b""))
            self.assertEqual(headers["content-length"], str(len(body)))
            self.assertEqual(headers["etag"], wanted["etag"])

    async def test_nothingElse(self) -> None:
        """
        No other file of the disk is served, however a request asks for it.
        """
        for path in (
            "/client",
            "/client/",
            "/client/package.json",
            "/client/README.md",
            "/client/realtime.js/",
            "/client/realtime.js/x",
            "/client//realtime.js",
            "/client/./realtime.js",
            "/client/REALTIME.JS",
            "/client/../index.html",
            "/client/../__init__.py",
            "/client/%2e%2e/__init__.py",
            "/client/..%2f__init__.py",
            "/client/..%5c__init__.py",
            "/client/%2fetc%2fpasswd",
            "/client/realtime.js%00",
            "/shared",
            "/shared/",
            "/shared/dom.js/x",
            "/shared/../__init__.py",
            "/console/index.html",
            "/console/package.json",
            "/console/.npmrc",
            "/console/chart",
            "/console/chart/",
            "/console/chart/uPlot.cjs.js",
            "/console/node_modules/uplot/package.json",
            "/console/../index.html",
            "/console/main.js/",
            "/docs/../README.rst",
            "/docs/%2e%2e/README.rst",
            "/docs/..%2fREADME.rst",
            "/docs/conf.py",
            "/index.html",
            "/web/index.html",
            "/../../etc/passwd",
        ):
            status, _, body = await self.ask(path)
            self.assertEqual(status, 404, path)
            self.assertIn(b'"error":"not_found"', body, path)
