"""
Links to documents in files that stand outside of this folder, such as C{CONTRIBUTING.rst}.

There a reader finds the file C{docs/cli.rst}; on the built pages the same words link to the page.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_NAME = re.compile(r"`docs/([a-z]+)\.rst`_")


def link(app: Sphinx, path: Path, document: str, content: list[str]) -> None:
    """
    Let names of documents in an included file be links.

    @param content: The text of the file, as the only item, which this changes.
    """
    content[0] = _NAME.sub(r":doc:`\1`", content[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """
    Tell Sphinx about it.
    """
    app.connect("include-read", link)
    return {"parallel_read_safe": True}
