"""
Tests for the JavaScript client that need only Node.js and compilers.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from aerostack import __version__
from aerostack.errors import CLOSE_CODES, CLOSE_TOKEN
from aerostack.net.http.files import clientPackage
from tests.net import ROOT
from tests.web import CLIENT, EXAMPLES, HERE, Workshop, checkTypes, run
from tests.web.documents import codeBlocks

DOCUMENT = ROOT / "docs" / "javascript.rst"

FOREIGN = ("react.js", "yjs.js", "docawareness.js")
"""The modules that import packages, which are not installed beside them.  The applications check
their declarations."""

NODE = """\
declare const process: { env: Record<string, string | undefined> };
declare const Buffer: { from(text: string): { toString(form: "base64url"): string } };
declare module "node:crypto" {
  function createHmac(hash: "sha256", secret: string): {
    update(text: string): { digest(form: "base64url"): string };
  };
}
"""
"""What the document uses of Node.js, whose types are not installed beside the tests."""

PREAMBLE = """\
import { RealtimeClient } from "aerostack-rt";
const realtime = new RealtimeClient({ projectId: "local" });
"""
"""The names that the document's first code block defines for the later ones."""


class UnitTests(SynchronousTestCase):
    """
    Runs the tests that are written in JavaScript.
    """

    def test_unit(self) -> None:
        """
        All tests in JavaScript pass, and none is skipped.
        """
        files = sorted(str(path) for path in (HERE / "unit").glob("*.test.js"))
        written = run("node", "--test", "--test-reporter=tap", *files, folder=HERE)
        counts = dict(re.findall(r"(?m)^# (\w+) (\d+)$", written))
        self.assertGreater(int(counts["pass"]), 50)
        self.assertEqual([counts[name] for name in ("fail", "skipped", "todo")], ["0", "0", "0"])


class PackageTests(SynchronousTestCase):
    """
    Tests for the npm package.
    """

    def setUp(self) -> None:
        self.manifest = json.loads((CLIENT / "package.json").read_text())

    def test_version(self) -> None:
        """
        The daemon and its client have the same version.
        """
        self.assertEqual(self.manifest["version"], __version__)

    def test_packed(self) -> None:
        """
        The daemon's package for npm has the files that npm would pack, and no other.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        name = run("npm", "pack", "--silent", str(CLIENT), folder=folder).split()[-1]
        found = []
        for packed in ((folder / name).read_bytes(), clientPackage()):
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                files = {entry.name: archive.extractfile(entry) for entry in archive}
                found.append({name: file.read() for name, file in files.items() if file})
        self.assertEqual(*found)

    def test_closes(self) -> None:
        """
        The client reconnects after exactly the close codes for which the daemon's table says so.
        """
        text = (CLIENT / "closing.js").read_text()
        final = re.search(r"FINAL_CLOSES = new Set\(\[(.*?)\]\)", text)
        token = re.search(r"TOKEN_CLOSE = (\d+);", text)
        assert final and token
        self.assertEqual(
            {int(code) for code in final[1].split(",")},
            {code for code, close in CLOSE_CODES.items() if not close.reconnect},
        )
        self.assertEqual(int(token[1]), CLOSE_TOKEN)

    def test_types(self) -> None:
        """
        Applications that use the whole API compile under strict rules, and the compiler finds
        mistakes in them.
        """
        workshop = Workshop(Path(self.mktemp()).absolute(), [HERE / "types" / "usage.tsx"])
        workshop.check("usage.tsx")
        shipped = {path.name for path in workshop.package.iterdir()}
        self.assertEqual(shipped, {path.name for path in CLIENT.iterdir()})
        exported = self.manifest["exports"].values()
        for name in (
            file for kinds in exported if isinstance(kinds, dict) for file in kinds.values()
        ):
            self.assertIn(name.removeprefix("./"), shipped)

    def test_topics(self) -> None:
        """
        The compiler finds misspelt events and fields of applications that name the events of their
        topics.
        """
        workshop = Workshop(Path(self.mktemp()).absolute(), [HERE / "types" / "topics.tsx"])
        workshop.check("topics.tsx")

    def test_modules(self) -> None:
        """
        The TypeScript compiler finds no error in the modules of the client.  It does find a part
        that lacks a member which another part needs.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        modules = sorted(str(path) for path in CLIENT.glob("*.js") if path.name not in FOREIGN)
        checkTypes(folder, modules)
        wrong = f'import {{ Outbox }} from "{CLIENT}/outbox.js"; new Outbox({{}}, 1);'
        (folder / "wrong.js").write_text(wrong)
        with self.assertRaisesRegex(AssertionError, "touch"):
            checkTypes(folder, ["wrong.js"])

    def test_lockfile(self) -> None:
        """
        The lock files have a checksum for every package of the tests and of the document example.
        """
        for folder in (HERE, EXAMPLES / "document"):
            lock = json.loads((folder / "package-lock.json").read_text())
            for name, package in lock["packages"].items():
                self.assertNotIn("resolved", package, name)
                self.assertEqual("integrity" in package, bool(name), name)


class DocumentTests(SynchronousTestCase):
    """
    Tests for C{docs/javascript.rst}.
    """

    def test_compiles(self) -> None:
        """
        Every code block of the document compiles as TypeScript, with strict rules.
        """
        files = {"node.d.ts": NODE}
        for language, code in codeBlocks(DOCUMENT):
            if language == "sh":
                continue
            if code.startswith("// Written by"):
                files["database.ts"] = code
                continue
            name = f"block{len(files)}.{'ts' if language in ('javascript', 'html') else 'tsx'}"
            if language == "html":
                code = code.partition('<script type="module">')[2].partition("</script>")[0]
                code = code.replace("http://127.0.0.1:8787/client/realtime.js", "aerostack-rt")
            elif "import" not in code:
                code = PREAMBLE + code
            files[name] = code + "export {};\n"
        self.assertGreater(len(files), 8)
        workshop = Workshop(Path(self.mktemp()).absolute(), files)
        workshop.check(*files, allowImportingTsExtensions=True)

    def test_codes(self) -> None:
        """
        The document has every error code of the client, and no other.
        """
        source = "".join(path.read_text() for path in CLIENT.glob("*.js"))
        documented = re.findall(r"(?m)^``(\w+)`` {2,}", DOCUMENT.read_text())
        self.assertEqual(set(re.findall(r'RealtimeError\(\s*"(\w+)"', source)), set(documented))
        self.assertEqual(len(documented), len(set(documented)))
