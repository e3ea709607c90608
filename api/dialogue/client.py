"""HTTP to the bot, each call with a deadline; every kind of failure becomes BotUnavailableError."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx
from pydantic import ValidationError
from pydantic_core import from_json, to_json

from api.core.clock import rfc3339
from api.dialogue.errors import BotUnavailableError
from contract.turn import TurnAnswer, TurnRequest

_PATH = "/webhooks/bridge"
_CONNECTIONS = 64


class BotClient:
    """The bot's own input channel; loopback only, so nothing is followed, trusted or taken from the environment."""

    def __init__(self, url: str, secret: str, deadline: timedelta) -> None:
        self._deadline = deadline.total_seconds()
        self._http = httpx.AsyncClient(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {secret}", "Content-Type": "application/json"},
            timeout=httpx.Timeout(self._deadline, connect=2.0),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            trust_env=False,
        )

    async def turn(self, request: TurnRequest, state: bytes | None) -> TurnAnswer:
        """`state` is the JSON of the last answer, passed on without being parsed. An empty answer is a failure."""
        body = request.model_dump_json(exclude={"state"}).encode()
        body = b'%s,"state":%s}' % (body[:-1], state or b"null")
        content = await self._post("turn", body)
        try:
            answer = TurnAnswer.model_validate_json(content)
        except ValidationError as error:
            raise BotUnavailableError(details={"reason": "unreadable"}) from error
        if not answer.messages:
            raise BotUnavailableError(details={"reason": "empty"})
        return answer

    async def parse(self, items: list[dict[str, str]], now: datetime, branches_version: int) -> list[dict[str, Any]]:
        body = to_json({"now": rfc3339(now), "items": items, "branches_version": branches_version})
        content = await self._post("parse", body)
        try:
            parsed: list[dict[str, Any]] = from_json(content)["items"]
        except (ValueError, KeyError, TypeError) as error:
            raise BotUnavailableError(details={"reason": "unreadable"}) from error
        if len(parsed) != len(items):
            raise BotUnavailableError(details={"reason": "incomplete"})
        return parsed

    async def close(self) -> None:
        await self._http.aclose()

    async def _post(self, name: str, body: bytes) -> bytes:
        try:
            async with asyncio.timeout(
                self._deadline
            ):  # httpx counts each read anew; the customer waits for all of them
                answer = await self._http.post(f"{_PATH}/{name}", content=body)
        except (httpx.HTTPError, TimeoutError) as error:
            raise BotUnavailableError(details={"reason": type(error).__name__}) from error
        if answer.status_code != 200:
            raise BotUnavailableError(details={"reason": f"HTTP {answer.status_code}"})
        return answer.content
