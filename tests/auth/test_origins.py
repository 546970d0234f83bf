"""
Tests of the origins from which L{aerostack.auth.authenticator} lets pages in.
"""

from __future__ import annotations

from aerostack.auth.origins import matchOrigin
from tests.auth.tokens import (
    BLOG_KEY,
    PUBLIC_KEY,
    SECRET_KEY,
    AuthTestCase,
    makeAuthenticator,
    makeProject,
    sign,
)


class OriginTests(AuthTestCase):
    """
    Tests of browser origins.
    """

    def test_closed(self) -> None:
        """
        A page is refused unless its origin is allowed; a program, which has no origin, is not.
        """
        self.make()
        message = self.refused("origin_not_allowed", key=PUBLIC_KEY, origin="https://a.example")
        self.assertIn("https://a.example", message)
        self.assertIn("projects.shop.origins", message)
        for origin in ("null", "file://"):
            message = self.refused(
                "origin_not_allowed", projectId="shop", token=sign(), origin=origin
            )
            self.assertIn("over HTTP", message)
        self.refused("origin_not_allowed", key=PUBLIC_KEY, origin="")
        self.assertEqual(self.identify(key=PUBLIC_KEY).project, "shop")

    def test_ofTheProject(self) -> None:
        """
        Each project allows only the pages of its own origins.
        """
        self.auth = makeAuthenticator(
            makeProject(origins=("https://shop.example",)),
            makeProject("blog", publicKey=BLOG_KEY, origins=("https://blog.example",)),
        )
        self.identify(key=PUBLIC_KEY, origin="https://shop.example")
        self.refused("origin_not_allowed", key=BLOG_KEY, origin="https://shop.example")
        self.assertTrue(self.auth.originAllowed("https://blog.example"))
        self.assertFalse(self.auth.originAllowed("https://evil.example"))

    def test_secretKey(self) -> None:
        """
        The secret key is refused from every page, even from an allowed origin.
        """
        self.auth = makeAuthenticator(makeProject(origins=("*",)))
        message = self.refused("forbidden", key=SECRET_KEY, origin="https://shop.example")
        self.assertIn("public key", message)

    def test_match(self) -> None:
        """
        An origin matches as a whole, by one port, any port, or anything.
        """
        for pattern, origin in (
            ("https://a.example", "https://a.example"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://localhost:*", "http://localhost:8080"),
            ("http://localhost:*", "http://localhost"),
            ("http://[::1]:*", "http://[::1]:3000"),
            ("http://[::1]:*", "http://[::1]"),
            ("*", "https://a.example"),
            ("https://*.a.example", "https://b.a.example"),
            ("https://*.a.example", "https://c.b.a.example"),
            ("https://*.a.example:8443", "https://b.a.example:8443"),
            ("https://*.a.example:*", "https://b.a.example:8443"),
            ("*", "null"),
        ):
            self.assertTrue(matchOrigin(("https://x.example", pattern), origin), (pattern, origin))

    def test_noMatch(self) -> None:
        """
        An origin that only begins or ends like an allowed one does not match.
        """
        for pattern, origin in (
            ("https://a.example", "http://a.example"),
            ("https://a.example", "https://a.example:8443"),
            ("https://a.example", "https://a.example.evil.example"),
            ("https://a.example", "https://evil-a.example"),
            ("https://a.example", "https://b.a.example"),
            ("https://a.example", "https://a.example/"),
            ("http://localhost:*", "http://localhost.evil.example"),
            ("http://localhost:*", "http://localhost:80@evil.example"),
            ("http://localhost:*", "http://localhost:80.evil.example"),
            ("http://localhost:*", "http://localhost:"),
            ("http://localhost:*", "http://localhost:80\n"),
            ("http://localhost:*", "https://localhost:80"),
            ("http://[::1]:*", "http://[::2]:80"),
            ("https://*.a.example", "https://a.example"),
            ("https://*.a.example", "https://.a.example"),
            ("https://*.a.example", "https://evila.example"),
            ("https://*.a.example", "http://b.a.example"),
            ("https://*.a.example", "https://b.a.example:8443"),
            ("https://*.a.example", "https://b.a.example.evil.example"),
            ("https://*.a.example", "https://evil.example/b.a.example"),
            ("https://*.a.example", "null"),
            ("https://a.example", "null"),
            ("https://a.example", "*"),
        ):
            self.assertFalse(matchOrigin((pattern,), origin), (pattern, origin))
        self.assertFalse(matchOrigin((), "https://a.example"))
