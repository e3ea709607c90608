"""Where the stack's processes listen and keep their data, from the environment and `.env` (api.md, Settings)."""

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"


class StartError(Exception):
    """The stack cannot start; `str()` is one sentence that says what to do."""


@dataclass(frozen=True, kw_only=True)
class StackSettings:
    """One machine's stack. Ports follow `port`: bot +1, actions +2, embedded Redis +3."""

    port: int
    data_dir: Path
    playbook: Path
    environment: dict[str, str]

    @property
    def embedded_redis(self) -> bool:
        return "REDIS_URL" not in self.environment

    @property
    def ports(self) -> dict[str, int]:
        ports = {"api": self.port, "bot": self.port + 1, "actions": self.port + 2}
        return {**ports, "redis": self.port + 3} if self.embedded_redis else ports

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"


def read_settings() -> StackSettings:
    """Raises StartError for a setting that cannot be used."""
    environment = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}
    environment.update(os.environ)
    environment = {
        name: value for name, value in environment.items() if value or name not in ("REDIS_URL", "DATABASE_URL")
    }
    try:
        port = int(environment.get("TINGSU_PORT", "8000"))
    except ValueError:
        raise StartError(f"TINGSU_PORT 应为端口号，现在是 {environment['TINGSU_PORT']!r}。") from None
    if not 1024 <= port <= 65000:
        raise StartError(f"TINGSU_PORT 应在 1024 到 65000 之间，现在是 {port}。")
    return StackSettings(
        port=port,
        data_dir=Path(environment.get("TINGSU_DATA_DIR", ROOT / "var")).resolve(),
        playbook=Path(environment.get("TINGSU_PLAYBOOK", ROOT / "playbook")).resolve(),
        environment=environment,
    )


def child_environment(settings: StackSettings) -> dict[str, str]:
    """What every process of the stack is told. Secrets are made once and kept in the data directory, mode 600."""
    internal = settings.environment.get("TINGSU_INTERNAL_SECRET") or secret(settings, "internal-secret")
    environment = {
        **settings.environment,
        "TINGSU_PORT": str(settings.port),
        "TINGSU_DATA_DIR": str(settings.data_dir),
        "TINGSU_PLAYBOOK": str(settings.playbook),
        "TINGSU_INTERNAL_SECRET": internal,
        "TINGSU_API_URL": settings.url,
        "TINGSU_BOT_URL": f"http://{HOST}:{settings.ports['bot']}",
        "TINGSU_ACTIONS_URL": f"http://{HOST}:{settings.ports['actions']}",
        "PYTHONUNBUFFERED": "1",
    }
    if settings.embedded_redis:
        environment["REDIS_URL"] = f"redis://:{secret(settings, 'redis-password')}@{HOST}:{settings.ports['redis']}/0"
    if environment.get("TINGSU_CLOCK"):
        # Restarted children must not start the demonstration clock again.
        environment["TINGSU_CLOCK_STARTED"] = str(time.time())
    return environment


def secret(settings: StackSettings, name: str) -> str:
    """A random secret that is made at first use."""
    path = settings.data_dir / name
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii").strip()
