"""A PostgreSQL server of its own, mostly in a temporary directory; it refuses to run as root, so root hands it to `postgres`."""

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


class PostgresServer:
    """On one port for its whole life, so that it comes back where it was. Trust on loopback; `durable` as a bank runs it,
    `settings` as in postgresql.conf.
    """

    def __init__(self, directory: Path, *settings: str, durable: bool = False) -> None:
        self._data, self._log, port = directory / "data", directory / "log", free_port()
        self.url = f"postgresql://tingsu@127.0.0.1:{port}"
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={directory}"
        self._options = options if durable else f"{options} -c fsync=off"
        self._options += "".join(f" -c {setting}" for setting in settings)
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres", "postgres")
        if not self._data.exists():
            _run("initdb", "-D", str(self._data), "-U", "tingsu", "-A", "trust", "-E", "UTF8", "--locale=C", "-N")

    @property
    def alive(self) -> bool:
        try:
            _run("pg_ctl", "-D", str(self._data), "status")
        except subprocess.CalledProcessError:
            return False
        return True

    def start(self) -> None:
        place = ("-D", str(self._data), "-l", str(self._log))
        _run("pg_ctl", *place, "-w", "-t", "60", "-o", self._options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """As a crash, unless told otherwise: nothing is written out, and the next start recovers."""
        _run("pg_ctl", "-D", str(self._data), "-m", mode, "stop")


@contextmanager
def postgres(*settings: str, durable: bool = False, keep: Path | None = None) -> Iterator[str]:
    """Yields the server's address without a database name; without fsync: it lives as long as the tests. `keep` is a
    directory that stays, with what an earlier run has left there.
    """
    directory = keep or Path(tempfile.mkdtemp(prefix="tingsu-postgres-"))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        server = PostgresServer(directory, *settings, durable=durable)
        server.start()
        try:
            yield server.url
        finally:
            server.stop("fast" if keep else "immediate")
    finally:
        if keep is None:
            shutil.rmtree(directory, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    command = [str(_BINARIES[-1] / program), *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/", timeout=120)


def _known(user: str) -> bool:
    return any(line.startswith(f"{user}:") for line in Path("/etc/passwd").read_text().splitlines())
