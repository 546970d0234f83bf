"""
The files that the daemon serves to browsers: its page, the examples, the console, the files that
these share, and the client for pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.errors import RealtimeError
from aerostack.net.http.base import NotFoundResource, RefusalResource
from aerostack.net.http.requests import BoundedRequest

HTML = "text/html; charset=utf-8"

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    # Declarations are text for a compiler; the usual type for .ts is a video's.
    ".d.ts": "text/plain; charset=utf-8",
}
"""The media types of the client's files, by the ends of their names.  No other file is served."""

PAGE_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The media types of the other files of pages, in the same way."""

POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
}
"""What pages may load: files of the daemon, and no code or styles inside the page."""

CHARTS = ("node_modules", "uplot", "dist")
"""The folder of the chart library inside the console's folder, once the library is installed."""

CHART_FILES = ("uPlot.esm.js", "uPlot.min.css")
"""The files of the chart library that the console uses."""

EXAMPLE_TYPES = {
    **TYPES,
    ".css": "text/css; charset=utf-8",
    ".html": HTML,
    # Pages show these files, and programs other than browsers use them.
    ".mjs": "text/plain; charset=utf-8",
    ".py": "text/plain; charset=utf-8",
    ".tsx": "text/plain; charset=utf-8",
}
"""The same for the examples."""


class FileResource(Resource):
    """
    A file, read once.

    A browser asks every time whether the file has changed, and gets it only then.  So an upgrade of
    the daemon also upgrades the pages.
    """

    isLeaf = True

    def __init__(self, content: bytes, contentType: str, headers: Mapping[str, str]) -> None:
        """
        @param headers: More headers for it.
        """
        super().__init__()
        self._content = content
        self._tag = f'"{sha256(content).hexdigest()[:24]}"'.encode()
        self._headers = {
            "Content-Type": contentType,
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
            **headers,
        }

    def render_GET(self, request: BoundedRequest) -> bytes:
        if request.postpath:
            body: bytes = NotFoundResource().render(request)
            return body
        for name, value in self._headers.items():
            request.setHeader(name.encode(), value.encode())
        if request.setETag(self._tag) is CACHED:
            return b""
        request.setHeader(b"content-length", str(len(self._content)).encode())
        return b"" if request.method == b"HEAD" else self._content


class GuardedResource(Resource):
    """
    A resource that only some requests get.
    """

    isLeaf = True

    def __init__(self, resource: Resource, check: Callable[[Request], None]) -> None:
        """
        @param check: Raises L{RealtimeError} for a request that is refused.
        """
        super().__init__()
        self._resource = resource
        self._check = check

    def render(self, request: BoundedRequest) -> Any:
        try:
            self._check(request)
        except RealtimeError as error:
            return RefusalResource(error).render(request)
        return self._resource.render(request)


def homeFiles(projectId: str, examples: bool) -> dict[str, Resource]:
    """
    The page that shows the daemon at work, by path.

    @param projectId: The project that the page begins with.
    @param examples: Whether the examples are served, too.
    """
    folder = files("aerostack.web").joinpath("home")
    page = folder.joinpath("index.html").read_text("utf-8")
    page = page.replace("{{examples}}", "" if examples else "hidden")
    # A project's id has no characters that are special in HTML.
    page = page.replace("{{projectId}}", projectId)
    found: dict[str, Resource] = {"": FileResource(page.encode("utf-8"), HTML, POLICY)}
    for file, kind in _served(folder, PAGE_TYPES):
        found[f"home/{file.name}"] = FileResource(file.read_bytes(), kind, {})
    return found


def sharedFiles() -> dict[str, Resource]:
    """
    The files that the daemon's page, the console and the examples share, by path.
    """
    folder = files("aerostack.web").joinpath("shared")
    return {
        f"shared/{file.name}": FileResource(file.read_bytes(), kind, {})
        for file, kind in _served(folder, PAGE_TYPES)
    }


def clientFiles() -> dict[str, Resource]:
    """
    The client for browsers, by path.

    The names are read when the daemon starts, so that no part of a request ever becomes a file's
    name.
    """
    folder = files("aerostack.web").joinpath("client")
    return {f"client/{file.name}": _clientFile(file, kind) for file, kind in _served(folder, TYPES)}


def consoleFiles(check: Callable[[Request], None]) -> dict[str, Resource]:
    """
    The console, by path, and the library for its charts if that is installed.

    @param check: Raises L{RealtimeError} for a request that is refused.
    """
    folder = files("aerostack.web").joinpath("console")
    page = FileResource(
        folder.joinpath("index.html").read_bytes(),
        HTML,
        {
            **POLICY,
            "Referrer-Policy": "no-referrer",
            # No other page may control the console's window, not even a page of the same origin:
            # such pages show what strangers write.
            "Cross-Origin-Opener-Policy": "same-origin",
        },
    )
    found: dict[str, Resource] = {"console/": page}
    for file, kind in _served(folder, PAGE_TYPES):
        found[f"console/{file.name}"] = _consoleFile(file, kind)
    charts = folder.joinpath(*CHARTS)
    if charts.is_dir():
        for file, kind in _served(charts, PAGE_TYPES):
            if file.name in CHART_FILES:
                found[f"console/chart/{file.name}"] = _consoleFile(file, kind)
    return {path: GuardedResource(resource, check) for path, resource in found.items()}


def exampleFiles(projectId: str) -> dict[str, Resource]:
    """
    The examples, by path.  Beside the pages of each example is its server's code, for reading.

    @param projectId: The project of the examples.
    """
    pages, servers = files("aerostack.web").joinpath("examples"), files("aerostack.examples")
    found = {f"examples/{file.name}": (file, kind) for file, kind in _served(pages, EXAMPLE_TYPES)}
    for folder in pages.iterdir():
        if not folder.is_dir():
            continue
        for file, kind in _served(folder, EXAMPLE_TYPES):
            name = "" if file.name == "index.html" else file.name
            found[f"examples/{folder.name}/{name}"] = (file, kind)
        server = servers.joinpath(f"{folder.name}.py")
        if server.is_file():
            found[f"examples/{folder.name}/server.py"] = (server, EXAMPLE_TYPES[".py"])
    return {path: _exampleFile(file, kind, projectId) for path, (file, kind) in found.items()}


def _exampleFile(file: Traversable, contentType: str, projectId: str) -> FileResource:
    content = file.read_bytes().replace(b"{{projectId}}", projectId.encode("ascii"))
    return FileResource(content, contentType, POLICY)


def _served(folder: Traversable, types: Mapping[str, str]) -> Iterator[tuple[Traversable, str]]:
    for file in folder.iterdir():
        for ending, kind in types.items():
            if file.name.endswith(ending):
                yield file, kind


def _clientFile(file: Traversable, contentType: str) -> FileResource:
    return FileResource(
        file.read_bytes(),
        contentType,
        # The file is public.  A page of another origin loads a module only with this header.
        {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"},
    )


def _consoleFile(file: Traversable, contentType: str) -> FileResource:
    headers = {"Cross-Origin-Resource-Policy": "same-origin"}
    return FileResource(file.read_bytes(), contentType, headers)
