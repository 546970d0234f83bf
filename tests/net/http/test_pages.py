"""
Tests for the resources that are files and pages.
"""

from __future__ import annotations

import io
import json

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from aerostack.net.http.base import PageResource, RedirectResource
from aerostack.net.http.files import FileResource
from aerostack.net.http.manual import Manual, ManualResource
from aerostack.net.http.requests import BoundedRequest
from aerostack.process.logs import makeObserver
from tests.net.http.sites import SiteUnderTest

PATHS = ("/file.js", "/docs", "/docs/index.html", "/list/")


class Broken(PageResource):
    """
    A page that cannot be read.
    """

    def read(self, request: BoundedRequest) -> bytes:
        raise PermissionError("not yours")


class PageTests(SynchronousTestCase):
    """
    Asks a site with a file, a redirect and the documentation, whose log is as that of a daemon.
    """

    def setUp(self) -> None:
        self.log = io.StringIO()
        observer = makeObserver(self.log, "text", "info")
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.site = SiteUnderTest(
            pages={
                "file.js": FileResource(b"1;", "text/javascript", {}),
                "list/": RedirectResource(b"../#list"),
                "docs": ManualResource(Manual.find()),
                "broken": Broken(),
            }
        )

    def ask(self, method: str, path: str) -> tuple[int, bytes, bytes]:
        """
        Send a request.

        @return: The status, the head and the body of the answer.
        """
        wire = self.site.connect()
        self.site.write(wire, f"{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        head, _, body = wire.answer().partition(b"\r\n\r\n")
        return int(head.split()[1]), head, body

    def test_otherMethods(self) -> None:
        """
        A request that does more than read gets a refusal in JSON, which names the methods.
        """
        for path in PATHS:
            for method in ("POST", "PUT", "OPTIONS", "TRACE", "ANY"):
                status, head, body = self.ask(method, path)
                self.assertEqual(status, 405, (method, path))
                self.assertIn(b"\r\nAllow: GET, HEAD\r\n", head)
                self.assertEqual(json.loads(body)["error"], "method_not_allowed")

    def test_broken(self) -> None:
        """
        A page that the daemon cannot read is answered in JSON, and the log says why.
        """
        status, _, body = self.ask("GET", "/broken")
        self.assertEqual((status, json.loads(body)["error"]), (500, "internal_error"))
        self.assertEqual(len(self.flushLoggedErrors(PermissionError)), 1)
        self.assertIn("not yours", self.log.getvalue())

    def test_nothingThere(self) -> None:
        """
        Where nothing is served, the refusal is the same for each method.
        """
        for method in ("GET", "TRACE", "ANY"):
            status, _, body = self.ask(method, "/nothing")
            self.assertEqual((status, json.loads(body)["error"]), (404, "not_found"), method)

    def test_quiet(self) -> None:
        """
        The log has no line about strangers who ask for the heads of pages, or who send nothing.
        """
        for path in PATHS:
            self.assertLess(self.ask("HEAD", f"{path}?token=abc")[0], 400)
        wire = self.site.connect()
        self.site.world.clock.advance(self.site.limits.handshakeTimeout)
        self.assertTrue(wire.disconnecting)
        self.site.write(self.site.connect(), b"GET /file.js HTTP/1.1\r\nHost: a\r\n")
        self.site.world.clock.advance(self.site.limits.handshakeTimeout)
        self.assertEqual(self.log.getvalue(), "")

    def test_longNames(self) -> None:
        """
        A name that is too long for the system's files is not found, and the log does not say so as
        a fault of the daemon.
        """
        for path in (f"/docs/{'a' * 300}.html", f"/docs/{'a' * 300}.css", f"/docs/{'a/' * 3000}"):
            self.assertEqual(self.ask("GET", path)[0], 404)
        self.assertNotIn("critical", self.log.getvalue())
