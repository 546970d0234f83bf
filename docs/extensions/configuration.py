"""
The directive C{configuration}: every setting there is, from the daemon's own table.

A setting can be referred to as C{:confval:`limits.frame_bytes`}; one that does not exist
is an error of the build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from aerostack.settings.fields import Key
from aerostack.settings.settings import reference


def escape(text: str) -> str:
    """
    Take from plain text what it would mean in reStructuredText: URLs among it are
    examples, and become no links.
    """
    return re.sub(r"([\\*`|_<>:])", r"\\\1", text)


def written(key: Key) -> str:
    """
    What a setting is where the file does not have it, as one would write it there.
    """
    if key.required:
        return "It has to be set."
    if key.default is None:
        # Kinds that allow 0 for no limit read it as None.
        endless = getattr(key.kind, "endless", False)
        return "Default: ``0``, which is no limit." if endless else "Default: not set."
    return f"Default: ``{_toml(key.default)}``."


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def heading(table: str) -> str:
    """
    A table's heading, as it stands in the file.

    @param table: Its dotted name, such as C{topics.<pattern>}.
    """
    quoted = table.replace("<pattern>", '"<pattern>"')
    return f"[{quoted}]"


def render() -> Iterator[str]:
    """
    The lines of the reference, as reStructuredText.
    """
    for table, entries in groupby(reference(), key=lambda entry: entry[0].rpartition(".")[0]):
        title = f"``{heading(table)}``"
        yield from (title, "-" * len(title), "")
        for name, key in entries:
            yield from (f".. confval:: {name}", "", f"   {escape(key.doc)}", "")
            yield f"   {written(key)}  Allowed is {escape(key.kind.allowed())}."
            yield ""


class ConfigurationDirective(SphinxDirective):
    """
    Stands for the whole reference.
    """

    def run(self) -> list[nodes.Node]:
        # A change of the daemon's code changes this page.
        self.env.note_reread()
        text = "\n".join(render())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, Any]:
    """
    What Sphinx calls to know the directive.
    """
    app.add_directive("configuration", ConfigurationDirective)
    return {"parallel_read_safe": True}
