"""The outermost layer: size limit, security headers, metrics, and the last word on failures nobody expected."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from api.core.errors import ApiError, HeadersTooLargeError, PayloadTooLargeError, render
from api.core.logging import describe, get_logger
from api.core.metrics import Metrics
from api.core.protocol import LONGEST_HEAD

logger = get_logger("edge")

_LARGEST_BODY = 1024 * 1024  # 20,000 characters are 60 KB; a batch for understanding is the largest body there is

# Inline styles: the custom element puts its sheet into its shadow root. Scripts only from here.
_CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", _CSP.encode()),
    (b"permissions-policy", b"geolocation=(), camera=(), payment=()"),
]
_NO_STORE = (b"cache-control", b"no-store")

_Message = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Larger:
    """A route that takes more than the rest; `refusal` says how much."""

    path: re.Pattern[str]
    most: int
    refusal: ApiError


class _TooLargeError(HTTPException):
    """The body grew past the limit while it was read; FastAPI would turn anything but an HTTPException into a 400."""

    def __init__(self) -> None:
        super().__init__(413)


class Edge:
    """Pure ASGI: no task group and no copy of the body per request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, larger: Larger | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(send)
        started = time.perf_counter()
        more = self._larger if self._larger and self._larger.path.fullmatch(scope["path"]) else None
        most = more.most if more else _LARGEST_BODY
        try:
            if _head_length(scope) > LONGEST_HEAD:
                raise HeadersTooLargeError
            if _announced_length(scope) > most:
                raise _TooLargeError
            await self._app(scope, _limited(receive, most), exchange.send)
        except HeadersTooLargeError as error:
            await exchange.answer_failure(scope, error)
        except _TooLargeError:
            await exchange.answer_failure(scope, more.refusal if more else PayloadTooLargeError())
        except Exception as error:  # noqa: BLE001 - the edge of the process: log the place, tell the caller nothing
            logger.error("unhandled", path=_route(scope), **describe(error))
            await exchange.answer_failure(scope, ApiError())
        self._count(scope, exchange.status, time.perf_counter() - started)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        self._metrics.requests.labels(scope["method"], route, status).inc()
        if not route.endswith("/events"):
            self._metrics.request_seconds.labels(route).observe(seconds)


class _Exchange:
    """One answer on its way out; remembers whether it has begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def send(self, message: _Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            names = {name for name, _ in headers}
            headers += [pair for pair in _HEADERS if pair[0] not in names]
            if b"cache-control" not in names:
                headers.append(_NO_STORE)
            message["headers"] = headers
        await self._send(message)

    async def answer_failure(self, scope: Scope, error: ApiError) -> None:
        if self.status:
            return  # half an answer is out already; the server closes the connection
        await render(error)(scope, _nothing, self.send)


async def _nothing() -> _Message:
    return {"type": "http.disconnect"}


def _limited(receive: Receive, most: int) -> Callable[[], Awaitable[_Message]]:
    total = 0

    async def limited() -> _Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > most:
            raise _TooLargeError
        return message

    return limited


def _head_length(scope: Scope) -> int:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return len(scope["raw_path"]) + len(scope["query_string"]) + sum(len(name) + len(value) for name, value in headers)


def _announced_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0


def _route(scope: Scope) -> str:
    """The route's template: paths carry ids."""
    return getattr(scope.get("route"), "path", "other")
