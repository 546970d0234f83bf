"""
The documentation, at C{/docs/}: the built pages where there are some, and else its sources as text.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from html import escape
from http import HTTPStatus
from importlib.resources import files
from pathlib import Path

from twisted.web.resource import Resource

from aerostack.errors import RealtimeError
from aerostack.net.http.base import NotFoundResource, PageResource, RefusalResource, redirect
from aerostack.net.http.beside import findBeside
from aerostack.net.http.files import EDITOR_POLICY, HTML, POLICY, FileResource
from aerostack.net.http.requests import BoundedRequest

TYPES = {
    ".html": HTML,
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".yaml": "text/plain; charset=utf-8",
}
"""The media types of the documentation's files, by the ends of their names."""

KEPT = 64
"""How many files are kept in memory after they were read."""

DEEPEST = 8
"""How many parts the path of a file has at most.  A system refuses to look for longer ones."""

_NAME = re.compile("[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_INCLUDE = re.compile(r"^\.\. include:: (\S+)$", re.MULTILINE)
_FILE = re.compile(r"`docs/([a-z]+)\.rst`_")
_LINK = re.compile(r":doc:`(?:([^`&]*?)\s*&lt;)?([a-z]+)(?:&gt;)?`")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · aerostack-rt</title>
<link rel="icon" href="/home/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/shared/palette.css">
<link rel="stylesheet" href="/home/home.css">
</head>
<body>
<header><a class="name" href="/">aerostack-rt</a><a href="index.html">Documentation</a></header>
<main>{body}</main>
</body>
</html>
"""


@dataclass(frozen=True)
class Manual:
    """
    Where the documentation is on this machine.

    @ivar built: The folders that may have the built pages.  The first one with an C{index.html} is
        served, also if that was built after the daemon's start.
    @ivar sources: The folder with the sources; L{None} if the package has none.
    """

    built: Sequence[Path]
    sources: Path | None

    @classmethod
    def find(cls) -> Manual:
        """
        Find the documentation of this package: inside of it, or in the checkout around it.  A
        package that pip has built has its sources beside it.
        """
        web = Path(str(files("aerostack.web")))
        root = web.parents[1]
        packaged = web / "manual"
        if (root / "docs" / "conf.py").is_file():
            return cls((packaged, root / "build" / "docs"), root / "docs")
        index = findBeside("docs/index.rst")
        return cls((packaged,), None if index is None else index.parent)

    def folder(self) -> Path | None:
        """
        Name the folder with the built pages, if there is one now.
        """
        return next((each for each in self.built if (each / "index.html").is_file()), None)

    @property
    def exists(self) -> bool:
        """Whether there is any documentation."""
        return self.sources is not None or self.folder() is not None


class ManualResource(PageResource):
    """
    The documentation.

    The names of the pages are the same with and without built pages, so that links fit both.
    """

    def __init__(self, manual: Manual) -> None:
        super().__init__()
        self._manual = manual

    def read(self, request: BoundedRequest) -> bytes:
        names = [part.decode("ascii", "replace") for part in request.postpath or ()]
        if not names:
            location = request.path.rpartition(b"/")[2] + b"/"
            return redirect(request, location, HTTPStatus.PERMANENT_REDIRECT)
        names[-1] = names[-1] or "index.html"
        if len(names) > DEEPEST or not all(map(_NAME.fullmatch, names)):
            return self._missing(request)
        folder = self._manual.folder()
        if folder is not None:
            found = _read(folder.joinpath(*names))
        elif self._manual.sources is not None and len(names) == 1:
            found = _readSource(self._manual.sources, names[0])
        else:
            found = None
        return self._missing(request) if found is None else found.send(request)

    def _missing(self, request: BoundedRequest) -> bytes:
        resource: Resource = NotFoundResource()
        if not self._manual.exists:
            message = "This package came without its documentation; make wheel builds both."
            resource = RefusalResource(RealtimeError("not_found", message))
        body: bytes = resource.render(request)
        return body


def _read(path: Path) -> FileResource | None:
    kind = TYPES.get(path.suffix)
    if kind is None or not path.is_file():
        return None
    return _fileOf(path, kind, path.stat().st_mtime_ns)


@lru_cache(KEPT)
def _fileOf(path: Path, kind: str, changed: int) -> FileResource:
    """
    @param changed: When the file was changed last: a changed file is read again.
    """
    content = path.read_bytes()
    return FileResource(content, kind, _policyOf(content) if kind == HTML else {})


def _policyOf(page: bytes) -> Mapping[str, str]:
    """
    Make the policy of a built page.  It allows the scripts that Sphinx's theme writes into the
    page, each by its digest, and no other.
    """
    digests = {b64encode(sha256(script).digest()).decode() for script in _SCRIPT.findall(page)}
    scripts = " ".join(["script-src 'self'", *(f"'sha256-{each}'" for each in sorted(digests))])
    changes = {
        "script-src 'self'": scripts,
        # The theme's own styles have its small pictures.
        "img-src 'self'": "img-src 'self' data:",
        # The field for a search is a form.
        "form-action 'none'": "form-action 'self'",
    }
    policy = dict(EDITOR_POLICY)
    for name in policy:
        for old, new in changes.items():
            policy[name] = policy[name].replace(old, new)
    return policy


def _readSource(folder: Path, name: str) -> FileResource | None:
    if not name.endswith(".html"):
        path = folder / name
        return None if path.suffix == ".html" else _read(path)
    path = folder / f"{name.removesuffix('.html')}.rst"
    if not path.is_file():
        return None
    return _sourceOf(path, path.stat().st_mtime_ns)


@lru_cache(KEPT)
def _sourceOf(path: Path, changed: int) -> FileResource:
    """
    Make a page of a source: its text, with links to the pages that it names.
    """
    text = _INCLUDE.sub(lambda found: _included(path, found[1]), path.read_text("utf-8"))
    body = _LINK.sub(_linkOf, _FILE.sub(r":doc:`\1`", escape(text, quote=False)))
    lead = ""
    if path.stem == "index":
        lead = (
            "<p>These are the sources of the documentation. In a checkout, <code>make docs</code>"
            " builds pages of them, which the daemon then shows here. Packages that <code>make"
            " wheel</code> builds have the pages.</p>"
        )
    title = escape(text.partition("\n")[0])
    page = _PAGE.format(title=title, body=f'{lead}<pre class="source">{body}</pre>')
    return FileResource(page.encode(), HTML, POLICY)


def _included(path: Path, name: str) -> str:
    return path.parent.joinpath(name).read_text("utf-8")


def _linkOf(found: re.Match[str]) -> str:
    return f'<a href="{found[2]}.html">{found[1] or found[2]}</a>'
