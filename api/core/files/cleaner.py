"""Starts the cleaning process for a file and reads its verdict."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json, to_json

from api.core.files.errors import REFUSALS, DamagedFileError
from api.core.files.kinds import Limits
from api.core.logging import get_logger

logger = get_logger("files")

_ROOT = Path(__file__).resolve().parents[3]
_AT_ONCE = 2  # each may take a processor, and a gigabyte for the largest photo there is
_SECONDS = 90.0  # of waiting for a process that has 45 of processor time


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the file is by its content; `extensions` with the usual one first."""

    media_type: str
    extensions: tuple[str, ...]


class Cleaner:
    """One per app: a crowd of uploads waits here and not in memory."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def clean(self, source: Path, target: Path) -> Verdict:
        """Writes the cleaned file to `target`. Raises one of REFUSALS; a file that kills its decoder is a damaged one."""
        order = {"source": str(source), "target": str(target), "bytes": self.limits.bytes, "pixels": self.limits.pixels}
        async with self._places:
            answer = await self._in_a_process(to_json(order))
        if answer is None:
            raise DamagedFileError
        found = from_json(answer)
        if (code := found.get("refused")) is not None:
            error = REFUSALS[code]
            raise error(f"{error.message}{found['says']}" if found["says"] else None)
        return Verdict(found["media_type"], tuple(found["extensions"]))

    async def _in_a_process(self, order: bytes) -> bytes | None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "api.core.files.clean",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
            cwd=_ROOT, env={"PYTHONPATH": str(_ROOT), "PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        try:
            async with asyncio.timeout(_SECONDS):
                answer, _ = await process.communicate(order)
        except TimeoutError:
            answer = b""
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode == 0:
            return answer
        logger.warning("cleaner_died", code=process.returncode)
        return None
