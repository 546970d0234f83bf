"""
Tests for L{aerostack.config.loader}.
"""

from __future__ import annotations

import os
from pathlib import Path

from aerostack.config import loader
from aerostack.config.loader import load
from aerostack.config.problems import ConfigError
from aerostack.server.policies import makePolicies
from aerostack.settings.limits import LimitsConfig
from aerostack.settings.settings import (
    HistoryConfig,
    LogConfig,
    PresenceConfig,
    ReplayConfig,
    TrackerConfig,
)
from tests.config.keys import P256, RSA, pem
from tests.config.loading import DATABASE, HEAD, KEY, OTHER_KEY, PROJECT, SERVER, LoadCase
from tests.net import socketPath


class LoadTests(LoadCase):
    """
    Tests for L{load}, with valid files.
    """

    def test_least(self) -> None:
        """
        The required settings are enough; the others have their defaults.
        """
        config = self.load(HEAD + PROJECT)
        self.assertEqual(config.path, self.path)
        self.assertEqual(config.server.listen, ("tcp:0:interface=127.0.0.1",))
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
        """
        Every setting of a project, and settings with names of two words, are read.
        """
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

    def test_formerName(self) -> None:
        """A section under the name that it had in earlier versions is read, with a warning."""
        config = self.load(f"{HEAD}[streams]\ncount = 7\n{PROJECT}")
        self.assertEqual(config.replay, ReplayConfig(count=7))
        self.assertEqual(
            config.warnings,
            ("[streams] is the former name of [replay]; rename the section in the file",),
        )
        config = self.load(f"{HEAD}[replay]\ncount = 7\n{PROJECT}")
        self.assertEqual((config.replay, config.warnings), (ReplayConfig(count=7), ()))

    def test_relative(self) -> None:
        """
        Relative paths begin at the file's directory, not at the working directory.
        """
        self.base = socketPath().parent
        self.path = self.base / "rt.toml"
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
        """
        A configuration whose path is relative to the working directory is known by its full path.
        """
        self.path.write_text(HEAD + PROJECT)
        config = load(os.path.relpath(self.path), {})
        self.assertEqual(config.path, Path(os.getcwd(), os.path.relpath(self.path)))
        self.assertEqual(config.database.path, self.base / "rt.db")

    def test_reproducible(self) -> None:
        """A configuration that is read twice is equal."""
        self.assertEqual(self.load(HEAD + PROJECT), self.load(HEAD + PROJECT))

    def test_sharedIssuer(self) -> None:
        """Two projects may trust one issuer's public key."""
        (self.base / "issuer.pem").write_text(pem(RSA))
        jwt = 'jwt = { algorithm = "RS256", key = { file = "issuer.pem" } }\n'
        config = self.load(f"{HEAD}[projects.a]\n{jwt}[projects.b]\n{jwt}")
        self.assertEqual(len(config.projects), 2)


class FileTests(LoadCase):
    """
    Tests for files that are not a configuration.
    """

    def refused(self) -> str:
        """
        @return: The message of the refusal.
        """
        return str(self.assertRaises(ConfigError, load, self.path, {}))

    def test_missing(self) -> None:
        """
        A missing file is reported with its path.
        """
        self.assertIn(f"{self.path}: cannot be read: No such file", self.refused())

    def test_syntax(self) -> None:
        """
        A mistake in the TOML is reported with the line.
        """
        self.path.write_text('[server]\nlisten = "tcp\n')
        self.assertRegex(self.refused(), r"rt\.toml: is no valid TOML: .*line 2")

    def test_digits(self) -> None:
        """
        A number with more digits than Python reads is reported.
        """
        self.path.write_text(f"a = {'9' * 5000}")
        self.assertIn("is no valid TOML", self.refused())

    def test_encoding(self) -> None:
        """
        A file that is not UTF-8 is reported with the line.
        """
        self.path.write_bytes(b"[server]\n# caf\xe9\n")
        self.assertIn("no UTF-8 text (at line 2)", self.refused())

    def test_nesting(self) -> None:
        """
        A file that is nested too deeply is reported.
        """
        self.path.write_text("a = " + "[" * 100_000)
        self.assertIn("nested too deeply", self.refused())

    def test_directory(self) -> None:
        """
        A directory in place of the file is reported.
        """
        self.path.mkdir()
        self.assertIn("Is a directory", self.refused())


class ProblemTests(LoadCase):
    """
    Tests for the reports of mistakes.
    """

    def test_tracing(self) -> None:
        """
        Traces need a URL without a password, a part from 0 to 1, and the packages of the extra.
        """
        for line, key, word in (
            ('endpoint = "collector:4318"', "endpoint", "http://"),
            ('endpoint = "http://me:pw@collector/"', "endpoint", "leave it out"),
            ("sample = 2", "sample", "from 0 to 1"),
        ):
            self.assertProblem(f"{HEAD}{PROJECT}[tracing]\n{line}\n", f"tracing.{key}", word)
        text = f'{HEAD}{PROJECT}[tracing]\nendpoint = "http://localhost:4318/v1/traces"\n'
        self.assertEqual(self.load(text).tracing.sample, 0.01)
        self.patch(loader, "find_spec", lambda name: None)
        self.assertProblem(text, "tracing.endpoint", "aerostack-rt[otel]")

    def test_all(self) -> None:
        """
        All mistakes are reported at once, each on a line after its key.
        """
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

    def test_formerName(self) -> None:
        """
        A mistake in a section under its former name has the key that is in the file.  A file
        cannot have the section under both names.
        """
        text = f"{HEAD}{PROJECT}[streams]\n"
        self.assertProblem(f"{text}count = -1", "streams.count", "is -1")
        self.assertProblem(f"{text}[replay]", "streams", "[replay]", "remove one")

    def test_empty(self) -> None:
        """
        An empty file lacks the required settings.
        """
        self.assertEqual(list(self.problems("")), ["server.listen", "database.url", "projects"])

    def test_limits(self) -> None:
        """
        Limits that contradict each other are reported.
        """
        for text, key in (
            ("frame_bytes = 2048\nstate_bytes = 64", "limits.message_bytes"),
            ("frame_bytes = 2048\nmessage_bytes = 2048", "limits.state_bytes"),
            ("outbox_bytes = 2097151", "limits.outbox_bytes"),
        ):
            self.assertProblem(f"{HEAD}{PROJECT}[limits]\n{text}\n", key, "limits.frame_bytes")
        self.load(f"{HEAD}{PROJECT}[limits]\noutbox_bytes = 2097152\n")

    def test_rewind(self) -> None:
        """
        A topic whose subscriptions would begin with more frames than the limit is a mistake.
        """
        topics = "[topics.'chat/*']\nrewind = 20\n"
        config = self.load(f"{HEAD}{PROJECT}{topics}")
        self.assertEqual(config.topics["chat/*"].rewind, 20)
        self.assertEqual(makePolicies(config).of("chat/a/p").rewind, 20)
        self.assertEqual(makePolicies(config).of("doc/a/p").rewind, 0)
        text = f"{HEAD}{PROJECT}{topics}[limits]\nrewind = 19\n"
        self.assertProblem(text, "topics.'chat/*'.rewind", "limits.rewind, 19")

    def test_keyed(self) -> None:
        """
        A setting that cannot hold for keyed topics, or only for them, is a mistake elsewhere.
        """
        topics = f"{HEAD}{PROJECT}[topics.'state/*']\n"
        for wrong, key in (
            ("keyed = true\ncompact = true", "compact"),
            ("keyed = true\nrewind = 1", "rewind"),
            ("ttl = 1.0", "ttl"),
        ):
            self.assertProblem(f"{topics}{wrong}\n", f"topics.'state/*'.{key}", "keyed")
        right = "keyed = true\nttl = 1.0\nrewind = 0\ncompact = false\n"
        self.assertTrue(self.load(f"{topics}{right}").topics["state/*"].keyed)

    def test_examples(self) -> None:
        """
        If examples are on and no client could open them, that is a mistake.
        """
        server = f"{SERVER}examples = true\n{DATABASE}"
        self.assertTrue(self.load(f"{server}{PROJECT}").server.examples)
        project = f"[projects.q]\npublic_key = '{KEY}'\n"
        self.assertProblem(f"{server}{project}", "server.examples", "anonymous = true")
        project = f"{PROJECT}db_query = false\n"
        self.assertProblem(f"{server}{project}", "server.examples", "db_query = true")

    def test_limitsOnce(self) -> None:
        """
        A limit with a mistake of its own is not reported again for its effect on other limits.
        """
        text = "frame_bytes = 99999999999\nmessage_bytes = 2097152\noutbox_bytes = 4096"
        self.assertProblem(f"{HEAD}{PROJECT}[limits]\n{text}\n", "limits.frame_bytes")
