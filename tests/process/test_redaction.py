"""
Tests of how L{aerostack.process.logs} hides credentials.
"""

from __future__ import annotations

import json
import re
from time import process_time
from typing import Any
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from aerostack.process.logs import LONGEST, REDACTED, Redactor
from tests.process.events import failed, write

TOKENS = "abcdefghijklmnopqrstuvwxyzABCXYZ0189!#$%&'*+-.^_`|~"
KEYS = st.text(TOKENS, min_size=16, max_size=60)
SHARED = st.text(st.characters(exclude_categories=("Cs",)), min_size=32, max_size=50)
BASE64 = "ABCXYZabcxyz0189-_"
SEGMENT = st.text(BASE64, min_size=14, max_size=80)
JWTS = st.tuples(SEGMENT, SEGMENT, SEGMENT).map(lambda parts: "eyJ" + ".".join(parts))
AROUND = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
FORMATS = st.sampled_from(["text", "json"])
SPELLINGS = st.sampled_from(
    [str, repr, lambda key: json.dumps({"a": key}), lambda key: key.encode()]
)


class CredentialTests(SynchronousTestCase):
    """
    No credential gets out.
    """

    def assertHidden(self, line: str, credential: str) -> None:
        """
        Assert that a line shows a credential in no spelling.
        """
        for spelling in (
            credential,
            repr(credential)[1:-1],
            repr(credential.encode())[2:-1],
            json.dumps(credential)[1:-1],
            quote(credential, safe=""),
        ):
            self.assertNotIn(spelling, line)

    def everywhere(self, format: str, text: str, known: list[str]) -> list[str]:
        """
        @return: What is written of a text in each place of an event.
        """
        return [
            write(format, {"log_format": "{text}", "text": text}, keys=known),
            write(format, {"log_format": "{text!r}", "text": text}, keys=known),
            write(format, {"log_format": "{text}", "text": [text, b"x"]}, keys=known),
            write(format, {"log_format": "x", "connection": text}, keys=known),
            write(format, {"log_format": "x", "log_namespace": text}, keys=known),
            write(format, {"log_format": "x", "log_failure": failed(text)}, keys=known),
            write(format, {"log_format": "x", "log_failure": failed(repr(text))}, keys=known),
        ]

    @given(FORMATS, KEYS, AROUND, AROUND, SPELLINGS)
    def test_configured(self, format: str, key: str, before: str, after: str, spell: Any) -> None:
        """
        A configured key is in no part of a line, whichever field of the event had it.
        """
        for line in self.everywhere(format, f"{before}{spell(key)}{after}", [key, "k" * 20]):
            self.assertHidden(line, key)

    @given(FORMATS, SHARED)
    def test_sharedSecret(self, format: str, key: str) -> None:
        """
        A shared secret of any characters is in no part of a line.
        """
        for text in (key, repr(key), json.dumps(key), quote(key, safe="")):
            for line in self.everywhere(format, text, [key]):
                self.assertHidden(line, key)

    @given(FORMATS, JWTS, AROUND, AROUND)
    def test_token(self, format: str, token: str, before: str, after: str) -> None:
        """
        Text that looks like a JSON Web Token is in no part of a line.
        """
        signature = token.split(".")[2]
        for line in self.everywhere(format, before + token + after, []):
            self.assertNotIn(token, line)
            if signature not in before + after:
                self.assertNotIn(signature, line)

    def test_quoted(self) -> None:
        """A key with quotation marks or other characters is found in a repr of a repr."""
        for key in ("it's-a-secret-key", 'two "marks" and a \\ in it', "schlüssel-schlüssel"):
            for text in (repr(key), repr(["\"'", f"'{key}'"]), repr(key.encode())):
                for spelling in (text, repr(text + "\"'")):
                    line = write("text", {"log_format": "{x}", "x": spelling}, keys=[key])
                    self.assertNotRegex(line, "secret|marks|schl")

    def test_number(self) -> None:
        """
        A key of digits is hidden as a number too.
        """
        line = write("json", {"log_format": "x", "id": 1234567890123456}, keys=["1234567890123456"])
        self.assertEqual(json.loads(line)["id"], REDACTED)

    def test_unknown(self) -> None:
        """
        A credential that is not configured is recognized by the text before it.
        """
        for text in (
            "offered aerostack-key.wrong-one, aerostack-v1",
            "offered ['aerostack-token.wrong-one', 'aerostack-v1']",
            "offered aerostack-session.wrong-one, aerostack-v1",
            "GET /api/realtime?apiKey=wrong-one&projectId=p",
            "GET /api/realtime?projectId=p&token=wrong-one HTTP/1.1",
            "GET /?access_token=wrong-one",
            "Authorization: Bearer wrong-one",
            "{'authorization': b'Bearer wrong-one'}",
            "X-Aerostack-Key: wrong-one",
            "{b'X-Aerostack-Key': [b'wrong-one']}",
            '{"type": "auth", "token": "wrong-one"}',
            "{'type': 'auth', 'token': 'wrong-one'}",
            "postgresql://rt:wrong-one@db.test:5432/shop",
            "connect(host='db.test' password=wrong-one)",
            '{"user": "rt", "password": "wrong-one"}',
        ):
            for format in ("text", "json"):
                for line in self.everywhere(format, text, []):
                    self.assertNotIn("wrong", line, text)
                    self.assertIn(REDACTED, line)

    def test_namedField(self) -> None:
        """
        A field with the name of a credential is written without its value.
        """
        line = write("json", {"log_format": "x", "apiKey": "wrong-one", "token": None})
        found = json.loads(line)
        self.assertEqual((found["apiKey"], found["token"]), (REDACTED, None))

    def test_rest(self) -> None:
        """
        The text around a credential stays.
        """
        line = write("text", {"log_format": "GET /?token=abc&projectId=shop from 10.0.0.1"})
        self.assertTrue(line.endswith(f"GET /?token={REDACTED}&projectId=shop from 10.0.0.1\n"))

    def test_ordinary(self) -> None:
        """Words that only resemble a credential stay."""
        text = (
            "invalid token: expired; key aerostack.keyJobs.run; bearers of news;"
            " http://127.0.0.1:8787/a@b postgresql://rt@db.test:5432/shop"
        )
        self.assertIn(text, write("text", {"log_format": text}))

    def test_prefix(self) -> None:
        """
        A key is hidden as a whole, even if another key is its beginning.
        """
        short, long = "k" * 16, "k" * 16 + "rest-of-it"
        line = write("text", {"log_format": f"<{long}>"}, keys=[short, long])
        self.assertIn(f"<{REDACTED}>", line)

    def test_add(self) -> None:
        """A redactor learns new credentials and keeps the old ones."""
        redactor = Redactor(["first-credential"])
        redactor.add(["second-credential", ""])
        self.assertEqual(
            redactor.redact("first-credential second-credential third"),
            f"{REDACTED} {REDACTED} third",
        )
        self.assertIsNone(re.search("first", redactor.redact("first-credential")))

    def test_cut(self) -> None:
        """
        A very long text is cut, and no part of a credential is left at its end.
        """
        key = "k3y-" * 40
        for before in range(LONGEST - 3000, LONGEST, 37):
            line = write(
                "text", {"log_format": "{x}", "x": "x " * (before // 2) + key * 60}, keys=[key]
            )
            self.assertLess(len(line), LONGEST + 200)
            self.assertNotIn("k3y", line)

    def test_growth(self) -> None:
        """
        The time for a text grows linearly with its length.
        """
        redactor = Redactor(["a-known-credential", 'it\'s \\ "another"'])
        parts = (
            "eyJ",
            "eyJ.",
            "eyJhbGciOiJIUzI1NiJ9.",
            "bearer ",
            "bearer+",
            "+",
            "://",
            "://a:",
            ":",
        )
        more = (
            "token",
            "token=",
            "token\\",
            '"',
            "\\",
            '\\"',
            "token'",
            " ",
            "token' : ",
            "aerostack-key.",
        )
        names = (
            "aerostack-key.",
            "://a:",
            "x-aerostack-key",
            "x-aerostack-key:",
            "b'",
            "[",
            "password",
            "a",
            "%2E",
            "-",
        )
        for part in (*parts, *more, *names):
            for first in (
                "",
                "eyJ",
                "bearer",
                "://",
                "token",
                "token'",
                "x-aerostack-key",
                "://a:",
            ):
                small, large = (first + part * (n // len(part)) for n in (1000, 32_000))
                spent = [least(redactor, text) for text in (small, large)]
                self.assertLess(spent[1], 0.02 + spent[0] * 32 * 8, (first, part, spent))


def least(redactor: Redactor, text: str) -> float:
    """The least time, in seconds, that it takes to redact a text."""
    times = []
    for _ in range(2):
        began = process_time()
        redactor.redact(text)
        times.append(process_time() - began)
    return min(times)
