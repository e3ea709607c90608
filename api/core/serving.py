"""Tells commands whether a server works on this data directory: SQLite must have one writer (api/core/db.py)."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_NAME = "serving.lock"


def serve(directory: Path) -> IO[bytes]:
    """Held by a server until it closes the file; the system lets go when the process dies, however it dies."""
    file = (directory / _NAME).open("ab")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


@contextmanager
def alone(directory: Path) -> Iterator[bool]:
    """Whether no server runs here; while the caller is inside, one that starts waits."""
    with (directory / _NAME).open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
