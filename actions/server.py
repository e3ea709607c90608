"""Rasa's action server contract over ASGI: `POST /webhook`, bearer-checked, never echoing a body.

rasa-sdk's own server answers an error with the whole request, which is all of the customer's data; only its executor is
used here.
"""

import json
import logging
import os
import secrets
from collections.abc import Sequence

from rasa_sdk import Action
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionNotFoundException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_log = logging.getLogger(__name__)
# A turn posts one trimmed conversation (about 30 KB); more is not ours.
_MAX_BODY = 2 * 1024 * 1024


def create_app(actions: Sequence[Action], secret: str) -> Starlette:
    """The server for these actions; `secret` is the bearer that the bot must show."""
    executor = ActionExecutor()
    for action in actions:
        executor.register_action(action)

    async def webhook(request: Request) -> JSONResponse:
        if not _is_authorised(request, secret):
            return JSONResponse({"error": "unauthorized"}, status_code=401)
        body = await request.body()
        if len(body) > _MAX_BODY:
            return JSONResponse({"error": "too large"}, status_code=413)
        try:
            call = json.loads(body)
        except ValueError:
            return JSONResponse({"error": "not JSON"}, status_code=400)
        return await _run(executor, call)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/webhook", webhook, methods=["POST"]), Route("/health", health)])


async def _run(executor: ActionExecutor, call: dict[str, object]) -> JSONResponse:
    name = call.get("next_action")
    # Our actions never read the domain, so the bot does not post it; the executor insists on one.
    call.setdefault("domain", {})
    try:
        result = await executor.run(call)
    except ActionExecutionRejection:
        return JSONResponse({"error": "rejected", "action_name": name}, status_code=400)
    except ActionNotFoundException:
        return JSONResponse({"error": "no such action", "action_name": name}, status_code=404)
    except Exception as error:  # noqa: BLE001 - the process edge: the turn fails as a whole and is tried again
        # No traceback: its locals hold the customer's words.
        _log.error("action %s failed: %s", name, type(error).__name__)
        return JSONResponse({"error": "failed", "action_name": name}, status_code=500)
    if result is None:
        return JSONResponse({"error": "no action was named"}, status_code=400)
    return JSONResponse(result.model_dump(mode="json"))


def _is_authorised(request: Request, secret: str) -> bool:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    return secrets.compare_digest(given.encode(), secret.encode())


def secret_from_environment() -> str:
    return os.environ["TINGSU_INTERNAL_SECRET"]
