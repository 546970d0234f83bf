"""
Tests for L{aerostack.config.models}.
"""

from __future__ import annotations

from aerostack.config.secrets import credentialsOf
from aerostack.settings.ai import ModelConfig
from tests.config.loading import HEAD, PROJECT, LoadCase

URL = "http://127.0.0.1:9/v1/chat/completions"


class ModelTests(LoadCase):
    """
    Tests for the tables of the models.
    """

    def test_none(self) -> None:
        """Without a table there is no model, and no project has one."""
        config = self.load(f"{HEAD}{PROJECT}")
        self.assertEqual((config.ai.models, config.projects["p"].models), ({}, ()))

    def test_read(self) -> None:
        """A model has its settings, its key from where it is, and its own name as the default."""
        config = self.load(
            f'{HEAD}[ai.models.m-1]\nurl = "{URL}"\nkey = {{ env = "KEY" }}\nmax_tokens = 0\n'
            "params = { temperature = 0.5, stop = ['x'] }\nfirst = 5\n"
            f'{PROJECT}models = ["m-1"]\n',
            KEY="s3cret",
        )
        expected = ModelConfig(
            URL, "s3cret", "m-1", {"temperature": 0.5, "stop": ["x"]}, None, first=5.0
        )
        self.assertEqual(config.ai.models, {"m-1": expected})
        self.assertEqual(config.projects["p"].models, ("m-1",))
        self.assertNotIn("s3cret", repr(config))
        self.assertIn("s3cret", credentialsOf(config))

    def test_mistakes(self) -> None:
        """Each mistake is reported with its key, and nothing of a credential is shown."""
        for lines, key, word in (
            ("", "url", "missing"),
            ('url = "ftp://h/"', "url", "https://"),
            ('url = "https://"', "url", "host"),
            ('url = "https://u:s3cret@h/"', "url", "put the key into key"),
            ('url = "https://h/#s3cret"', "url", "fragment"),
            ('url = "https://h:s3cret/"', "url", "no URL"),
            ('url = "https://h/s3crét"', "url", "characters"),
            (f'url = "{URL}"\nkey = {{ env = "NO" }}', "key", "not set"),
            (f'url = "{URL}"\nparams = {{ model = "x" }}', "params", "has model"),
            (f'url = "{URL}"\nparams = {{ stop = [2026-01-01] }}', "params", "date"),
            (f'url = "{URL}"\nparams = {{ top_p = nan }}', "params", "no number"),
            (f'url = "{URL}"\nmax_tokens = -1', "max_tokens", "tokens"),
        ):
            text = f"{HEAD}[ai.models.m]\n{lines}\n{PROJECT}"
            self.assertProblem(text, f"ai.models.m.{key}", word)
            self.assertNotIn("s3cr", str(self.problems(text)))

    def test_tables(self) -> None:
        """What is no table of a model, or has a bad name, is reported."""
        self.assertProblem(f"{HEAD}[ai]\nmodels = 1\n{PROJECT}", "ai.models", "tables")
        self.assertProblem(f"{HEAD}[ai.models]\nm = 1\n{PROJECT}", "ai.models.m", "a table")
        text = f'{HEAD}[ai.models."a/b"]\nurl = "{URL}"\n{PROJECT}'
        self.assertProblem(text, "ai.models.a/b", "bad name")

    def test_missing(self) -> None:
        """A project cannot use a model that is not there."""
        self.assertProblem(f'{HEAD}{PROJECT}models = ["m"]\n', "projects.p.models", "[ai.models.m]")
