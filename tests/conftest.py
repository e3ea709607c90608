"""Fixtures for every room of the modern environment."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contract.playbook import Playbook
from contract.playbook_loader import load_playbook
from launcher.run import Stack
from tests.running_stack import running_stack, staff_client

ROOT = Path(__file__).resolve().parent.parent
_LONG = ("golden", "benchmarks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes a minute begins first: at the end of a run no worker is left alone with it."""
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


@pytest.fixture(scope="session")
def playbook() -> Playbook:
    return load_playbook(ROOT / "playbook")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One real stack for all dialogue and browser tests; its clock starts on a Wednesday morning."""
    with running_stack(tmp_path_factory.mktemp("stack"), TINGSU_CLOCK="2026-11-25T10:00:00+08:00") as started:
        yield started


@pytest.fixture(scope="session")
def base_url(stack: Stack) -> str:
    return stack.settings.url


@pytest.fixture(scope="session")
def staff(base_url: str) -> Iterator[httpx.Client]:
    """An administrator; hundreds of logins would each cost the hashing of a password."""
    with staff_client(base_url) as client:
        yield client
