"""
Tests for L{aerostack.config.projects}.
"""

from __future__ import annotations

from aerostack.settings.tables import TableConfig
from tests.config.loading import (
    HEAD,
    KEY,
    PROJECT,
    LoadCase,
    ProjectCase,
)


class ProjectProblemTests(ProjectCase):
    """
    Tests for mistakes in a project.
    """

    def test_id(self) -> None:
        """
        A project's id is short and has only plain characters.
        """
        for name in ("a b", "a.b", "", "é", "x" * 65, "a/b"):
            self.assertProblem(
                f'{HEAD}[projects."{name}"]\nanonymous = true\n', f"projects.{name}", "bad id"
            )
        self.load(f"{HEAD}[projects.{'x' * 64}]\nanonymous = true\n")

    def test_unreachable(self) -> None:
        """
        A project to which no client could connect is reported.
        """
        self.assertProjectProblem("anonymous = false", "", "no client could connect")
        self.load(f'{HEAD}[projects.p]\nsecret_key = "{KEY}"\n')

    def test_origins(self) -> None:
        """
        An entry that is not an origin, and a star beside other entries, are reported.
        """
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
        """
        The algorithm of tokens is required, and must be one that signs.
        """
        self.assertProjectProblem(f'jwt = {{ key = "{KEY}" }}', "jwt.algorithm", "is missing")
        for algorithm in ("none", "None", "hs256", "HS1"):
            self.assertProjectProblem(
                f'jwt = {{ algorithm = "{algorithm}", key = "{KEY}" }}',
                "jwt.algorithm",
                "one of HS256",
            )
        self.assertProjectProblem('jwt = "HS256"', "jwt", "is a string")

    def test_jwtKey(self) -> None:
        """
        Exactly one of key, jwks_file and jwks_url is required, and must be good.
        """
        both = (
            f', key = "{KEY}", jwks_file = "a"',
            f', key = "{KEY}", jwks_url = "https://a.test/"',
        )
        for options in ("", *both):
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
            ('"RS256", jwks_url = "login.test"', "jwks_url", "https://"),
            ('"RS256", jwks_url = "https://me:pw@login.test/"', "jwks_url", "leave it out"),
            ('"HS256", jwks_url = "https://login.test/"', "jwks_url", "wants a secret"),
            ('"RS256", jwks_url = "https://a.test/", jwks_refresh = 1', "jwks_refresh", "from 10"),
        ):
            self.assertProjectProblem(f"jwt = {{ algorithm = {options} }}", f"jwt.{key}", word)


class RuleTests(LoadCase):
    """
    Tests for rules about tables.
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
        """
        A malformed row rule is reported with its table and the place of the mistake.
        """
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
        """
        A row rule with claims is reported if no client with a token may read the table.
        """
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
