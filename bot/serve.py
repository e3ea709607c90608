"""`python -m bot.serve`: Rasa's server with our channel and nothing else, on the address of TINGSU_BOT_URL.

Several copies may run side by side, each on an address of its own: none keeps anything.
"""

import os
import sys
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

os.environ["RASA_TELEMETRY_ENABLED"] = "false"

from bot.logs import configure_logging

configure_logging()

import gc
from asyncio import AbstractEventLoop
from typing import Optional

from rasa.core.channels import channel as channels
from rasa.core.run import create_http_input_channels
from rasa.core.utils import AvailableEndpoints
from rasa.shared.utils.common import class_from_module_path
from sanic import Sanic

from bot.actions_endpoint import ActionsEndpoint
from bot.agent import TurnAgent
from bot.channels.bridge import understand
from bot.wordings import Wordings

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "models"

# A state of 20 KB and a backlog of long messages; more is not ours.
_MAX_BODY = 4 * 1024 * 1024
# The first parse of each length class pays for caches that later ones use.
_WARM_UP_LENGTHS = (1, 20, 200, 1_000, 10_000)
_WARM_UP_TEXT = "昨天中午十二点我去城东支行存五千块钱，柜员说要交班让我等着，态度很差。"
_WARM_UP_NOW = "2026-01-05T12:00:00+08:00"


class NoModelError(Exception):
    """`models/` holds no model: run `make train`."""


def newest_model(directory: Path = MODELS) -> Path:
    """The model that was trained last. Raises NoModelError."""
    models = sorted(directory.glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
    if not models:
        raise NoModelError(NoModelError.__doc__)
    return models[-1]


def load_agent(model: Path, endpoints_file: Path = ROOT / "bot" / "endpoints.yml") -> TurnAgent:
    """Loads the model with what endpoints.yml names."""
    endpoints = AvailableEndpoints.read_endpoints(str(endpoints_file))
    agent = TurnAgent(
        # TrackerStore.create would import every database driver that Rasa knows.
        tracker_store=class_from_module_path(endpoints.tracker_store.type)(),
        action_endpoint=ActionsEndpoint.from_config(endpoints.action),
        generator=Wordings({}),
    )
    agent.load_model(model)
    return agent


def create_app(model: Path) -> Sanic:
    """The server. Rasa's own application adds CORS, a root page and an hour's response timeout."""
    app = Sanic("tingsu_bot", configure_logging=False)
    app.config.ACCESS_LOG = False
    app.config.REQUEST_MAX_SIZE = _MAX_BODY
    app.config.RESPONSE_TIMEOUT = 20
    app.config.KEEP_ALIVE_TIMEOUT = 75
    app.config.GRACEFUL_SHUTDOWN_TIMEOUT = 5.0
    channels.register(create_http_input_channels(None, str(ROOT / "bot" / "credentials.yml")), app, route="/webhooks/")
    app.register_listener(partial(_start, model), "before_server_start")
    app.register_listener(_stop, "after_server_stop")
    return app


async def _start(model: Path, app: Sanic, loop: Optional[AbstractEventLoop] = None) -> None:
    app.ctx.agent = load_agent(model)
    repeated = _WARM_UP_TEXT * (max(_WARM_UP_LENGTHS) // len(_WARM_UP_TEXT) + 1)
    for length in _WARM_UP_LENGTHS:
        await understand(app.ctx.agent, repeated[:length], _WARM_UP_NOW)
    # The model lives as long as the process: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    app.ctx.warm = True


async def _stop(app: Sanic, loop: Optional[AbstractEventLoop] = None) -> None:
    await app.ctx.agent.action_endpoint.close()


def main() -> int:
    """Serves until SIGTERM."""
    try:
        model = newest_model()
    except NoModelError as error:
        print(error, file=sys.stderr)
        return 1
    address = urlsplit(os.environ["TINGSU_BOT_URL"])
    create_app(model).run(
        host=address.hostname or "127.0.0.1",
        port=address.port or 8001,
        workers=1,
        access_log=False,
        debug=False,
        motd=False,
        backlog=256,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
