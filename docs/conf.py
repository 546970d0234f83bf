"""
How Sphinx builds the documentation: C{make docs}.
"""

import sys
from pathlib import Path

from aerostack import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "aerostack-rt"
version = release = __version__

extensions = ["configuration", "documents"]
# A block is highlighted where it says what it is, and else shown as it is.
highlight_language = "none"
# A quote in a value stays what it is.
smartquotes = False
nitpicky = True
# The highlighter takes the brackets of TypeScript's useState<Order[]> for a tag of JSX.  Tests
# compile the code.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_favicon = "../aerostack/web/home/icon.svg"
html_title = f"aerostack-rt {version}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# The manual page of the command.  The package that is published has it.
man_pages = [("cli", "aerostack-rt", "control a realtime daemon from a shell", [], 1)]
# Served beside the pages, under its own name, for tools that read it.
html_extra_path = ["openapi.yaml"]
