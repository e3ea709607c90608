"""A bot at the outside edge: real HTTP, scripted behaviour (slow, dead, empty, failing), nothing understood."""

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Answer = dict[str, Any]


def answer(*texts: str, state: dict[str, Any] | None = None, **more: Any) -> Answer:
    """A whole TurnAnswer with these bubbles."""
    messages = [{"text": text} for text in texts]
    return {"messages": messages, "understanding": None, "draft": {}, "state": state or {}, **more}


class FakeBot:
    """`respond` decides each turn; `turns` keeps what was asked."""

    def __init__(self) -> None:
        self.turns: list[dict[str, Any]] = []
        self.parsed: list[dict[str, Any]] = []
        self.running = 0
        self.most_running: dict[str, int] = {}
        self.delay = 0.0
        self.failures = 0
        self.status = 503
        self.body: bytes | None = None
        self.respond: Callable[[dict[str, Any]], Answer] = lambda turn: answer(f"收到：{turn['text']}")
        self.before_answer: Callable[[dict[str, Any]], Any] | None = None
        self.app = Starlette(
            routes=[
                Route("/webhooks/bridge/turn", self._turn, methods=["POST"]),
                Route("/webhooks/bridge/parse", self._parse, methods=["POST"]),
                Route("/webhooks/bridge/health", self._health),
                Route("/health", self._health),
            ]
        )

    async def _turn(self, request: Request) -> Response:
        turn = await request.json()
        self.turns.append(turn)
        self.running += 1
        key = turn["conversation_id"]
        self.most_running[key] = max(self.most_running.get(key, 0), self.running)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.before_answer is not None:
                await self.before_answer(turn)
            if self.failures > 0:
                self.failures -= 1
                return Response(self.body or b'{"error":{"code":"nlu","message":"x"}}', self.status)
            return JSONResponse(self.respond(turn))
        finally:
            self.running -= 1

    async def _parse(self, request: Request) -> Response:
        body = await request.json()
        self.parsed += body["items"]
        return JSONResponse({"items": [self._understanding(item) for item in body["items"]]})

    @staticmethod
    def _understanding(item: dict[str, str]) -> dict[str, Any]:
        start = item["text"].find("<PHONE_1>")
        entities = []
        if start >= 0:
            entities.append(
                {"type": "phone", "text": "<PHONE_1>", "start": start, "end": start + 9, "value": "<PHONE_1>"}
            )
        if (end := item["text"].find("城东")) >= 0:
            entities.append(
                {
                    "type": "branch",
                    "text": "城东",
                    "start": end,
                    "end": end + 2,
                    "value": {"code": "YT002", "name": "城东支行"},
                }
            )
        return {
            "id": item["id"],
            "intent": {"name": "complain", "confidence": 0.9},
            "nature": "complaint",
            "cause": [{"code": "C5", "confidence": 0.9, "detail": "C5a"}],
            "level": 1,
            "level_confidence": 0.8,
            "reasons": ["交班"],
            "cause_reasons": ["交班"],
            "level_reasons": [],
            "entities": entities,
        }

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "model": "fake"})


class _Quick(uvicorn.Server):
    """uvicorn that stops when it is told to, not at its next tenth of a second: hundreds of tests start and stop it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leaving = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.leaving.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has only the sets
            await asyncio.sleep(0.002)
        for server in self.servers:
            await server.wait_closed()
        await self.lifespan.shutdown()


class Server:
    """uvicorn in this event loop, on a port of its own; `more` goes to uvicorn's configuration (certificates)."""

    def __init__(self, app: Any, port: int = 0, **more: Any) -> None:
        self._server = _Quick(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="on", **more))
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        self._task = asyncio.create_task(self._server._serve(None))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise RuntimeError("server did not start")
            await asyncio.sleep(0.002)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        self._server.leaving.set()
        if self._task is not None:
            await self._task


def parse_events(text: str) -> list[tuple[str, int | None, Any]]:
    """(event, id, data) of an SSE text."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            number = int(fields["id"]) if "id" in fields else None
            found.append((fields["event"], number, json.loads(fields["data"])))
    return found
