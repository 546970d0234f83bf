"""
How Sphinx builds the documentation: C{make docs}.
"""

import sys
from pathlib import Path

from aerostack import __version__

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "aerostack-rt"
version = release = __version__

extensions = ["configuration"]
# A block is highlighted where it says what it is, and else shown as it is.
highlight_language = "none"
# A quote in a value stays what it is.
smartquotes = False
nitpicky = True

html_theme = "furo"
html_title = f"aerostack-rt {version}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
# Served beside the pages, under its own name, for tools that read it.
html_extra_path = ["openapi.yaml"]
