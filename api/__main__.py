"""`python -m api`: the bridge on 127.0.0.1:TINGSU_PORT; SIGTERM ends it within ten seconds."""

import signal
import sys
from socket import socket
from types import FrameType

import uvicorn
from fastapi import FastAPI
from pydantic import ValidationError

from api.app import create_app
from api.core.crypto import WrongKeyError
from api.core.logging import configure_logging, get_logger
from api.core.protocol import Protocol
from api.core.settings import Settings
from contract.playbook_loader import PlaybookError

logger = get_logger("api")

_HOST = "127.0.0.1"
_GRACE = 5  # seconds for open requests; turns get three more, and the supervisor waits fifteen


class _Server(uvicorn.Server):
    """Ends event streams first: they would otherwise stay open until the grace is over."""

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self.config.app.state.context.bus.close_streams()  # type: ignore[union-attr]  # always our own FastAPI
        await super().shutdown(sockets)


def main() -> int:
    configure_logging()
    try:
        settings = Settings()
        app = create_app(settings)
    except (PlaybookError, WrongKeyError, ValidationError, ValueError) as error:
        logger.error("cannot_start", reason=_sentence(error))
        return 1
    # uvicorn raises the signal again after a clean shutdown; the process has then done what was asked.
    signal.signal(signal.SIGTERM, _done)
    signal.signal(signal.SIGINT, _done)
    server = _Server(server_config(app, settings))
    server.run()
    return 0 if server.started else 1


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=_HOST,
        port=settings.port,
        http=Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        # Without a list uvicorn would believe everybody on this machine, and the environment.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        timeout_graceful_shutdown=_GRACE,
        timeout_keep_alive=65,
    )


def _sentence(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return "；".join(f"{'.'.join(map(str, one['loc']))}：{one['msg']}" for one in error.errors(include_input=False))
    return str(error)


def _done(signum: int, frame: FrameType | None) -> None:
    """Nothing left to do."""


if __name__ == "__main__":
    sys.exit(main())
