"""The way to the action server: one open connection, a deadline, and only what our actions read."""

import json
from typing import Any, Dict, Optional

import aiohttp
import rasa
from rasa.core.actions.action import RemoteAction
from rasa.shared.core.domain import Domain
from rasa.shared.core.trackers import DialogueStateTracker, EventVerbosity
from rasa.shared.exceptions import RasaException
from rasa.utils.endpoints import ClientResponseError, EndpointConfig

# Rasa waits 300 s. A turn makes at most three calls and the bridge gives the bot ten seconds in all.
_TIMEOUT = aiohttp.ClientTimeout(total=2.5, connect=1.0)


class OurAction(RemoteAction):
    """Checks what Rasa goes on to use. Its JSON schema, itself checked with every call, took two thirds of a turn."""

    def _action_call_format(self, tracker: DialogueStateTracker, domain: Domain) -> Dict[str, Any]:
        """Slots and the latest message. Rasa would post the whole conversation, and to a form's action
        the domain too, which is 40 KB."""
        seen = {**tracker.current_state(EventVerbosity.NONE), "events": []}
        return {
            "next_action": self.name(),
            "sender_id": tracker.sender_id,
            "tracker": seen,
            "version": rasa.__version__,
        }

    def _validate_action_result(self, result: Dict[str, Any]) -> bool:
        events, responses = result.get("events"), result.get("responses")
        if not _are_objects(events) or not _are_objects(responses) or not all("event" in it for it in events or ()):
            raise RasaException(f"{self.name()}: an answer of another format")
        return True


def _are_objects(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(it, dict) for it in items)


class ActionsEndpoint(EndpointConfig):
    """`action_endpoint` of endpoints.yml."""

    _session: Optional[aiohttp.ClientSession] = None

    @classmethod
    def from_config(cls, config: EndpointConfig) -> "ActionsEndpoint":
        """Rasa's reader of endpoints.yml knows only its own class."""
        return cls(config.url, headers=config.headers, **config.kwargs)

    async def request(
        self,
        method: str = "post",
        subpath: Optional[str] = None,
        content_type: Optional[str] = "application/json",
        compress: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The answer's JSON. Raises on a status of 400 or more, on a broken connection and after the deadline."""
        if self._session is None:
            self._session = aiohttp.ClientSession(headers=self.headers, timeout=_TIMEOUT)
        async with self._session.post(self.url, json=kwargs["json"]) as response:
            if response.status >= 400:
                # The body may quote the customer; Rasa reads the action's name from it.
                named = json.dumps({"action_name": kwargs["json"]["next_action"]})
                raise ClientResponseError(response.status, response.reason or "", named)
            return await response.json()

    async def close(self) -> None:
        """Closes the connection; the next request opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
