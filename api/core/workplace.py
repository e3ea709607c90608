"""Directories for plain text that has to lie on a disk for a while, and must not stay there.

Each is locked while it is used. Who dies leaves a directory that nobody holds, and the next sweep of any process removes it:
after a kill as after a power cut, at the latest when a process starts again.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def workplace(parent: Path) -> Iterator[Path]:
    """For its owner alone (mode 700), gone at the end."""
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(parent, fcntl.LOCK_SH):  # no sweep between making and locking
        made = Path(tempfile.mkdtemp(dir=parent))
        held = _open(made)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
        os.close(held)


def sweep(parent: Path) -> int:
    """Removes what nobody works in any more; how many directories."""
    if not parent.is_dir():
        return 0
    with _locked(parent, fcntl.LOCK_EX):
        return sum(_swept(place) for place in parent.iterdir())


def _swept(place: Path) -> bool:
    with suppress(OSError), _locked(place, fcntl.LOCK_EX | fcntl.LOCK_NB):
        shutil.rmtree(place, ignore_errors=True)
        return not place.exists()
    return False


@contextmanager
def _locked(place: Path, how: int) -> Iterator[None]:
    held = _open(place)
    try:
        fcntl.flock(held, how)
        yield
    finally:
        os.close(held)


def _open(place: Path) -> int:
    return os.open(place, os.O_RDONLY | os.O_CLOEXEC)
