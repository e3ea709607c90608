"""Starts the real stack for a test session: the launcher's own code, an empty data directory, free ports."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from launcher.run import Stack
from launcher.settings import StackSettings, read_settings

ADMIN_PASSWORD = "correct-horse-battery-staple"


@contextmanager
def running_stack(data_dir: Path, **environment: str) -> Iterator[Stack]:
    """A ready stack; everything is stopped at the end."""
    stack = Stack(stack_settings(data_dir, **environment))
    try:
        stack.start()
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


def stack_settings(data_dir: Path, **environment: str) -> StackSettings:
    """Settings as the launcher would read them, with `environment` on top."""
    given = {
        "TINGSU_PORT": str(free_ports()),
        "TINGSU_DATA_DIR": str(data_dir),
        "TINGSU_ADMIN_PASSWORD": ADMIN_PASSWORD,
        **environment,
    }
    before = dict(os.environ)
    os.environ.update(given)
    try:
        return read_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


def free_ports(count: int = 4) -> int:
    """The first of `count` neighbouring ports that nobody listens on."""
    for port in range(21000, 31000, 10):
        if all(_is_free(port + offset) for offset in range(count)):
            return port
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


@contextmanager
def staff_client(base_url: str) -> Iterator[httpx.Client]:
    """A logged-in admin."""
    with httpx.Client(base_url=base_url, timeout=10) as client:
        client.post("/v1/staff/login", json={"username": "admin", "password": ADMIN_PASSWORD}).raise_for_status()
        yield client
