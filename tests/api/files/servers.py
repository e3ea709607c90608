"""Real servers at the outside edge: an S3-compatible store, and clamd with a signature database of our own."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from api.core.files.store import Bucket
from tests.api.files.samples import EICAR
from tests.api.redis_server import free_port

CLAMD = shutil.which("clamd", path="/usr/sbin:/usr/local/sbin:/usr/bin")


class Process:
    """A server process that can be stopped for good or frozen, and waits until its port answers."""

    def __init__(self, command: list[str], port: int, directory: Path) -> None:
        self._command, self.port, self.directory = command, port, directory
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self.directory)
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError((self.directory / "log").read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def s3(directory: Path, name: str = "evidence") -> Iterator[tuple[Bucket, Process]]:
    """moto's server keeps everything in memory: a restart is an empty store."""
    port = free_port()
    server = Process([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, directory)
    server.start()
    bucket = Bucket(f"http://127.0.0.1:{port}", name, "key-for-tests", "secret-for-tests", "us-east-1")
    try:
        client = boto3.client(
            "s3", endpoint_url=bucket.url, aws_access_key_id=bucket.key, aws_secret_access_key=bucket.secret,
            region_name=bucket.region,
        )  # fmt: skip
        client.create_bucket(Bucket=name)
        client.close()
        yield bucket, server
    finally:
        server.stop()


def clamd(directory: Path) -> Process:
    """clamd that knows one signature, the test string of EICAR wherever it stands; nothing is downloaded."""
    database = directory / "signatures"
    database.mkdir(mode=0o755, parents=True)
    database.joinpath("tests.ndb").write_text(f"Test.Eicar:0:*:{EICAR.hex()}\n")
    port = free_port()
    configuration = directory / "clamd.conf"
    configuration.write_text(
        f"DatabaseDirectory {database}\nTCPAddr 127.0.0.1\nTCPSocket {port}\nForeground yes\nUser root\n"
        f"LocalSocket {directory / 'clamd.ctl'}\nStreamMaxLength 30M\nTemporaryDirectory {directory}\n"
    )
    return Process([str(CLAMD), "--config-file", str(configuration)], port, directory)


@contextmanager
def played_clamd(verdict: Callable[[bytes], bytes]) -> Iterator[str]:
    """The daemon's side of INSTREAM on a real socket; `verdict` makes its line from the bytes, empty hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as stream:
                    command = stream.readline()
                    if command == b"nPING\n":
                        connection.sendall(b"PONG\n")
                    if command == b"nINSTREAM\n":
                        received = b""
                        while size := int.from_bytes(stream.read(4), "big"):
                            received += stream.read(size)
                        connection.sendall(verdict(received))

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
