"""The bot's only door: `/webhooks/bridge/turn`, `/parse` and `/health`, for the bridge alone.

A turn is answered as a whole or not at all. Whatever goes wrong inside (understanding, an action, an empty answer, the
deadline) is a 503 without a state, and the bridge tries the same turn again.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Dict, List, Optional

from rasa.core.channels import InputChannel, UserMessage
from sanic import Blueprint
from sanic.request import Request
from sanic.response import HTTPResponse

from bot.agent import TurnAgent
from bot.channels.branches import refresh_branches
from bot.channels.outbox import Outbox
from bot.channels.turns import BadRequestError, TurnCall, as_text, field, turn_answer, understanding
from bot.state import TurnState, turn_state

_log = logging.getLogger(__name__)

# Three actions at 2.5 s each and the understanding; the bridge itself gives up after ten.
_TURN_SECONDS = 8.0
# A transcript line or a backlog, not a data set: /v1/understand splits what is longer.
_MAX_ITEMS = 200

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse]]


class BridgeChannel(InputChannel):
    """Rasa's connector to `api/dialogue` (credentials.yml)."""

    def __init__(self, secret: str) -> None:
        if not secret or secret.startswith("${"):
            raise ValueError("TINGSU_INTERNAL_SECRET is not set")
        self._secret = secret.encode()

    @classmethod
    def name(cls) -> str:
        """See parent class; part of the address."""
        return "bridge"

    @classmethod
    def from_credentials(cls, credentials: Optional[Dict[str, Any]]) -> "BridgeChannel":
        """See parent class."""
        return cls((credentials or {}).get("secret", ""))

    def blueprint(self, on_new_message: Callable[[UserMessage], Awaitable[Any]]) -> Blueprint:
        """See parent class. The agent is called directly: Rasa's handler drops what a message leads to."""
        blueprint = Blueprint("bridge")
        blueprint.add_route(self._edge(_turn), "/turn", methods=["POST"], name="turn")
        blueprint.add_route(self._edge(_parse), "/parse", methods=["POST"], name="parse")
        blueprint.add_route(self._edge(_health), "/health", methods=["GET"], name="health")
        return blueprint

    def _edge(self, handler: Handler) -> Handler:
        """Lets in who knows the secret, and turns every failure into an answer that quotes nobody."""

        @wraps(handler)
        async def edge(request: Request) -> HTTPResponse:
            given = request.headers.get("authorization", "").partition("Bearer ")[2]
            if not secrets.compare_digest(given.encode(), self._secret):
                return _error(401, "unauthorized", "这个地址只供内部使用。")
            try:
                return await handler(request)
            except BadRequestError as error:
                return _error(400, "bad_request", f"请求里的 {error} 不对。")
            except Exception as error:  # noqa: BLE001 - the process edge: the bridge retries
                _log.error("%s failed: %s", handler.__name__.strip("_"), _named(error))
                return _error(503, "bot_failed", "这一轮没有完成，请重试。")

        return edge


async def _turn(request: Request) -> HTTPResponse:
    call, agent = TurnCall.parse(_body(request)), _agent(request)
    await refresh_branches(call.branches_version)
    turn, outbox = TurnState(given=call.state), Outbox()
    token = turn_state.set(turn)
    try:
        await asyncio.wait_for(agent.handle_message(call.message(outbox)), _TURN_SECONDS)
    finally:
        turn_state.reset(token)
    return _json(turn_answer(call, turn, outbox))


async def _parse(request: Request) -> HTTPResponse:
    body, agent = _body(request), _agent(request)
    items, now = field(body, "items", list), field(body, "now", str)
    if len(items) > _MAX_ITEMS:
        raise BadRequestError("items")
    await refresh_branches(field(body, "branches_version", int, 0))
    answers: List[Dict[str, Any]] = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("text"), str):
            raise BadRequestError("items")
        answers.append({"id": item.get("id"), **await understand(agent, item["text"], now)})
        # A long list must not keep a customer waiting.
        await asyncio.sleep(0)
    return _json({"items": answers})


async def _health(request: Request) -> HTTPResponse:
    if not getattr(request.app.ctx, "warm", False):
        return _error(503, "starting", "正在启动。")
    return _json({"status": "ok", "model": _agent(request).loaded.model_filename})


async def understand(agent: TurnAgent, text: str, now: str) -> Dict[str, Any]:
    """What the assistant understands of one text, outside any conversation."""
    message = UserMessage(as_text(text), metadata={"now": now})
    found = await agent.loaded.parse_message(message)
    return understanding(found["understanding"], text)


def _agent(request: Request) -> TurnAgent:
    agent: TurnAgent = request.app.ctx.agent
    return agent


def _body(request: Request) -> Dict[str, Any]:
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadRequestError("body") from None
    if not isinstance(body, dict):
        raise BadRequestError("body")
    return body


def _named(error: BaseException) -> str:
    """The failure and what led to it, without their words, which may be the customer's; ours name an action only."""
    own = type(error).__module__.startswith("bot.") and str(error)
    name = f"{type(error).__name__} ({error})" if own else type(error).__name__
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{name} from {_named(cause)}" if cause is not None else name


def _json(body: Dict[str, Any]) -> HTTPResponse:
    return HTTPResponse(json.dumps(body, ensure_ascii=False), content_type="application/json")


def _error(status: int, code: str, message: str) -> HTTPResponse:
    body = json.dumps({"error": {"code": code, "message": message}}, ensure_ascii=False)
    return HTTPResponse(body, status=status, content_type="application/json")
