"""
Tests for L{aerostack.settings.conninfo}.
"""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.databases.postgres.connection import conninfoOf

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


class ParseTests(SynchronousTestCase):
    """
    Tests for L{aerostack.settings.conninfo.parseConninfo}, with libpq's reader.
    """

    def test_options(self) -> None:
        """
        The options of a URL have libpq's keywords.
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
            (
                "postgresql://my user@h/my shop",
                {"user": "my user", "host": "h", "dbname": "my shop"},
            ),
            ("postgresql://h:1/d?host=i&port=2", {"host": "i", "port": "2", "dbname": "d"}),
        ):
            self.assertEqual(conninfoOf(url).options, options, url)

    def test_password(self) -> None:
        """
        A password is found at every place, and no other attribute shows it.
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
            info = conninfoOf(url)
            self.assertEqual((info.password, info.url), ("s ecret", shown))
            self.assertNotIn("ecret", f"{info!r}{info.options}")
        for url in ("postgresql://rt@h/d", "postgresql://rt:@h/d"):
            self.assertIsNone(conninfoOf(url).password)

    def test_malformed(self) -> None:
        """
        The message about a mistake does not show what may be a password.
        """
        for url, said in (
            ("postgresql://rt:pw/pw@h/d", "%2F"),
            ("postgresql://rt:pw?pw@h/d", "not known"),
            ("postgresql://rt:5?pw@h/d", "not known"),
            ("postgresql://rt:5/pw@h/d", "%2F"),
            ("postgresql://rt:pw%C3@h/d", "%25"),
            ("postgresql://[::1/pw", "cannot be read"),
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
            error = str(self.assertRaises(ValueError, conninfoOf, url))
            self.assertIn(said, error, url)
            self.assertNotIn("pw", error)

    def test_files(self) -> None:
        """
        Paths of files are made absolute, and other values stay.
        """
        info = conninfoOf("postgresql://h/d?sslrootcert=ca.pem&sslmode=require&sslkey=k%201")
        moved = info.withFiles(lambda name: f"/etc/{name}")
        self.assertEqual(
            moved.url,
            "postgresql://h/d?sslmode=require&sslkey=/etc/k%201&sslrootcert=/etc/ca.pem",
        )
        self.assertEqual(moved.options["sslkey"], "/etc/k 1")
        system = conninfoOf("postgresql://h/d?sslrootcert=system")
        self.assertEqual(system.withFiles(lambda name: "/etc").options["sslrootcert"], "system")

    def test_shown(self) -> None:
        """
        The shown URL reads as it was written, with one spelling for each server.
        """
        for url, shown in (
            ("postgres://rt:pw@h:5,i/d", "postgresql://rt@h:5,i/d"),
            ("postgresql://[::1]:5,h:6/d", "postgresql://[::1]:5,h:6/d"),
            ("postgresql://h?dbname=d", "postgresql://h/d"),
            ("postgresql://%2Frun%2Fpg/my%2Fshop", "postgresql:///my%2Fshop?host=/run/pg"),
            ("postgresql:///d?host=/run/pg&port=6", "postgresql:///d?host=/run/pg&port=6"),
            ("postgresql://h,i/d?port=6", "postgresql:///d?host=h,i&port=6"),
            ("postgresql://:5/d", "postgresql:///d?port=5"),
            ("postgresql:///d", "postgresql:///d"),
        ):
            self.assertEqual(conninfoOf(url).url, shown)
            self.assertEqual(conninfoOf(shown).options, conninfoOf(url).options)

    @given(TEXT, TEXT, TEXT, TEXT)
    @example(",", ",", ",", ",")
    def test_anyText(self, user: str, password: str, database: str, host: str) -> None:
        """
        Whatever a name or a password consists of, escaped it comes through, and the
        shown URL means the same without the password.
        """
        query = f"host={quote(host, '')}"
        names = f"{quote(user, '')}:{quote(password, '')}@/{quote(database, '')}"
        info = conninfoOf(f"postgresql://{names}?{query}")
        self.assertEqual(info.password, password)
        self.assertEqual(info.options, {"user": user, "dbname": database, "host": host})
        again = conninfoOf(info.url)
        self.assertEqual((again.options, again.password), (info.options, None))
