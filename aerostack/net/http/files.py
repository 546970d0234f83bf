"""
The files that the daemon serves to browsers: its page, the examples, the console, the files that
these share, and the client for pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from twisted.web.http import CACHED
from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.errors import RealtimeError
from aerostack.net.http.base import (
    NotFoundResource,
    PageResource,
    RedirectResource,
    RefusalResource,
)
from aerostack.net.http.requests import BoundedRequest
from aerostack.net.http.tarball import packTarball

HTML = "text/html; charset=utf-8"

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    # Declarations are text for a compiler; the usual type for .ts is a video's.
    ".d.ts": "text/plain; charset=utf-8",
}
"""The media types of the client's files, by the ends of their names.  No other file is served."""

PACKAGE_FILES = ("package.json", "README.md")
"""The files that only the package for npm has."""

TARBALL = "aerostack-rt.tgz"
"""The name of that package."""

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

EDITOR_POLICY = {
    name: value.replace("style-src 'self'", "style-src 'self' 'unsafe-inline'")
    for name, value in POLICY.items()
}
"""The same for pages with an editor, which makes its styles itself."""

BUNDLE = ("node_modules", "bundle.js")
"""The file with the packages that an example needs, inside its folder, once it is built."""

CHARTS = ("node_modules", "uplot", "dist")
"""The folder of the chart library inside the console's folder, once the library is installed."""

CHART_FILES = ("uPlot.esm.js", "uPlot.min.css")
"""The files of the chart library that the console uses."""

EXAMPLE_TYPES = {
    **TYPES,
    ".css": "text/css; charset=utf-8",
    ".html": HTML,
    # Pages show these files, and programs other than browsers use them.
    ".jsx": "text/plain; charset=utf-8",
    ".mjs": "text/plain; charset=utf-8",
    ".py": "text/plain; charset=utf-8",
    ".tsx": "text/plain; charset=utf-8",
}
"""The same for the examples."""


class FileResource(PageResource):
    """
    A file, read once.

    A browser asks every time whether the file has changed, and gets it only then.  So an upgrade of
    the daemon also upgrades the pages.
    """

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

    def read(self, request: BoundedRequest) -> bytes:
        if request.postpath:
            body: bytes = NotFoundResource().render(request)
            return body
        return self.send(request)

    def send(self, request: BoundedRequest) -> bytes:
        """
        Answer with the file, whatever the path of the request is.
        """
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


class HomeResource(PageResource):
    """
    The page that shows the daemon at work.  It leads to the console where that answers, and says
    how to get there where it does not.
    """

    def __init__(self, pages: Mapping[str, FileResource], check: Callable[[Request], None]) -> None:
        """
        @param pages: The forms of the page, by the code of the error with which the console refuses
            a request; the empty string where it does not.
        @param check: Raises that L{RealtimeError}.
        """
        super().__init__()
        self._pages = pages
        self._check = check

    def read(self, request: BoundedRequest) -> bytes:
        try:
            self._check(request)
        except RealtimeError as error:
            return self._pages[error.code].read(request)
        return self._pages[""].read(request)


def homeFiles(
    projectId: str, examples: bool, manual: bool, database: str, check: Callable[[Request], None]
) -> dict[str, Resource]:
    """
    The page that shows the daemon at work, by path.

    @param projectId: The project that the page begins with.
    @param examples: Whether the examples are served, too.
    @param manual: Whether the documentation is served, too.
    @param database: C{postgresql}, or the file of SQLite's database as the page may show it: its
        path in the daemon's folder, or C{sqlite} for a file elsewhere.
    @param check: Raises L{RealtimeError} C{not_found} for a request if the console is off, and
        C{forbidden} if it does not open from where the request comes.
    """
    folder = files("aerostack.web").joinpath("home")
    page = folder.joinpath("index.html").read_text("utf-8")
    for name, text in {
        "examples": "" if examples else "hidden",
        "manual": "" if manual else "hidden",
        "database": escape(database),
        "projectId": projectId,
    }.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    pages = {code: _homePage(page, code) for code in ("", "not_found", "forbidden")}
    found: dict[str, Resource] = {"": HomeResource(pages, check)}
    for file, kind in _served(folder, PAGE_TYPES):
        found[f"home/{file.name}"] = FileResource(file.read_bytes(), kind, {})
    return found


def _homePage(page: str, refused: str) -> FileResource:
    for name, text in {
        "console": "#console" if refused else "console/",
        "console-closed": "" if refused else "hidden",
        "console-off": "" if refused == "not_found" else "hidden",
        "console-elsewhere": "" if refused == "forbidden" else "hidden",
    }.items():
        page = page.replace(f"{{{{{name}}}}}", text)
    return FileResource(page.encode("utf-8"), HTML, POLICY)


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
    The client for browsers, by path: its modules, and the package of them for npm.

    The names are read when the daemon starts, so that no part of a request ever becomes a file's
    name.
    """
    folder = files("aerostack.web").joinpath("client")
    found = {file.name: (file.read_bytes(), kind) for file, kind in _served(folder, TYPES)}
    found[TARBALL] = (clientPackage(), "application/gzip")
    return {f"client/{name}": _clientFile(content, kind) for name, (content, kind) in found.items()}


def clientPackage() -> bytes:
    """
    The client as a package for npm.
    """
    folder = files("aerostack.web").joinpath("client")
    names = [file.name for file, _ in _served(folder, TYPES)]
    return packTarball(
        {name: folder.joinpath(name).read_bytes() for name in (*names, *PACKAGE_FILES)}
    )


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
        bundle = folder.joinpath(*BUNDLE)
        if bundle.is_file():
            found[f"examples/{folder.name}/{BUNDLE[-1]}"] = (bundle, EXAMPLE_TYPES[".js"])
        server = servers.joinpath(f"{folder.name}.py")
        if server.is_file():
            found[f"examples/{folder.name}/server.py"] = (server, EXAMPLE_TYPES[".py"])
    # The daemon's page lists the examples.
    listed: dict[str, Resource] = {"examples/": RedirectResource(b"../#examples")}
    return listed | {
        path: _exampleFile(file, kind, projectId) for path, (file, kind) in found.items()
    }


def _exampleFile(file: Traversable, contentType: str, projectId: str) -> FileResource:
    content = file.read_bytes().replace(b"{{projectId}}", projectId.encode("ascii"))
    policy = EDITOR_POLICY if b"<!-- editor -->" in content else POLICY
    return FileResource(content, contentType, policy)


def _served(folder: Traversable, types: Mapping[str, str]) -> Iterator[tuple[Traversable, str]]:
    for file in folder.iterdir():
        for ending, kind in types.items():
            if file.name.endswith(ending):
                yield file, kind


def _clientFile(content: bytes, contentType: str) -> FileResource:
    return FileResource(
        content,
        contentType,
        # The file is public.  A page of another origin loads a module only with this header.
        {"Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin"},
    )


def _consoleFile(file: Traversable, contentType: str) -> FileResource:
    headers = {"Cross-Origin-Resource-Policy": "same-origin"}
    return FileResource(file.read_bytes(), contentType, headers)
