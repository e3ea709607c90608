"""A real clamd where the machine has one; its protocol on a real socket for what a real one does not do on demand."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.core.files.scanner import Scan, Scanner
from tests.api.files.samples import EICAR, pdf
from tests.api.files.servers import CLAMD, Process, clamd, played_clamd


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    if CLAMD is None:
        pytest.skip("no clamd on this machine (Debian: clamav-daemon)")
    server = clamd(tmp_path_factory.mktemp("clamd"))
    server.start()
    yield server
    server.stop()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"INSTREAM size limit exceeded. ERROR\n",
        b"stream: Can't allocate memory ERROR\n",
        b"\xff\xfe\n",
        b"something else\n",
        b"HTTP/1.1 400 Bad Request\n",
    ],
)
def test_anything_but_a_verdict_means_not_scanned_yet(line: bytes) -> None:
    with played_clamd(lambda _: line) as address:
        assert Scanner(address).scan([b"x" * 5000]) is Scan.PENDING


def test_a_daemon_that_is_gone_or_silent_means_not_scanned_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("api.core.files.scanner._TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        assert Scanner(address).scan([b"x"]) is Scan.PENDING
    assert Scanner(address).scan([b"x"]) is Scan.PENDING
    assert Scanner(str(tmp_path / "no.ctl")).scan([b"x"]) is Scan.PENDING


def test_the_daemon_gets_every_byte() -> None:
    seen: list[bytes] = []
    with played_clamd(lambda received: seen.append(received) or b"stream: OK\n") as address:
        assert Scanner(address).scan([b"a" * 1500, b"b", b"c" * 3000]) is Scan.CLEAN
    assert seen == [b"a" * 1500 + b"b" + b"c" * 3000]


def test_without_a_daemon_nothing_is_scanned() -> None:
    assert Scanner(None).scan([b"x"]) is Scan.NOT_SCANNED


def test_a_real_daemon_tells_good_from_bad(daemon: Process) -> None:
    scanner = Scanner(f"127.0.0.1:{daemon.port}")
    assert scanner.scan([pdf()]) is Scan.CLEAN
    assert scanner.scan([pdf(contents=EICAR)]) is Scan.INFECTED


def test_a_real_daemon_over_its_socket_and_with_a_large_file(daemon: Process) -> None:
    scanner = Scanner(str(daemon.directory / "clamd.ctl"))
    assert scanner.scan([b"%PDF-1.4\n", *([b"\0" * 1024**2] * 19), EICAR]) is Scan.INFECTED
    assert scanner.scan([b"%PDF-1.4\n", *([b"\0" * 1024**2] * 19)]) is Scan.CLEAN
    assert scanner.scan([b"\0" * 1024**2] * 40) is Scan.PENDING  # past StreamMaxLength
