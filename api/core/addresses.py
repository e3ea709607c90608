"""Which methods each address has, so that 405 can name them all; frameworks name those of the first route that fits."""

import re
from collections.abc import Sequence

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from api.core.errors import MethodNotAllowedError, render


class Addresses:
    """What the routes of the app have been told to answer."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        self._written_out: dict[str, set[str]] = {}
        self._with_parts: dict[re.Pattern[str], set[str]] = {}
        for route in iter_route_contexts(routes):
            if route.methods is None:
                continue  # a mount answers for itself
            if route.param_convertors:
                self._with_parts.setdefault(route.path_regex, set()).update(route.methods)
            else:
                self._written_out.setdefault(str(route.path), set()).update(route.methods)

    def written_out(self, path: str) -> set[str]:
        """Empty when the path is none of those without parameters."""
        return self._written_out.get(path, set())

    def methods(self, path: str) -> set[str]:
        if path in self._written_out:
            return self._written_out[path]
        return set().union(*(methods for pattern, methods in self._with_parts.items() if pattern.match(path)))


class WrittenOut:
    """ASGI: `…/incidents/export` is no incident called export, not even for a method that only incidents have."""

    def __init__(self, app: ASGIApp, addresses: Addresses) -> None:
        self._app = app
        self._addresses = addresses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            methods = self._addresses.written_out(scope["path"])
            if methods and scope["method"] not in methods:
                await render(MethodNotAllowedError(methods))(scope, receive, send)
                return
        await self._app(scope, receive, send)
