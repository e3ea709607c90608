"""Collects what the assistant says in one turn, in the words of the bridge (contract/turn.py, BotMessage)."""

from typing import Any, Dict, List, Optional

from rasa.core.channels import OutputChannel


class Outbox(OutputChannel):
    """One per turn. Handover and missing fields are told by the actions in custom JSON; they are not bubbles."""

    def __init__(self) -> None:
        self.messages: List[Dict[str, Any]] = []
        self.handover: Optional[Dict[str, Any]] = None
        self.missing: Optional[List[str]] = None

    @classmethod
    def name(cls) -> str:
        """See parent class."""
        return "bridge"

    async def send_response(self, recipient_id: str, message: Dict[str, Any]) -> None:
        """Takes a whole utterance: Rasa's own would tear text, buttons and custom JSON apart."""
        custom: Dict[str, Any] = dict(message.get("custom") or {})
        self.handover = _more_urgent(self.handover, custom.pop("handover", None))
        self.missing = custom.pop("missing", self.missing)
        text = (message.get("text") or "").strip()
        if not text:
            return
        bubble: Dict[str, Any] = {"text": text}
        if message.get("buttons"):
            bubble["choices"] = [{"label": it["title"], "payload": it["payload"]} for it in message["buttons"]]
        self.messages.append({**bubble, **{name: custom[name] for name in ("card", "asks") if custom.get(name)}})


def _more_urgent(old: Optional[Dict[str, Any]], new: Optional[Dict[str, Any]]) -> Optional[Dict[str, Any]]:
    """A page to the duty manager is never replaced by an ordinary request."""
    if new is None or (old is not None and old.get("alert")):
        return old
    return {"reason": new["reason"], "alert": bool(new.get("alert", False))}
