"""
The tree of a site's resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from twisted.web.resource import Resource
from twisted.web.server import Request

from aerostack.net.http.base import JSONResource, NotFoundResource, redirect
from aerostack.net.http.head import Upgrader
from aerostack.net.http.requests import BoundedRequest, RefusalNotes


def makeTree(resources: Mapping[str, Resource], notes: RefusalNotes | None = None) -> Tree:
    """
    Make the tree of a site's resources.

    @param resources: By path, such as C{api/realtime}; the empty path is the root.
    @param notes: Takes notice of refused requests; L{None} if nothing does.
    @return: The root of the tree.
    """
    root = Tree(
        {
            f"/{path}".encode(): resource.upgrader
            for path, resource in resources.items()
            if isinstance(resource, JSONResource) and resource.upgrader is not None
        },
        notes,
    )
    for path, resource in resources.items():
        *branches, leaf = path.split("/")
        node: Resource = root
        for name in branches:
            child = node.children.get(name.encode())
            if child is None:
                child = _Branch()
                node.putChild(name.encode(), child)
            node = child
        node.putChild(leaf.encode(), resource)
    return root


class _Branch(Resource):
    """
    A part of a path.  For an unknown path below it the answer is JSON.  If there is a page right
    below it, a request without the final slash is redirected to that page.
    """

    def getChild(self, path: bytes, request: Request) -> Resource:
        return NotFoundResource()

    def render(self, request: BoundedRequest) -> Any:
        if b"" in self.children and request.prepath:
            return redirect(request, request.prepath[-1] + b"/", HTTPStatus.PERMANENT_REDIRECT)
        return NotFoundResource().render(request)


class Tree(_Branch):
    """
    The root of a site's resources.

    @ivar upgraders: What opens WebSockets, by path.
    @ivar notes: Takes notice of refused requests; L{None} if nothing does.
    """

    def __init__(
        self, upgraders: Mapping[bytes, Upgrader], notes: RefusalNotes | None = None
    ) -> None:
        super().__init__()
        self.notes = notes
        self.upgraders = upgraders
