"""
Tests for L{aerostack.config.loader}, and for the files in C{etc/}.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.config.loader import Config, ConfigError, load
from aerostack.config.secrets import Pending
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import (
    HistoryConfig,
    LogConfig,
    PresenceConfig,
    TrackerConfig,
    reference,
)
from aerostack.settings.tables import TableConfig
from tests.config.keys import P256, RSA, pem

ETC = Path(__file__).parents[2] / "etc"

SERVER = '[server]\nlisten = ["tcp:0"]\n'
DATABASE = '[database]\nurl = "sqlite:///rt.db"\n'
PROJECT = "[projects.p]\nanonymous = true\n"
HEAD = SERVER + DATABASE
KEY = "abcdefghijklmnop"
OTHER_KEY = "ponmlkjihgfedcba"

SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.sampled_from(["*", "RS256"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


class LoadCase(SynchronousTestCase):
    """
    A test that has a directory for a configuration.
    """

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir()
        self.path = self.base / "rt.toml"

    def load(self, text: str, generate: bool = False, **environ: str) -> Config:
        """
        @return: The configuration that a text is read as.
        """
        self.path.write_text(text)
        return load(self.path, environ, generate)

    def problems(self, text: str, **environ: str) -> dict[str, str]:
        """
        @return: The mistakes in a text, by key.
        """
        self.path.write_text(text)
        error = self.assertRaises(ConfigError, load, self.path, environ, True)
        return {problem.key: problem.message for problem in error.problems}

    def assertProblem(self, text: str, key: str, *words: str) -> None:
        """
        Assert that a text has one mistake, at a key, and that the message has some
        words.
        """
        found = self.problems(text)
        self.assertEqual(list(found), [key], found)
        for word in words:
            self.assertIn(word, found[key])


class LoadTests(LoadCase):
    """
    Tests for L{load}, given what is right.
    """

    def test_least(self) -> None:
        """What must be there is enough; the rest has its defaults."""
        config = self.load(HEAD + PROJECT)
        self.assertEqual(config.path, self.path)
        self.assertEqual(config.server.listen, ("tcp:0",))
        self.assertEqual(config.tracker, TrackerConfig())
        self.assertEqual(config.tracker.tables, ())
        self.assertEqual(config.presence, PresenceConfig())
        self.assertEqual(config.history, HistoryConfig())
        self.assertEqual(config.limits, LimitsConfig())
        self.assertEqual(config.log, LogConfig())
        self.assertEqual(list(config.projects), ["p"])
        project = config.projects["p"]
        self.assertEqual(
            (project.id, project.publicKey, project.secretKey, project.jwt, project.origins),
            ("p", None, None, None, ()),
        )
        self.assertEqual((project.anonymous, project.dbQuery), (True, None))

    def test_everything(self) -> None:
        """Every key of a project, and those with names of two words, arrive."""
        config = self.load(
            f"""
            {SERVER} query_credentials = true
            {DATABASE}
            [tracker]
            poll_interval = 1
            tables = ["a", "b_*"]
            [history]
            max_age = 0
            max_count = 0
            page_size = 9
            [limits]
            frames_per_second = 3
            [log]
            level = "warn"
            format = "json"
            [projects.p]
            public_key = "{KEY}"
            secret_key = "{OTHER_KEY}"
            origins = ["https://Example.com:443"]
            db_query = false
            [projects.p.jwt]
            algorithm = "HS256"
            key = "{KEY * 2}"
            audience = "a"
            issuer = "i"
            leeway = 2
            """
        )
        self.assertTrue(config.server.queryCredentials)
        self.assertEqual(config.tracker, TrackerConfig(1.0, ("a", "b_*"), 3600.0))
        self.assertEqual(config.history, HistoryConfig(None, None, 9))
        self.assertEqual(config.limits.framesPerSecond, 3.0)
        self.assertEqual(config.log, LogConfig("warn", "json"))
        project = config.projects["p"]
        self.assertEqual((project.publicKey, project.secretKey), (KEY, OTHER_KEY))
        self.assertEqual((project.origins, project.dbQuery), (("https://example.com",), False))
        assert project.jwt is not None
        self.assertEqual((project.jwt.algorithm, project.jwt.key), ("HS256", KEY * 2))
        self.assertEqual(
            (project.jwt.audience, project.jwt.issuer, project.jwt.leeway), ("a", "i", 2.0)
        )

    def test_relative(self) -> None:
        """Relative paths begin at the file's directory, whatever the working directory is."""
        (self.base / "issuer.pem").write_text(pem(P256))
        config = self.load(
            '[server]\nlisten = ["unix:rt.sock"]\n[database]\nurl = "sqlite:///../var/rt.db"\n'
            '[projects.p.jwt]\nalgorithm = "ES256"\nkey = { file = "issuer.pem" }\n'
        )
        self.assertEqual(config.database.path, self.base.parent / "var" / "rt.db")
        self.assertEqual(config.server.listen, ("unix:rt.sock",))
        assert config.projects["p"].jwt is not None
        self.assertEqual(config.projects["p"].jwt.key, pem(P256).strip())

    def test_relativeFile(self) -> None:
        """A configuration named relative to the working directory is known by its full path."""
        self.path.write_text(HEAD + PROJECT)
        config = load(os.path.relpath(self.path), {})
        self.assertEqual(config.path, Path(os.getcwd(), os.path.relpath(self.path)))
        self.assertEqual(config.database.path, self.base / "rt.db")

    def test_absoluteDatabase(self) -> None:
        """Four slashes begin an absolute path."""
        config = self.load(SERVER + '[database]\nurl = "sqlite:////srv/rt.db"\n' + PROJECT)
        self.assertEqual(config.database.path, Path("/srv/rt.db"))

    def test_postgres(self) -> None:
        """
        A PostgreSQL database's password is taken out of its URL, or read from where it
        is; the files that the URL names begin at the configuration's directory.
        """
        (self.base / "ca.pem").touch()
        (self.base / "rt.password").write_text("s3cret\n")
        (self.base / "rt.password").chmod(0o600)
        for url, password, shown in (
            ("postgresql://rt:s3cret@db.test:5/shop", "", "postgresql://rt@db.test:5/shop"),
            ("postgres://h/d?password=s3cret", "", "postgresql://h/d"),
            ("postgresql://h/d", 'password = "s3cret"', "postgresql://h/d"),
            ("postgresql://h/d", 'password = { env = "PW" }', "postgresql://h/d"),
            (
                "postgresql://h/d?sslrootcert=ca.pem&sslmode=verify-full",
                'password = { file = "rt.password" }',
                f"postgresql://h/d?sslmode=verify-full&sslrootcert={self.base}/ca.pem",
            ),
        ):
            text = f'{SERVER}[database]\nurl = "{url}"\n{password}\n{PROJECT}'
            config = self.load(text, PW="s3cret")
            self.assertEqual((config.database.url, config.database.password), (shown, "s3cret"))
            self.assertNotIn("s3cret", repr(config))
        config = self.load(f'{SERVER}[database]\nurl = "postgresql:///d"\n{PROJECT}')
        self.assertIsNone(config.database.password)

    def test_reproducible(self) -> None:
        """A configuration that is read again is equal."""
        self.assertEqual(self.load(HEAD + PROJECT), self.load(HEAD + PROJECT))

    def test_sharedIssuer(self) -> None:
        """Two projects may trust one issuer's public key."""
        (self.base / "issuer.pem").write_text(pem(RSA))
        jwt = 'jwt = { algorithm = "RS256", key = { file = "issuer.pem" } }\n'
        config = self.load(f"{HEAD}[projects.a]\n{jwt}[projects.b]\n{jwt}")
        self.assertEqual(len(config.projects), 2)


class GenerateTests(LoadCase):
    """
    Tests for keys that are made at the first start.
    """

    TEXT = HEAD + (
        "[projects.p]\n"
        'public_key = { file = "keys/p.public", generate = true }\n'
        'secret_key = { file = "keys/p.secret", generate = true }\n'
    )

    def test_check(self) -> None:
        """Checking makes nothing, and takes the keys as still to come."""
        config = self.load(self.TEXT)
        self.assertIsNone(config.projects["p"].publicKey)
        self.assertIsNone(config.projects["p"].secretKey)
        self.assertEqual([path.name for path in self.base.iterdir()], ["rt.toml"])

    def test_start(self) -> None:
        """The first start makes the keys, the next one uses them."""
        first = self.load(self.TEXT, generate=True)
        project = first.projects["p"]
        assert project.publicKey is not None and project.secretKey is not None
        self.assertTrue(project.publicKey.startswith("pk_"))
        self.assertTrue(project.secretKey.startswith("sk_"))
        self.assertEqual((self.base / "keys/p.secret").read_text().strip(), project.secretKey)
        self.assertEqual(self.load(self.TEXT, generate=True), first)
        self.assertEqual(self.load(self.TEXT), first)

    def test_mistakes(self) -> None:
        """Nothing is made for a configuration with a mistake in it."""
        self.problems(self.TEXT + "typo = 1\n")
        self.assertFalse((self.base / "keys").exists())

    def test_sameFile(self) -> None:
        """Two keys cannot be made in one file."""
        self.assertProblem(
            self.TEXT.replace("p.public", "../keys/p.secret"),
            "projects.p.secret_key",
            "is the same as projects.p.public_key",
        )
        self.assertFalse((self.base / "keys").exists())

    def test_race(self) -> None:
        """A key that another process made meanwhile is used, not replaced."""
        generate = Pending.generate

        def other(pending: Pending) -> str:
            generate(pending)
            return generate(pending)

        self.patch(Pending, "generate", other)
        project = self.load(self.TEXT, generate=True).projects["p"]
        self.assertEqual((self.base / "keys/p.secret").read_text().strip(), project.secretKey)

    def test_impossible(self) -> None:
        """A key that cannot be made is told, with its key and file."""
        (self.base / "keys").write_text("a file")
        found = self.problems(self.TEXT.replace("keys/p.public", "p.public"))
        self.assertEqual(list(found), ["projects.p.secret_key"])
        self.assertIn(str(self.base / "keys"), found["projects.p.secret_key"])


class FileTests(LoadCase):
    """
    Tests for files that are no configuration.
    """

    def refused(self) -> str:
        """
        @return: With what the file is refused.
        """
        return str(self.assertRaises(ConfigError, load, self.path, {}))

    def test_missing(self) -> None:
        """A file that is not there is told, with its path."""
        self.assertIn(f"{self.path}: cannot be read: No such file", self.refused())

    def test_syntax(self) -> None:
        """A mistake in the TOML is told, with the line."""
        self.path.write_text('[server]\nlisten = "tcp\n')
        self.assertRegex(self.refused(), r"rt\.toml: is no valid TOML: .*line 2")

    def test_digits(self) -> None:
        """A number of more digits than Python reads is told."""
        self.path.write_text(f"a = {'9' * 5000}")
        self.assertIn("is no valid TOML", self.refused())

    def test_encoding(self) -> None:
        """A file that is not UTF-8 is told, with the line."""
        self.path.write_bytes(b"[server]\n# caf\xe9\n")
        self.assertIn("no UTF-8 text (at line 2)", self.refused())

    def test_nesting(self) -> None:
        """A file that is nested without end is told."""
        self.path.write_text("a = " + "[" * 100_000)
        self.assertIn("nested too deeply", self.refused())

    def test_directory(self) -> None:
        """A directory is told."""
        self.path.mkdir()
        self.assertIn("Is a directory", self.refused())


class ProblemTests(LoadCase):
    """
    Tests for what is told of mistakes.
    """

    def test_all(self) -> None:
        """All mistakes are told at once, one a line, each after its key."""
        self.path.write_text(
            'sever = 1\n[database]\nurl = "mysql://u:pw@h/d"\n[log]\nlevel = "loud"\n'
            "[limits]\nsubscriptions = true\n[projects.p]\nanonymous = 1\n"
        )
        error = self.assertRaises(ConfigError, load, self.path, {})
        keys = [problem.key for problem in error.problems]
        self.assertEqual(
            keys,
            [
                *("sever", "server.listen", "limits.subscriptions", "log.level", "database.url"),
                "projects.p.anonymous",
            ],
        )
        self.assertEqual([line.split(": ")[0] for line in str(error).splitlines()], keys)
        self.assertNotIn("pw", str(error))

    def test_empty(self) -> None:
        """An empty file lacks what must be there."""
        self.assertEqual(list(self.problems("")), ["server.listen", "database.url", "projects"])

    def test_unknown(self) -> None:
        """An unknown key is told, with the nearest known one or all of them."""
        for text, key, word in (
            ("[limit]\n", "limit", "did you mean 'limits'?"),
            ("[limits]\nframe_byte = 1\n", "limits.frame_byte", "did you mean 'frame_bytes'?"),
            ("[limits]\nframeBytes = 1\n", "limits.frameBytes", "did you mean 'frame_bytes'?"),
            ("[log]\nzzz = 1\n", "log.zzz", "allowed in [log]: level, format"),
            ("[projects.q]\nanonymus = true\nanonymous = true\n", "projects.q.anonymus", "mean"),
            ("[projects.q]\nanonymous = true\nid = 'x'\n", "projects.q.id", "unknown"),
        ):
            self.assertProblem(HEAD + PROJECT + text, key, "is an unknown key", word)

    def test_unknownHidden(self) -> None:
        """An unknown key's value is not shown: it may be a credential."""
        found = self.problems(f'{HEAD}{PROJECT}[projects.q]\nsecretkey = "{KEY}"\n')
        self.assertNotIn(KEY, str(found))

    def test_range(self) -> None:
        """A number out of its range is told with the range and the unit."""
        self.assertProblem(
            HEAD + PROJECT + "[tracker]\npoll_interval = 0\n",
            "tracker.poll_interval",
            "is 0; allowed is a number of seconds from 0.01 to 60",
        )

    def test_sections(self) -> None:
        """A section that is no table is told."""
        self.assertProblem(f'log = "json"\n{HEAD}{PROJECT}', "log", "is a string", "[log]")
        for projects in ("projects = 1", "projects = []", "[projects]"):
            self.assertIn("at least one", self.problems(f"{projects}\n")["projects"])
        self.assertProblem(f"projects.p = 1\n{HEAD}", "projects.p", "is 1", "[projects.p]")

    def test_listenFiles(self) -> None:
        """A key or certificate that cannot be read is told by its name and path."""
        (self.base / "key.pem").touch()
        for options in (
            "privateKey=no.pem",
            "privateKey=key.pem:certKey=no.pem",
            "privateKey=key.pem:extraCertChain=no.pem",
        ):
            listen = f"ssl:443:{options}"
            self.assertProblem(
                f'[server]\nlisten = ["{listen}"]\n{DATABASE}{PROJECT}',
                "server.listen",
                f"{options.split(':')[-1].split('=')[0]} cannot be read",
            )

    def test_socketPath(self) -> None:
        """A Unix socket's path may not be longer than the system takes."""
        self.assertProblem(
            f'[server]\nlisten = ["unix:/{"s" * 107}"]\n{DATABASE}{PROJECT}',
            "server.listen",
            "at most 107 bytes",
        )

    def test_listen(self) -> None:
        """Each address that cannot be listened on is told."""
        self.path.write_text(
            f'[server]\nlisten = ["tcp:80", "tcp:x", "udp:1"]\n{DATABASE}{PROJECT}'
        )
        error = self.assertRaises(ConfigError, load, self.path, {})
        self.assertEqual([problem.key for problem in error.problems], ["server.listen"] * 2)
        self.assertIn("tcp:x: port is 'x'", error.problems[0].message)
        self.assertProblem(
            f"[server]\nlisten = []\n{DATABASE}{PROJECT}", "server.listen", "too short"
        )

    def test_database(self) -> None:
        """A database that cannot be used is told without its password."""
        for url, word in (
            ("postgresql://u:pw@h", "names no database"),
            ("postgres://u:p/w@h/d", "%2F"),
            (
                "postgresql://u:pw@h/d?sslrootcert=no.pem",
                f"No such file or directory): {self.base}",
            ),
            ("postgresql+psycopg://u:pw@h/d", "begins with neither"),
            ("mysql://u:pw@h/d", "begins with neither"),
            ("u:pw\\n@h/d", "a string"),
            ("rt.db", "begins with neither"),
            ("sqlite://rt.db", "begins with neither"),
            ("sqlite:///", "names no file"),
            ("sqlite:///:memory:", "names no file"),
            ("sqlite:///rt.db?mode=ro", "options"),
            ("sqlite:///.", "directory"),
        ):
            text = f'{SERVER}[database]\nurl = "{url}"\n{PROJECT}'
            self.assertProblem(text, "database.url", word, "sqlite:////absolute")
            self.assertNotIn("pw", str(self.problems(text)))

    def test_databasePassword(self) -> None:
        """A password that cannot be read, or stands where none belongs, is told."""
        for url, password, word in (
            ("sqlite:///rt.db", '"pw"', "SQLite has none"),
            ("postgresql://u:pw@h/d", '"pw"', "one of the two"),
            ("postgresql://u@h/d", '{ env = "PW_UNSET" }', "PW_UNSET"),
            ("postgresql://u@h/d", '{ file = "rt.password" }', "chmod"),
            ("postgresql://u@h/d", "5", "neither a string nor a table"),
        ):
            (self.base / "rt.password").write_text("pw")
            (self.base / "rt.password").chmod(0o644)
            text = f'{SERVER}[database]\nurl = "{url}"\npassword = {password}\n{PROJECT}'
            self.assertProblem(text, "database.password", word)
            self.assertNotIn("pw", str(self.problems(text)))

    def test_noDriver(self) -> None:
        """Where PostgreSQL's driver is not installed, the command that does it is told."""
        absent = patch.dict(sys.modules, {"aerostack.databases.postgres.connection": None})
        absent.start()
        self.addCleanup(absent.stop)
        text = f'{SERVER}[database]\nurl = "postgresql://h/d"\n{PROJECT}'
        self.assertProblem(text, "database.url", "pip install 'aerostack-rt[postgres]'")

    def test_limits(self) -> None:
        """Limits that contradict each other are told."""
        for text, key in (
            ("frame_bytes = 2048\nstate_bytes = 64", "limits.message_bytes"),
            ("frame_bytes = 2048\nmessage_bytes = 2048", "limits.state_bytes"),
            ("outbox_bytes = 2097151", "limits.outbox_bytes"),
        ):
            self.assertProblem(f"{HEAD}{PROJECT}[limits]\n{text}\n", key, "limits.frame_bytes")
        self.load(f"{HEAD}{PROJECT}[limits]\noutbox_bytes = 2097152\n")

    def test_examples(self) -> None:
        """
        Examples that nobody could open are a mistake.
        """
        server = f"{SERVER}examples = true\n{DATABASE}"
        self.assertTrue(self.load(f"{server}{PROJECT}").server.examples)
        project = f"[projects.q]\npublic_key = '{KEY}'\n"
        self.assertProblem(f"{server}{project}", "server.examples", "anonymous = true")
        project = f"{PROJECT}db_query = false\n"
        self.assertProblem(f"{server}{project}", "server.examples", "db_query = true")

    def test_limitsOnce(self) -> None:
        """A limit that is wrong in itself is not told a second time for what it does to others."""
        text = "frame_bytes = 99999999999\nmessage_bytes = 2097152\noutbox_bytes = 4096"
        self.assertProblem(f"{HEAD}{PROJECT}[limits]\n{text}\n", "limits.frame_bytes")


class RuleTests(LoadCase):
    """
    Tests for rules that tables, and topics, have under patterns.
    """

    def test_tables(self) -> None:
        """Rules for tables keep their order, in the file and in a project."""
        config = self.load(
            f"""{HEAD}{PROJECT}default_read = ["token"]
            [projects.p.tables."b_*"]
            hidden = ["x", "y"]
            [tables.orders]
            read = ["token", "key"]
            rows = "owner = :sub"
            [tables."*"]
            read = []
            """
        )
        self.assertEqual(
            list(config.tables.items()),
            [("orders", TableConfig(("token", "key"), (), "owner = :sub")), ("*", TableConfig(()))],
        )
        project = config.projects["p"]
        self.assertEqual(project.defaultRead, ("token",))
        self.assertEqual(project.tables, {"b_*": TableConfig(None, ("x", "y"))})
        self.assertEqual(self.load(HEAD + PROJECT).projects["p"].defaultRead, ("anonymous", "key"))

    def test_rows(self) -> None:
        """A row rule that is malformed is told with its table and place, wherever it stands."""
        for section, key in (
            ("tables.orders", "tables.'orders'.rows"),
            ('projects.p.tables."a_*"', "projects.p.tables.'a_*'.rows"),
        ):
            self.assertProblem(
                f'{HEAD}{PROJECT}[{section}]\nrows = "a = 1 or b = 2"\n',
                key,
                "at character 7: expected AND or the end, not or",
            )

    def test_nobodyCould(self) -> None:
        """A row rule that asks for claims is of no use where no token may read."""
        for read in ("", "read = []\n", 'read = ["anonymous", "key"]\n'):
            self.assertProblem(
                f'{HEAD}{PROJECT}[tables.orders]\n{read}rows = "a = :sub"\n',
                "tables.'orders'.rows",
                "with 'token' in tables.'orders'.read",
            )
        self.load(f"{HEAD}{PROJECT}[tables.orders]\nrows = \"a = 'x'\"\n")
        self.assertProblem(
            f'{HEAD}{PROJECT}[tables.orders]\nread = ["tokens"]\nrows = "a = :sub"\n',
            "tables.'orders'.read",
            "entry 1 is 'tokens'",
        )

    def test_malformed(self) -> None:
        """What should be tables and is not is told."""
        for text, key, words in (
            ("topics = 1", "topics", "tables such as [topics.'cursors/*']"),
            ("topics.a = 1", "topics.'a'", "[topics.'a']"),
            ("tables = []", "tables", "tables such as [tables.'shop_*']"),
            ("tables.a = 'x'", "tables.'a'", "[tables.'a']"),
            ("tables.a.row = 'x'", "tables.'a'.row", "did you mean 'rows'?"),
            ("tables.sales.orders.read = []", "tables.'sales'.orders", "unknown key"),
        ):
            self.assertProblem(f"{text}\n{HEAD}{PROJECT}", key, words)
        self.assertProblem(
            f"{HEAD}{PROJECT}tables = 1\n", "projects.p.tables", "tables, each under a pattern"
        )


class ProjectProblemTests(LoadCase):
    """
    Tests for mistakes in a project.
    """

    def assertProjectProblem(self, text: str, key: str, *words: str) -> None:
        """
        Assert that a project's text has one mistake, and that no key is shown.
        """
        found = self.problems(f"{HEAD}[projects.p]\n{text}\n")
        dotted = f"projects.p.{key}" if key else "projects.p"
        self.assertEqual(list(found), [dotted], found)
        for word in words:
            self.assertIn(word, found[dotted])
        self.assertNotIn(KEY, str(found))

    def test_id(self) -> None:
        """A project's id is short and plain."""
        for name in ("a b", "a.b", "", "é", "x" * 65, "a/b"):
            self.assertProblem(
                f'{HEAD}[projects."{name}"]\nanonymous = true\n', f"projects.{name}", "bad id"
            )
        self.load(f"{HEAD}[projects.{'x' * 64}]\nanonymous = true\n")

    def test_unreachable(self) -> None:
        """A project that nobody could connect to is told."""
        self.assertProjectProblem("anonymous = false", "", "nobody could connect")
        self.load(f'{HEAD}[projects.p]\nsecret_key = "{KEY}"\n')

    def test_weakKeys(self) -> None:
        """A key that is too short or cannot travel is told, and not shown."""
        self.assertProjectProblem('public_key = "short"', "public_key", "has 5 characters")
        self.assertProjectProblem(f'secret_key = "{KEY} "', "secret_key", "at place 17")
        self.assertProjectProblem("secret_key = 1234567890123456", "secret_key", "{ file =")

    def test_sameKeys(self) -> None:
        """One key cannot be public and secret."""
        self.assertProjectProblem(
            f'public_key = "{KEY}"\nsecret_key = "{KEY}"',
            "secret_key",
            "same as projects.p.public_key",
        )

    def test_usedTwice(self) -> None:
        """One key cannot open two projects, nor be a secret for tokens besides."""
        other = f'public_key = "{KEY}"\n[projects.q]\nsecret_key = {{ env = "K" }}\n'
        found = self.problems(f"{HEAD}[projects.p]\n{other}", K=KEY)
        self.assertEqual(list(found), ["projects.q.secret_key"])
        jwt = f'jwt = {{ algorithm = "HS256", key = "{KEY * 2}" }}\n'
        found = self.problems(f"{HEAD}[projects.p]\n{jwt}[projects.q]\n{jwt}")
        self.assertEqual(list(found), ["projects.q.jwt.key"])
        self.assertProjectProblem(f'secret_key = "{KEY * 2}"\n{jwt}', "jwt.key", "same as")

    def test_sources(self) -> None:
        """A credential that cannot be found is told at its key."""
        self.assertProjectProblem('secret_key = { env = "NO" }', "secret_key", "variable NO")
        self.assertProjectProblem('secret_key = { fil = "a" }', "secret_key", "mean 'file'")

    def test_origins(self) -> None:
        """An entry that is no origin, and a star that is not alone, are told."""
        self.assertProjectProblem(
            'anonymous = true\norigins = ["https://a", "b"]', "origins", "entry 2 is 'b'"
        )
        self.assertProjectProblem(
            'anonymous = true\norigins = ["*", "https://a"]', "origins", "beside"
        )
        self.load(f"{HEAD}{PROJECT}origins = ['*']\n")
        config = self.load(f"{HEAD}{PROJECT}origins = ['https://*.Example.com:*']\n")
        self.assertEqual(config.projects["p"].origins, ("https://*.example.com:*",))
        for bad in ("https://*", "https://a.*.example", "https://*a.example", "https://**.a"):
            self.assertProjectProblem(
                f'anonymous = true\norigins = ["{bad}"]', "origins", "entry 1 is"
            )

    def test_jwt(self) -> None:
        """A token's algorithm must be there, and be one that signs."""
        self.assertProjectProblem(f'jwt = {{ key = "{KEY}" }}', "jwt.algorithm", "is missing")
        for algorithm in ("none", "None", "hs256", "HS1"):
            self.assertProjectProblem(
                f'jwt = {{ algorithm = "{algorithm}", key = "{KEY}" }}',
                "jwt.algorithm",
                "one of HS256",
            )
        self.assertProjectProblem('jwt = "HS256"', "jwt", "is a string")

    def test_jwtKey(self) -> None:
        """Exactly one of key and jwks_file must be there, and be good."""
        for options in ("", f', key = "{KEY}", jwks_file = "a"'):
            self.assertProjectProblem(
                f'jwt = {{ algorithm = "HS256"{options} }}', "jwt", "exactly one"
            )
        for options, key, word in (
            (f'"HS256", key = "{KEY}"', "key", "at least 32"),
            (f'"RS256", key = "{KEY * 2}"', "key", "no PEM"),
            ('"RS256", key = { file = "no.pem" }', "key", "no.pem"),
            ('"RS256", key = { file = "no.pem", generate = true }', "key", "cannot be generated"),
            ('"RS256", jwks_file = "no.json"', "jwks_file", "no.json"),
            ('"RS256", key = 1', "key", "neither"),
        ):
            self.assertProjectProblem(f"jwt = {{ algorithm = {options} }}", f"jwt.{key}", word)

    def test_secretFile(self) -> None:
        """A shared secret's file must be private, a public key's need not."""
        path = self.base / "jwt.key"
        path.write_text(KEY * 2)
        path.chmod(0o644)
        self.assertProjectProblem(
            'jwt = { algorithm = "HS256", key = { file = "jwt.key" } }', "jwt.key", "chmod"
        )
        path.write_text(pem(RSA))
        self.load(f'{HEAD}[projects.p.jwt]\nalgorithm = "RS256"\nkey = {{ file = "jwt.key" }}\n')


class SturdinessTests(LoadCase):
    """
    Whatever is in a file, it is read or refused, and nothing else.
    """

    @given(st.sampled_from([name for name, _ in reference()]), VALUES)
    def test_anyValue(self, name: str, value: Any) -> None:
        """Any value at any key is read, or refused with one of that key's problems."""
        text = (
            (HEAD + PROJECT)
            .replace("[server]\n", "server.")
            .replace("[database]\n", "database.")
            .replace("[projects.p]\n", "projects.p.")
        )
        key = name.replace("<id>", "q").replace("<pattern>", "t")
        text = "\n".join(line for line in text.splitlines() if not line.startswith(f"{key} "))
        text = f"{key} = {toml(value)}\n{text}\n"
        tomllib.loads(text)
        self.path.write_text(text)
        try:
            load(self.path, {})
        except ConfigError as error:
            for problem in error.problems:
                prefix = re.sub(r"(topics|tables)\.t\b", r"\1.'t'", key.rpartition(".")[0])
                # A project that has rules only is one that nobody could connect to.
                alone = ".tables." in key and problem.key == "projects.q"
                self.assertTrue(alone or problem.key.startswith(prefix), str(error))


def toml(value: Any) -> str:
    """
    @return: A value as it is written in TOML.
    """
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(character):08x}" for character in value) + '"'
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{toml(name)} = {toml(item)}' for name, item in value.items())}}}"
    return str(value).lower()


class ShippedTests(LoadCase):
    """
    Tests for the files in C{etc/}.
    """

    def shipped(self, name: str) -> Path:
        """
        @return: The path of a copy of a shipped file, where it can do no harm.
        """
        (self.base / "etc").mkdir()
        return Path(shutil.copy(ETC / name, self.base / "etc" / name))

    def test_safe(self) -> None:
        """The shipped configuration runs as it is, and only for this machine."""
        path = self.shipped("rt.toml")
        self.assertIsNone(load(path, {}).projects["local"].secretKey)
        config = load(path, {}, generate=True)
        for listen in config.server.listen:
            self.assertRegex(listen, r"\Atcp:\d+:interface=127\.0\.0\.1:local=1\Z")
        self.assertEqual(config.database.path, self.base / "var" / "rt.db")
        project = config.projects["local"]
        assert project.secretKey is not None
        self.assertEqual((self.base / "var").stat().st_mode & 0o777, 0o700)
        for origin in project.origins:
            self.assertRegex(origin, r"\Ahttp://(127\.0\.0\.1|localhost):\*\Z")
        self.assertNotRegex((ETC / "rt.toml").read_text(), "(sk|pk)_[A-Za-z0-9]")

    def test_complete(self) -> None:
        """The example explains every key, and shows the default of each that has one."""
        section, mentioned = "", {}
        for line in (ETC / "rt.example.toml").read_text().splitlines():
            header = re.fullmatch(r"\[([a-z.]+(?:\"[^\"]+\")?)\]", line)
            setting = re.fullmatch(r"(# )?([a-z_]+) = (.*)", line)
            if header is not None:
                section = re.sub(r"^projects\.\w+", "projects.<id>", header[1])
                section = re.sub(r'"[^"]+"', "<pattern>", section)
            elif setting is not None:
                mentioned.setdefault(f"{section}.{setting[2]}", (setting[1], setting[3]))
        keys = dict(reference())
        self.assertEqual(set(mentioned), set(keys))
        for name, (comment, value) in mentioned.items():
            # A commented line is the default; one that is not shows something else.
            if comment and keys[name].default is not None:
                self.assertEqual(tomllib.loads(f"x = {value}")["x"], keys[name].default, name)

    def test_example(self) -> None:
        """The example loads once its files and variables are there."""
        path = self.shipped("rt.example.toml")
        (path.parent / "tls").mkdir()
        (path.parent / "keys").mkdir()
        for name in ("tls/key.pem", "tls/fullchain.pem"):
            (path.parent / name).touch()
        (path.parent / "keys/issuer.pem").write_text(pem(P256))
        credentials = self.base / "credentials"
        credentials.mkdir()
        (credentials / "shop-secret-key").write_text(KEY)
        (credentials / "shop-secret-key").chmod(0o400)
        environ = {
            "CREDENTIALS_DIRECTORY": str(credentials),
            "TOOL_SECRET_KEY": OTHER_KEY,
            "TOOL_JWT_SECRET": "s" * 32,
        }
        config = load(path, environ, generate=True)
        self.assertEqual(config.projects["shop"].secretKey, KEY)
        self.assertFalse(config.projects["tool"].dbQuery)
        self.assertEqual(config.log.format, "json")
