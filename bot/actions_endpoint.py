"""The way to the action server: one open connection, a deadline, and only what our actions read."""

from functools import lru_cache
from typing import Any, Dict, Optional

import aiohttp
from jsonschema.validators import validator_for
from rasa.core.actions.action import RemoteAction
from rasa.utils.endpoints import ClientResponseError, EndpointConfig

# Rasa waits 300 s. A turn makes at most three calls and the bridge gives the bot ten seconds in all.
_TIMEOUT = aiohttp.ClientTimeout(total=2.5, connect=1.0)


@lru_cache(maxsize=1)
def _answer_format() -> Any:
    schema = RemoteAction.action_response_format_spec()
    validator = validator_for(schema)
    validator.check_schema(schema)
    return validator(schema)


class OurAction(RemoteAction):
    """Rasa checks its own schema of an answer before it checks the answer, with every call: two thirds of a turn's time."""

    def _validate_action_result(self, result: Dict[str, Any]) -> bool:
        _answer_format().validate(result)
        return True


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
        call = kwargs["json"]
        # Actions read slots and the latest message; Rasa would post the whole conversation (features.md 4.5).
        call["tracker"]["events"] = []
        async with self._session.post(self.url, json=call) as response:
            if response.status >= 400:
                # The body may quote the customer; its size is enough to find the entry in the other log.
                raise ClientResponseError(response.status, response.reason or "", "{}")
            return await response.json()

    async def close(self) -> None:
        """Closes the connection; the next request opens a new one."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
