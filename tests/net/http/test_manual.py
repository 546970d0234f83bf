"""
Tests for L{aerostack.net.http.manual}.
"""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from aerostack.errors import RealtimeError
from aerostack.net.http import manual as module
from aerostack.net.http.manual import Manual, ManualResource

SCRIPT = "document.body.dataset.theme = 'auto';"

PAGE = f"""<html><script src="_static/a.js"></script>
<script>{SCRIPT}</script><form action="search.html"></form></html>"""


class _Request(DummyRequest):
    tooLarge = False

    def refused(self, error: RealtimeError) -> None:
        """Take no notice."""

    def setETag(self, tag: bytes) -> None:
        self.setHeader(b"etag", tag)


class ManualTests(SynchronousTestCase):
    """
    Has the documentation in folders of its own.
    """

    def setUp(self) -> None:
        folder = Path(self.mktemp()).absolute()
        self.built, self.sources = folder / "built", folder / "docs"
        for each in (self.built, self.sources):
            each.mkdir(parents=True)
        (folder / "OUTSIDE.rst").write_text("Outside\n=======\n`docs/x.rst`_\n")
        (self.sources / "index.rst").write_text(
            "The <start>\n===========\n\n:doc:`other`, :doc:`x <y>`"
        )
        (self.sources / "other.rst").write_text(".. include:: ../OUTSIDE.rst\n")
        self.resource = ManualResource(Manual((self.built,), self.sources))

    def build(self) -> None:
        """
        Build the pages.
        """
        (self.built / "_static").mkdir()
        (self.built / "_static" / "a.js").write_text("1;")
        (self.built / "secret.key").write_text("no page")
        (self.built / "index.html").write_text(PAGE)

    def ask(self, path: str) -> tuple[int, str, str]:
        """
        Request a path below C{/docs/}.

        @return: The status, the policy and the body.
        """
        request = _Request([])
        request.path = b"/docs/" + path.encode()
        request.prepath, request.postpath = [b"docs"], [part.encode() for part in path.split("/")]
        body = self.resource.render(request)
        headers = request.responseHeaders
        (policy,) = headers.getRawHeaders("content-security-policy", [""])
        return request.responseCode or 200, policy, body.decode()

    def test_sources(self) -> None:
        """
        Without built pages, each page shows the text of its source, with links to other pages.
        """
        status, policy, body = self.ask("")
        self.assertEqual(status, 200)
        self.assertIn("The &lt;start&gt;\n=", body)
        self.assertIn('<a href="other.html">other</a>, <a href="y.html">x</a>', body)
        self.assertIn("script-src 'self';", policy)
        self.assertIn("make docs", body)
        body = self.ask("other.html")[2]
        self.assertIn("Outside\n=======", body)
        self.assertIn('<a href="x.html">x</a>', body)

    def test_built(self) -> None:
        """
        Pages that are built while the daemon runs are served at once.  A page may run the scripts
        that it has inside, and no others.
        """
        self.ask("")
        self.build()
        status, policy, body = self.ask("")
        self.assertEqual((status, body), (200, PAGE))
        digest = b64encode(sha256(SCRIPT.encode()).digest()).decode()
        self.assertIn(f"script-src 'self' 'sha256-{digest}';", policy)
        self.assertNotIn("script-src 'self' 'unsafe", policy)
        self.assertIn("form-action 'self'", policy)
        self.assertEqual(self.ask("_static/a.js"), (200, "", "1;"))

    def test_changed(self) -> None:
        """
        A page that was built again is read again.
        """
        self.build()
        self.ask("index.html")
        (self.built / "index.html").write_text("new")
        self.assertEqual(self.ask("index.html")[2], "new")

    def test_nothingElse(self) -> None:
        """
        No file outside of the folder, and none of another kind, is served.
        """
        paths = ("../OUTSIDE.rst", "..", "../docs/index.rst", "./index.html", "x.html", "a\0.html")
        for built in (False, True):
            if built:
                self.build()
            for path in (
                *paths,
                "index.html/",
                "index.html/x",
                "secret.key",
                "/index.html",
                ".x.html",
            ):
                self.assertEqual(self.ask(path)[0], 404, (built, path))

    def test_without(self) -> None:
        """
        A package without its documentation says so.
        """
        self.resource = ManualResource(Manual((self.built,), None))
        status, _, body = self.ask("")
        self.assertEqual(status, 404)
        self.assertIn("make wheel", json.loads(body)["message"])

    def test_here(self) -> None:
        """
        A checkout has the sources of its documentation.
        """
        manual = Manual.find()
        self.assertTrue(manual.exists)
        assert manual.sources is not None
        self.assertTrue((manual.sources / "console.rst").is_file())

    def test_installed(self) -> None:
        """
        An installed package has the sources of its documentation beside it.
        """
        self.patch(module, "files", lambda package: self.built / "aerostack" / "web")
        self.patch(module, "findBeside", lambda name: self.sources.parent / name)
        self.assertEqual(Manual.find().sources, self.sources)
        self.patch(module, "findBeside", lambda name: None)
        self.assertFalse(Manual.find().exists)
