"""
How long a shared document of many edits takes to open, and how much the daemon stores of it, before
and after a snapshot.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from processes import Server, freePort

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from aerostack.testing import PUBLIC_KEY, SECRET_KEY  # noqa: E402
from tests.web import HERE, Workshop  # noqa: E402

CONFIG = """
[server]
listen = ["tcp:{port}:interface=127.0.0.1:local=1"]
[database]
url = "sqlite:///rt.db"
[topics."doc/*"]
compact = true
[projects.p]
public_key = "{public}"
secret_key = "{secret}"
"""


def measure(edits: int, directory: Path) -> dict[str, Any]:
    """
    Write a document, open it, replace its edits by a snapshot, and open it again.

    @return: What C{tests/web/apps/opening.js} prints.
    """
    directory.mkdir()
    port = freePort()
    config = directory / "rt.toml"
    config.write_text(CONFIG.format(port=port, public=PUBLIC_KEY, secret=SECRET_KEY))
    workshop = Workshop(directory / "workshop", [HERE / "apps" / "opening.js"])
    twistd = Path(sys.executable).with_name("twistd")
    command = [twistd, "--nodaemon", "--pidfile=", "aerostack-rt", f"--config={config}"]
    server = Server(command, port, directory / "log", {})
    try:
        server.wait()
        program = ["node", "opening.js", f"http://127.0.0.1:{port}", str(edits)]
        output = subprocess.run(
            program, cwd=workshop.folder, stdout=subprocess.PIPE, check=True, timeout=300
        ).stdout
    finally:
        server.stop()
    seen: dict[str, Any] = json.loads(output)
    return seen


def main() -> None:
    """
    Measure, and print what was seen.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = [
            measure(options.edits, Path(directory) / str(number))
            for number in range(options.rounds)
        ]
    assert all(each["same"] for each in found), found
    middle = {name: statistics.median(each[name] for each in found) for name in found[0]}
    size = middle["size"]
    print(f"{options.edits:,} edits; Yjs itself needs {size:,} bytes for the document")
    for when, opened, stored in (
        ("before a snapshot", middle["openedBefore"], middle["storedBefore"]),
        ("behind a snapshot", middle["opened"], middle["stored"]),
    ):
        print(f"{when}: opened in {opened:,.0f} ms, {stored:,} bytes stored ({stored / size:.2f})")


if __name__ == "__main__":
    main()
