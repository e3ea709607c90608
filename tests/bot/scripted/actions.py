"""An action server to script. By itself it says which action ran, and does as much as the dialogue needs to go on."""

import asyncio
from collections.abc import Callable
from typing import Any, Dict, List, Optional, Union

from aiohttp import web

Call = Dict[str, Any]
Answer = Dict[str, Any]
Script = Union[Answer, Callable[[Call], Answer]]


def slot(name: str, value: Any) -> Dict[str, Any]:
    """The event that sets a slot."""
    return {"event": "slot", "name": name, "value": value}


def answer(text: Optional[str], *events: Dict[str, Any], **response: Any) -> Answer:
    """What an action server answers; without a text and custom parts nothing is said."""
    said = {**({"text": text} if text else {}), **response}
    return {"events": list(events), "responses": [said] if said else []}


class ScriptedActions:
    """Serves `POST /webhook`. A test changes `scripts`, `status` or `delay`; `reset` takes it back."""

    def __init__(self) -> None:
        self.calls: List[Call] = []
        self.headers: List[Dict[str, str]] = []
        self.scripts: Dict[str, Script] = {}
        self.status = 200
        self.delay = 0.0
        self._runner: Optional[web.AppRunner] = None

    def reset(self) -> None:
        """Forgets what the last test did."""
        self.calls, self.headers, self.scripts = [], [], {}
        self.status, self.delay = 200, 0.0

    async def start(self) -> str:
        """Returns the address."""
        app = web.Application()
        app.router.add_post("/webhook", self._serve)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def stop(self) -> None:
        """Ends the server."""
        if self._runner is not None:
            await self._runner.cleanup()

    def script(self, name: str, script: Script) -> None:
        """What this action answers from now on."""
        self.scripts[name] = script

    def called(self) -> List[str]:
        """The names of the actions, in order."""
        return [call["next_action"] for call in self.calls]

    async def _serve(self, request: web.Request) -> web.Response:
        call = await request.json()
        self.calls.append(call)
        self.headers.append(dict(request.headers))
        await asyncio.sleep(self.delay)
        name = call["next_action"]
        if self.status != 200:
            return web.json_response({"error": "failed", "action_name": name}, status=self.status)
        script = self.scripts.get(name, _usual)
        return web.json_response(script(call) if callable(script) else script)


def _usual(call: Call) -> Answer:
    name, slots = call["next_action"], call["tracker"]["slots"]
    message = call["tracker"]["latest_message"]
    choice = (message.get("metadata") or {}).get("choice")
    if name == "validate_complaint_form":
        if choice in ("confirm:yes", "confirm:no"):
            return answer(None, slot("requested_slot", None))
        told = slots.get("narrative_raw") or message["text"]
        return answer(name, slot("narrative_raw", told), slot("requested_slot", "phone"))
    if name in ("validate_progress_form", "validate_withdraw_form"):
        done = message["text"].endswith("TS2026112400017")
        return answer(None if done else name, slot("requested_slot", None if done else "ticket_no"))
    events = {
        "action_offer_human": [slot("rights_told", True)],
        "action_submit_complaint": [slot("narrative_raw", None), slot("ticket_no", "TS2026112400017")],
        "action_safety": [slot("requested_slot", None), {"event": "active_loop", "name": None}],
    }
    return answer(name, *events.get(name, []))
