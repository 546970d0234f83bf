"""
Tests for L{aerostack.core.conninfo}.
"""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.core.conninfo import parseConninfo

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


class ParseTests(SynchronousTestCase):
    """
    Tests for L{parseConninfo}.
    """

    def test_options(self) -> None:
        """
        What a URL says comes to libpq by its own keywords.
        """
        for url, options in (
            (
                "postgresql://rt@db.test:5433/shop?sslmode=verify-full",
                {
                    **{"user": "rt", "host": "db.test", "port": "5433", "dbname": "shop"},
                    "sslmode": "verify-full",
                },
            ),
            ("postgres:///shop", {"dbname": "shop"}),
            ("postgresql://h/shop", {"host": "h", "dbname": "shop"}),
            ("postgresql://h:/shop", {"host": "h", "dbname": "shop"}),
            ("postgresql://[::1]:5/d", {"host": "::1", "port": "5", "dbname": "d"}),
            (
                "postgresql:///d?host=/run/postgresql&port=6",
                {"dbname": "d", "host": "/run/postgresql", "port": "6"},
            ),
            ("postgresql://%2Frun%2Fpg/d", {"host": "/run/pg", "dbname": "d"}),
            (
                "postgresql://a:1,b/d?target_session_attrs=read-write",
                {
                    **{"host": "a,b", "port": "1,", "dbname": "d"},
                    "target_session_attrs": "read-write",
                },
            ),
            ("postgresql://u%40x@h/my%20shop", {"user": "u@x", "host": "h", "dbname": "my shop"}),
            ("postgresql://h?dbname=d&user=u", {"host": "h", "dbname": "d", "user": "u"}),
        ):
            self.assertEqual(parseConninfo(url).options, options, url)

    def test_password(self) -> None:
        """
        A password is read wherever it stands, and is in nothing else that is shown.
        """
        for url, shown in (
            ("postgresql://rt:s%20ecret@h:5/d", "postgresql://rt@h:5/d"),
            ("postgresql://rt@h:5/d?password=s%20ecret", "postgresql://rt@h:5/d"),
            (
                "postgresql://rt@h:5/d?sslmode=require&password=s%20ecret",
                "postgresql://rt@h:5/d?sslmode=require",
            ),
            ("postgresql://:s%20ecret@/d", "postgresql:///d"),
        ):
            info = parseConninfo(url)
            self.assertEqual((info.password, info.url), ("s ecret", shown))
            self.assertNotIn("ecret", f"{info!r}{info.options}")
        for url in ("postgresql://rt@h/d", "postgresql://rt:@h/d"):
            self.assertIsNone(parseConninfo(url).password)

    def test_malformed(self) -> None:
        """
        A mistake is told without showing what may be a password.
        """
        for url, said in (
            ("postgresql://rt:pw/pw@h/d", "%2F"),
            ("postgresql://rt:pw?pw@h/d", "%3F"),
            ("postgresql://rt:pw#pw@h/d", "%23"),
            ("postgresql://rt:pw@pw@h/d#x", "%40"),
            ("postgresql://rt:pw%zz@h/d", "begins no character"),
            ("postgresql://rt:pw%00@h/d", "begins no character"),
            ("postgresql://h:0/d", "host:port"),
            ("postgresql://h:65536/d", "host:port"),
            ("postgresql://h:" + "9" * 5000 + "/d", "host:port"),
            ("postgresql://h:pw/d", "host:port"),
            ("postgresql://a,b:pw/d", "host:port"),
            ("postgresql://::1/d", "host:port"),
            ("postgresql://rt:pw@h", "no database"),
            ("postgresql://rt:pw@h/", "no database"),
            ("postgresql://h/d/e", "malformed"),
            ("postgresql://h/d?sslmod=require", "did you mean 'sslmode'"),
            ("postgresql://h/d?options=-c%20x=y", "not known"),
            ("postgresql://h/d?sslmode", "not known"),
            ("postgresql://h/d?sslmode=on", "verify-full"),
            ("postgresql://h/d?port=1&port=2", "port twice"),
        ):
            error = str(self.assertRaises(ValueError, parseConninfo, url))
            self.assertIn(said, error, url)
            self.assertNotIn("pw", error)

    def test_files(self) -> None:
        """
        Files are moved to where they are, what is no file's name stays.
        """
        info = parseConninfo("postgresql://h/d?sslrootcert=ca.pem&sslmode=require&sslkey=k%201")
        moved = info.withFiles(lambda name: f"/etc/{name}")
        self.assertEqual(
            moved.url,
            "postgresql://h/d?sslrootcert=/etc/ca.pem&sslmode=require&sslkey=/etc/k%201",
        )
        self.assertEqual(moved.options["sslkey"], "/etc/k 1")
        system = parseConninfo("postgresql://h/d?sslrootcert=system")
        self.assertEqual(system.withFiles(lambda name: "/etc").options["sslrootcert"], "system")

    @given(TEXT, TEXT, TEXT, TEXT)
    @example(",", ",", ",", ",")
    def test_anyText(self, user: str, password: str, database: str, host: str) -> None:
        """
        Whatever a name or a password consists of, escaped it comes through, and the
        shown URL means the same without the password.
        """
        query = f"host={quote(host, '')}"
        names = f"{quote(user, '')}:{quote(password, '')}@/{quote(database, '')}"
        info = parseConninfo(f"postgresql://{names}?{query}")
        self.assertEqual(info.password, password)
        self.assertEqual(info.options, {"user": user, "dbname": database, "host": host})
        again = parseConninfo(info.url)
        self.assertEqual((again.options, again.password), (info.options, None))
