"""A back office at the other end of a webhook: real HTTP, and as slow, wrong or gone as a test wants."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.api.fake_bot import Server

Event = dict[str, Any]


async def _fine(event: Event) -> Response:
    return Response(status_code=204)


class Receiver:
    """`events` are the bodies as they came, `kept` those that were answered with 2xx; `respond` decides. `more` as in Server."""

    def __init__(self, **more: Any) -> None:
        self.events: list[Event] = []
        self.kept: list[Event] = []
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.running = self.most_running = 0
        self.respond: Callable[[Event], Awaitable[Response]] = _fine
        self.app = Starlette(routes=[Route("/{path:path}", self._receive, methods=["POST", "GET"])])
        self.server = Server(self.app, **more)
        self.url = ""

    async def start(self) -> "Receiver":
        self.url = await self.server.start()
        return self

    def fails(self, *statuses: int, headers: dict[str, str] | None = None) -> None:
        """These answers first, then everything is fine."""
        left = list(statuses)

        async def respond(_: Event) -> Response:
            return Response(b"secret words", left.pop(0), headers=headers) if left else Response(status_code=200)

        self.respond = respond

    def verified(self, secret: str, number: int = -1) -> Any:
        """What the standard's own library says to a request; raises when the signature is wrong."""
        headers, body = self.requests[number]
        return Webhook(secret).verify(body, headers)

    def versions(self, ticket_no: str) -> list[int]:
        return [event["data"]["version"] for event in self.kept if event["data"]["ticket_no"] == ticket_no]

    async def until(self, count: int, seconds: float = 30.0) -> list[Event]:
        """Once `count` events were kept."""
        for _ in range(int(seconds / 0.02)):
            if len(self.kept) >= count:
                return self.kept
            await asyncio.sleep(0.02)
        raise AssertionError(f"{len(self.kept)} of {count} kept, {len(self.events)} tries")

    async def _receive(self, request: Request) -> Response:
        body = await request.body()
        event = json.loads(body)
        self.events.append(event)
        self.requests.append((dict(request.headers), body))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            response = await self.respond(event)
        finally:
            self.running -= 1
        if response.status_code < 300:
            self.kept.append(event)
        return response


async def eventually(check: Callable[[], Awaitable[Any]], seconds: float = 30.0) -> Any:
    """What `check` gives once it is true."""
    for _ in range(int(seconds / 0.02)):
        if found := await check():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not happen")
