"""A task of its own for work that goes on and on: at once when woken, and every so often anyway."""

import asyncio
from collections.abc import Awaitable, Callable

from api.core.logging import describe, get_logger

logger = get_logger("handoff")


class Worker:
    """Runs `work` again and again; a failure is logged and tried again after `seconds`."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]], seconds: float) -> None:
        self._name = name
        self._work = work
        self._seconds = seconds
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    def wake(self) -> None:
        self._woken.set()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._work()
            except Exception as error:  # noqa: BLE001 - edge of a task: it must go on when whatever it was is over
                logger.warning("handoff_failed", part=self._name, **describe(error))
            try:
                async with asyncio.timeout(self._seconds):
                    await self._woken.wait()
            except TimeoutError:
                continue
