"""
Tests for L{aerostack.config.advice}.
"""

from __future__ import annotations

from tests.config.loading import DATABASE, KEY, LoadCase

PUBLIC = '[server]\nlisten = ["tcp:8787"]\n'
HERE = '[server]\nlisten = ["tcp:8787:interface=127.0.0.1", "unix:/run/rt.sock"]\n'
KEYED = f'[projects.p]\nsecret_key = "{KEY}"\n'
TOKENS = f'[projects.p.jwt]\nalgorithm = "HS256"\nkey = "{KEY * 2}"\n'
FOLLOWED = '[tracker]\ntables = ["orders", "shop_*"]\n'


class AdviceTests(LoadCase):
    """
    Tests for L{advise<aerostack.config.advice.advise>}.
    """

    def advice(self, text: str, server: str = HERE) -> list[str]:
        """
        @return: The dotted keys of the warnings about a configuration.
        """
        return [each.partition(": ")[0] for each in self.load(server + DATABASE + text).warnings]

    def test_anonymous(self) -> None:
        """
        A project for anonymous clients is warned of, if other machines reach an address.
        """
        text = "[projects.p]\nanonymous = true\n"
        self.assertEqual(self.advice(text), [])
        for listen in ("tcp:8787", "tcp6:8787", "haproxy:tcp:8787:interface=10.0.0.5"):
            server = f'[server]\nlisten = ["unix:/run/a", "{listen}"]\n'
            self.assertEqual(self.advice(text, server), ["projects.p.anonymous"], listen)

    def test_provider(self) -> None:
        """
        A key set that comes unencrypted from another machine is warned of.
        """
        for url, warned in (
            ("https://login.test/", False),
            ("http://127.0.0.1:8080/", False),
            ("http://localhost/", False),
            ("http://login.test/", True),
        ):
            text = f'{KEYED}jwt = {{ algorithm = "RS256", jwks_url = "{url}" }}\n'
            expected = ["projects.p.jwt.jwks_url"] if warned else []
            self.assertEqual(self.advice(text), expected, url)

    def test_console(self) -> None:
        """
        A console for everywhere is warned of, if other machines reach an address without TLS.
        """
        console = 'console = "everywhere"\n'
        self.assertEqual(self.advice(KEYED, HERE + console), [])
        self.assertEqual(self.advice(KEYED, PUBLIC + console), ["server.console"])
        self.assertEqual(self.advice(KEYED, PUBLIC), [])
        (self.base / "key.pem").touch(0o600)
        secure = '[server]\nlisten = ["ssl:443:privateKey=key.pem"]\n'
        self.assertEqual(self.advice(KEYED, secure + console), [])

    def test_tokens(self) -> None:
        """
        A right of clients with tokens is warned of, where no token is accepted.
        """
        rule = '[tables.orders]\nread = ["key", "token"]\n'
        default = 'default_read = ["token"]\n'
        own = '[projects.p.tables.orders]\nread = ["token"]\n'
        text = FOLLOWED + rule + KEYED + default + own
        self.assertEqual(
            self.advice(text),
            ["tables.'orders'.read", "projects.p.tables.'orders'.read", "projects.p.default_read"],
        )
        self.assertEqual(self.advice(text + TOKENS), [])
        other = TOKENS.replace("projects.p", "projects.q")
        self.assertEqual(
            self.advice(text + other),
            ["projects.p.tables.'orders'.read", "projects.p.default_read"],
        )

    def test_nobody(self) -> None:
        """
        A rule for anonymous clients alone is warned of, where they are not let in.
        """
        rule = FOLLOWED + '[tables.orders]\nread = ["anonymous"]\n'
        self.assertEqual(self.advice(rule + KEYED), ["tables.'orders'.read"])
        self.assertEqual(self.advice(rule + KEYED + "anonymous = true\n"), [])
        wider = rule.replace('"anonymous"', '"anonymous", "key"')
        self.assertEqual(self.advice(wider + KEYED), [])

    def test_unfollowed(self) -> None:
        """
        A rule for tables that cannot be subscribed is warned of.
        """
        for pattern, followed in (
            ("orders", True),
            ("shop_items", True),
            ("*_items", True),
            ("audit", False),
            ("order", False),
            ("audit_*", False),
        ):
            rule = f'[tables."{pattern}"]\nhidden = ["a"]\n'
            expected = [] if followed else [f"tables.'{pattern}'"]
            self.assertEqual(self.advice(FOLLOWED + rule + KEYED), expected)
        rule = '[projects.p.tables.orders]\nhidden = ["a"]\n'
        self.assertEqual(self.advice(KEYED + rule), ["projects.p.tables.'orders'"])
