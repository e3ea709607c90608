"""`make test`: every suite in its own environment, then one line that counts all of them."""

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from launcher.settings import ROOT

_MODERN = str(ROOT / ".venv" / "bin" / "python")
_MEMORY = Path("/dev/shm")  # noqa: S108 - each run makes a directory of its own in it
_PLENTY = 8 * 1024**3  # bytes; the tests leave less than one behind
_BOT = str(ROOT / "bot" / ".venv" / "bin" / "python")


@dataclass(frozen=True)
class Suite:
    """One run of a test runner that writes a JUnit file to the path it is given."""

    name: str
    command: tuple[str, ...]
    cwd: Path = ROOT
    bot: bool = False


@dataclass(frozen=True)
class Count:
    """Results of one or more suites; errors count as failures."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


def rounds() -> tuple[tuple[tuple[Suite, ...], ...], ...]:
    """Cheap ones first; those that start the whole stack last. The lanes of a round run side by side: one for each core."""
    pytest = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
    modern = Suite(
        "contract、actions、api、launcher",
        # Three workers: most of them wait for servers and commits. Each has its own Redis and PostgreSQL.
        (_MODERN, *pytest, "-n", "3", "--dist", "worksteal", "tests", *_ignored("bot", "dialogue", "e2e")),
    )
    web = Suite("web", (str(ROOT / ".venv" / "bin" / "npm"), "run", "--silent", "test"), cwd=ROOT / "web")
    bot = Suite("bot", (_BOT, *pytest, "-c", "bot/pytest.ini", "--rootdir", str(ROOT), "tests/bot"), bot=True)
    killed = "tests/dialogue/test_killed_processes.py"
    dialogue = Suite("dialogue", (_MODERN, *pytest, "tests/dialogue", f"--ignore={killed}"))
    e2e = Suite("e2e、killed processes", (_MODERN, *pytest, "tests/e2e", killed))
    return (((modern,),), ((web, bot, e2e), (dialogue,)))


def _ignored(*rooms: str) -> list[str]:
    return [f"--ignore=tests/{room}" for room in rooms]


def _place() -> Path | None:
    """Thousands of small databases whose commits wait for a disk: where memory is plenty, they live there."""
    plenty = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _PLENTY
    return _MEMORY if plenty else None


def main() -> int:
    total, broken = Count(), False
    for lanes in rounds():
        with ThreadPoolExecutor() as pool:
            ended = list(pool.map(partial(_one_by_one, alone=len(lanes) == 1), lanes))
        for count, code in itertools.chain(*ended):
            total += count
            # A runner that fails without a failed test (collection error, crash) must not look green.
            broken = broken or (code != 0 and count.failed == 0)
    if broken:
        total += Count(failed=1)
    print(f"\n{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed or not total.passed else 0


def _one_by_one(lane: tuple[Suite, ...], *, alone: bool) -> list[tuple[Count, int]]:
    return [_run(suite, alone=alone) for suite in lane]


def _run(suite: Suite, *, alone: bool) -> tuple[Count, int]:
    """What runs beside another suite is printed when it has ended, as a whole."""
    if alone:
        print(f"\n=== {suite.name}", flush=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="tingsu-tests-", dir=_place(), ignore_cleanup_errors=True) as directory:
        report = Path(directory, "report.xml")
        environment = {**os.environ, "TINGSU_JUNIT": str(report)}
        # Hundreds of processes start: what one of them has compiled, the others take.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PATH"] = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{environment['PATH']}"
        if suite.bot:
            environment["PYTHONPATH"] = f"{ROOT / 'bot' / 'stand_ins'}{os.pathsep}{ROOT}"
        pytest = ("--junitxml", str(report), "--basetemp", str(Path(directory, "pytest")))
        more = () if "npm" in suite.command[0] else pytest
        output = None if alone else subprocess.PIPE
        done = subprocess.run(
            [*suite.command, *more],
            cwd=suite.cwd,
            env=environment,
            check=False,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
        count = _count(report)
    said = "" if alone else f"\n=== {suite.name}\n{done.stdout}"
    took = time.monotonic() - started
    print(
        f"{said}=== {suite.name}：{count.passed} 通过，{count.failed} 失败，{count.skipped} 跳过，{took:.0f} 秒",
        flush=True,
    )
    return count, done.returncode


def _count(report: Path) -> Count:
    if not report.exists():
        return Count()
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))  # noqa: S314 - written by our own runner
    failed = sum(1 for case in cases if case.find("failure") is not None or case.find("error") is not None)
    skipped = sum(1 for case in cases if case.find("skipped") is not None)
    return Count(len(cases) - failed - skipped, failed, skipped)


if __name__ == "__main__":
    sys.exit(main())
