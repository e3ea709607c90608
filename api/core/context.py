"""What every request needs: made once at start, found through the request."""

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from api.core.bus import Bus
from api.core.clock import Clock
from api.core.crypto import Cipher
from api.core.db import Database
from api.core.jobs import Jobs
from api.core.metrics import Metrics
from api.core.redis import Redis
from api.core.security import ApiKeys
from api.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """The plumbing of one running app."""

    settings: Settings
    clock: Clock
    cipher: Cipher
    db: Database
    redis: Redis
    bus: Bus
    jobs: Jobs
    metrics: Metrics
    api_keys: ApiKeys
    internal_bearer: str


def context(request: HTTPConnection) -> Context:
    found: Context = request.app.state.context
    return found


def client_address(request: HTTPConnection) -> str:
    return request.client.host if request.client else "unknown"
