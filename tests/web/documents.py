"""
Code blocks in documents.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

_BLOCK = re.compile(r"(?m)^\.\. code-block:: (\w+)\n((?:\n|    .*\n)+)")


def codeBlocks(path: Path) -> list[tuple[str, str]]:
    """
    Return the code blocks of a document in reStructuredText: their language, and the code.
    """
    found = _BLOCK.findall(path.read_text())
    return [(language, textwrap.dedent(code).strip("\n") + "\n") for language, code in found]
