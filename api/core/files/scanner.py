"""ClamAV's daemon, when there is one: over TCP (`host:port`) or a socket (`/run/clamav/clamd.ctl`)."""

from collections.abc import Iterable
from enum import StrEnum

from clamav_client.clamd import ClamdError, ClamdNetworkSocket, ClamdUnixSocket

from api.core.logging import get_logger

logger = get_logger("files")

_TIMEOUT = 15  # seconds for each step; twenty megabytes of PDF take clamd about one
_SOON = 2  # seconds for a sign of life


class Scan(StrEnum):
    """What is known of a file. `pending`: a scanner is set up and has not answered yet, so nobody gets the file."""

    CLEAN = "clean"
    PENDING = "pending"
    NOT_SCANNED = "not_scanned"
    INFECTED = "infected"


class Scanner:
    """Blocking, for threads; one connection for each file."""

    def __init__(self, address: str | None) -> None:
        self.address = address

    def scan(self, chunks: Iterable[bytes]) -> Scan:
        """PENDING when clamd is away, slow or answers anything but a verdict."""
        if self.address is None:
            return Scan.NOT_SCANNED
        try:
            (status, _found) = next(iter(self._client().instream(_Reader(chunks)).values()))  # type: ignore[arg-type]
        except (ClamdError, OSError, StopIteration, UnicodeDecodeError) as error:
            logger.warning("scanner_unavailable", error=type(error).__name__)
            return Scan.PENDING
        if status == "OK":
            return Scan.CLEAN
        return Scan.INFECTED if status == "FOUND" else Scan.PENDING

    def check(self) -> None:
        """Raises when clamd does not answer as one."""
        client = self._client(_SOON)
        try:
            if client.ping() != "PONG":
                raise ClamdError("no PONG")
        finally:
            client.clamd_socket.close()  # the library leaves it open when nobody is there

    def _client(self, patience: int = _TIMEOUT) -> ClamdNetworkSocket:
        if self.address is None:
            raise ValueError("no scanner is set up")
        if self.address.startswith(("/", "unix:")):
            return ClamdUnixSocket(self.address.removeprefix("unix:"), patience)
        host, _, port = self.address.rpartition(":")
        return ClamdNetworkSocket(host, int(port), patience)


class _Reader:
    """What the client reads from: chunks as a file."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._left = b""

    def read(self, size: int) -> bytes:
        if not self._left:
            self._left = next(self._chunks, b"")
        taken, self._left = self._left[:size], self._left[size:]
        return taken
