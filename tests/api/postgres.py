"""A PostgreSQL server of its own in a temporary directory; it refuses to run as root, so root hands it to `postgres`."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api.redis_server import free_port

_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))


def why_not() -> str | None:
    """The reason why no server can be started here, for the skip message."""
    if not _BINARIES or not (_BINARIES[-1] / "initdb").exists():
        return "no PostgreSQL server in /usr/lib/postgresql/*/bin"
    if os.geteuid() == 0 and (shutil.which("runuser") is None or not _known("postgres")):
        return "PostgreSQL does not run as root, and there is no runuser or no user postgres"
    return None


@contextmanager
def postgres() -> Iterator[str]:
    """Yields the server's address without a database name; trust on loopback, no fsync: it lives as long as the tests."""
    directory = Path(tempfile.mkdtemp(prefix="tingsu-postgres-"))
    data, port = directory / "data", free_port()
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres", "postgres")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory} -c fsync=off"
    try:
        _run("initdb", "-D", str(data), "-U", "tingsu", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")
        _run("pg_ctl", "-D", str(data), "-w", "-t", "60", "-l", str(directory / "log"), "-o", options, "start")
        try:
            yield f"postgresql://tingsu@127.0.0.1:{port}"
        finally:
            _run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    command = [str(_BINARIES[-1] / program), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/", timeout=120)


def _known(user: str) -> bool:
    return any(line.startswith(f"{user}:") for line in Path("/etc/passwd").read_text().splitlines())
