"""
The set-up of a machine for C{make run} and C{make test}.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.net import ROOT

SHELL = ("bash", "env", "dirname", "grep", "mkdir")
"""What the script and its stand-ins use of every machine."""


class SetupTests(SynchronousTestCase):
    """
    Runs C{.ci/setup} with a C{PATH} that has stand-ins for the machine's programs.
    """

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.bin = self.directory / "bin"
        self.bin.mkdir(parents=True)
        # A checkout without .venv.
        script = self.directory / "checkout" / ".ci" / "setup"
        script.parent.mkdir(parents=True)
        shutil.copy(ROOT / ".ci" / "setup", script)
        self.script = script
        for name in SHELL:
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)

    def program(self, name: str, code: str = "exit 0") -> None:
        """
        Make a stand-in for a program, which is a script for the shell.
        """
        path = self.bin / name
        path.write_text(f"#!{shutil.which('bash')}\n{code}\n")
        path.chmod(0o755)

    def call(self, what: str, **environ: str) -> tuple[int, str]:
        """
        @return: The exit status of the script, and its output.
        """
        done = subprocess.run(
            [str(self.bin / "bash"), str(self.script), what],
            env={"PATH": str(self.bin), **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout

    def machine(self, user: int, sudo: str | None = None) -> None:
        """
        Make the stand-ins of a Debian machine that has a new Python without venv.

        @param user: The number of the user who runs the script.
        @param sudo: What C{sudo} does; L{None} if there is none.
        """
        self.program("id", f"echo {user}")
        self.program("apt-get", f'echo "$@" >> {self.directory}/apt')
        for name in ("tee", "chmod", "rm", "systemctl"):
            self.program(name)
        # Asked for its version, it is new enough; asked for ensurepip, it has none.
        self.program(
            "python3",
            """case $2 in
                *"version_info[:2]"*) echo python3.11-venv ;;
                *ensurepip*) exit 1 ;;
            esac""",
        )
        if sudo is not None:
            self.program("sudo", sudo)

    def installed(self) -> list[str]:
        """The lines of arguments that C{apt-get} was called with."""
        path = self.directory / "apt"
        return path.read_text().splitlines() if path.exists() else []

    def test_root(self) -> None:
        """
        Root gets what C{make run} lacks, and sees the command first.
        """
        self.machine(0)
        status, written = self.call("run")
        self.assertEqual(status, 0, written)
        command = "install --no-install-recommends --yes python3.11-venv sqlite3 curl"
        self.assertTrue(
            written.startswith(
                f"aerostack-rt: Installing what this machine lacks: apt-get {command}\n"
            ),
            written,
        )
        self.assertEqual(
            [line for line in self.installed() if line.startswith("install")],
            ["install --no-install-recommends --yes -qq python3.11-venv sqlite3 curl"],
        )

    def test_sudo(self) -> None:
        """
        A user whose C{sudo} asks for no password gets the same.
        """
        self.machine(1000, 'while [ "$1" = -n ]; do shift; done; "$@"')
        self.program("true")
        status, written = self.call("run")
        self.assertEqual(status, 0, written)
        self.assertEqual(len(self.installed()), 2)

    def test_refused(self) -> None:
        """
        For any other user the first line says what to type, and nothing is installed.
        """
        for sudo in (None, "exit 1"):
            self.machine(1000, sudo)
            status, written = self.call("test")
            self.assertEqual(status, 1)
            self.assertRegex(
                written,
                r"\Aaerostack-rt: type: sudo apt-get install --no-install-recommends --yes"
                r" python3\.11-venv sqlite3 curl chromium\S* chromium-\S+ .*\n\Z",
            )
            self.assertEqual(self.installed(), [])

    def test_wished(self) -> None:
        """
        What the guide types and the daemon does not need stops nobody: it is named.
        """
        self.machine(1000)
        self.program("python3")
        status, written = self.call("run")
        self.assertEqual(status, 0, written)
        self.assertIn("sqlite3 curl", written)
        self.assertEqual(self.installed(), [])

    def test_snap(self) -> None:
        """
        A browser that cannot start, as Ubuntu's in a container, is named.
        """
        self.machine(0)
        self.program("chromium-browser", "exit 1")
        status, written = self.call("test")
        self.assertEqual(status, 0, written)
        self.assertIn("the tests in a browser will fail", written)
        self.program("chromium-browser")
        self.assertNotIn("will fail", self.call("test")[1])

    def test_elsewhere(self) -> None:
        """
        Where there is no C{apt-get}, the packages of Debian are named.
        """
        self.machine(0)
        (self.bin / "apt-get").unlink()
        status, written = self.call("run")
        self.assertEqual(status, 1)
        self.assertIn("install what Debian calls python3.11-venv", written)

    def test_oldPython(self) -> None:
        """
        An interpreter that was named and is too old is refused by its name.
        """
        self.machine(0)
        self.program("python3.9", "exit 1")
        status, written = self.call("run", PYTHON="python3.9")
        self.assertEqual(status, 1)
        self.assertIn("python3.9 is not Python 3.11 or later", written)
        self.assertEqual(self.installed(), [])

    def test_node(self) -> None:
        """
        The machine's own Node.js is used if it is new enough, and an older one is replaced.
        """
        node = shutil.which("node")
        assert node is not None
        self.program("npm")
        (self.bin / "node").symlink_to(Path(node).resolve())
        self.assertEqual(self.call("node"), (0, ""))
        (self.bin / "node").unlink()
        # The same program, which takes itself for an older one.
        old = 'Object.defineProperty(process.versions, "node", { value: "18.19.0" })'
        (self.directory / "old.cjs").write_text(old)
        self.program("node", f'exec {node} --require {self.directory}/old.cjs "$@"')
        status, written = self.call("node")
        self.assertNotEqual(status, 0)
        self.assertIn("Fetching Node.js into .venv", written)

    def test_help(self) -> None:
        """
        C{make help} has a line for each command that README and CONTRIBUTING name.
        """
        done = subprocess.run(
            ["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        commands = {line.split()[1] for line in done.stdout.splitlines()}
        self.assertLessEqual({"run", "test", "check", "lint", "docs", "fuzz", "clean"}, commands)

    def ended(self, summary: str, status: int = 0) -> tuple[int, str]:
        """
        Run C{.ci/run} on a machine where everything but the tests passes.

        @param summary: The last line of the tests.
        @param status: The exit status of the tests.
        @return: The exit status of CI, and its last line.
        """
        for name in ("mktemp", "tee", "grep", "tail", "cut", "rm"):
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).unlink(missing_ok=True)
            (self.bin / name).symlink_to(found)
        self.program("make", f'[ "$1" != test ] || {{ echo "{summary}"; exit {status}; }}')
        self.script.write_text(f"#!{shutil.which('bash')}\n")
        trial = self.script.parent.parent / ".venv" / "bin" / "trial"
        trial.parent.mkdir(parents=True, exist_ok=True)
        trial.write_text(f"#!{shutil.which('bash')}\n")
        trial.chmod(0o755)
        run = self.script.with_name("run")
        shutil.copy(ROOT / ".ci" / "run", run)
        done = subprocess.run(
            [str(self.bin / "bash"), str(run)],
            env={"PATH": str(self.bin), "TMPDIR": str(self.directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return done.returncode, done.stdout.splitlines()[-1]

    def test_counts(self) -> None:
        """
        CI ends with a line of counts, and fails where a test fails, is skipped or is expected to
        fail, and where the tests end without a count.
        """
        for summary, status, wanted in (
            ("PASSED (successes=7)", 0, (0, "7 passed, 0 failed, 0 skipped")),
            ("FAILED (failures=1, errors=2, successes=7)", 1, (1, "7 passed, 3 failed, 0 skipped")),
            ("PASSED (skips=2, successes=7)", 0, (1, "7 passed, 1 failed, 2 skipped")),
            ("PASSED (expectedFailures=2, successes=7)", 0, (1, "7 passed, 1 failed, 2 skipped")),
            ("FAILED (unexpectedSuccesses=2)", 1, (1, "0 passed, 2 failed, 0 skipped")),
            ("npm failed", 2, (1, "0 passed, 1 failed, 0 skipped")),
        ):
            self.assertEqual(self.ended(summary, status), wanted, summary)

    def test_ci(self) -> None:
        """
        CI sets its machine up by the same script.
        """
        self.assertIn("step .ci/setup test\n", (ROOT / ".ci" / "run").read_text())
        self.assertTrue(os.access(ROOT / ".ci" / "setup", os.X_OK))
