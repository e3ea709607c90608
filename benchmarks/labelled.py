"""Labelled messages, and what the trained model understands of them. The file never enters training."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_NEEDED = ("text", "nature", "cause", "level")


class EvaluationError(Exception):
    """The file cannot be scored; `str()` is one sentence that says why."""


@dataclass(frozen=True)
class Pair:
    """One message: what it is and what was understood (api.md, `POST /v1/understand`)."""

    wanted: dict[str, Any]
    found: dict[str, Any]

    @property
    def wanted_cause(self) -> str:
        return str(self.wanted["cause"])

    @property
    def found_cause(self) -> str:
        return self.found_causes[0] if self.found["cause"] else "none"

    @property
    def found_causes(self) -> list[str]:
        return [str(guess["code"]) for guess in self.found["cause"]]

    @property
    def is_complaint(self) -> bool:
        return bool(self.wanted["nature"] == "complaint")

    @property
    def taken_for_complaint(self) -> bool:
        return bool(self.found["nature"] == "complaint")


def read_labelled(file: Path) -> list[dict[str, Any]]:
    """The labelled messages, one JSON object per line. Raises EvaluationError naming the line."""
    if not file.is_file():
        raise EvaluationError(f"没有这个文件：{file}")
    items = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            item = json.loads(line)
            missing = [name for name in _NEEDED if name not in item]
        except (ValueError, TypeError):
            raise EvaluationError(f"{file} 第 {number} 行不是 JSON 对象。") from None
        if missing:
            raise EvaluationError(f"{file} 第 {number} 行缺少 {'、'.join(missing)}。")
        items.append(item)
    if not items:
        raise EvaluationError(f"{file} 里没有一条消息。")
    return items


def understood(items: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[float]]:
    """What the newest model understands of each item's `text`, and the milliseconds each took, in the same order.

    `now` in an item is the moment at which the message was written (RFC 3339). Raises EvaluationError when the bot does not answer.
    """
    told = [{name: it[name] for name in ("text", "now") if name in it} for it in items]
    lines = "".join(json.dumps(it, ensure_ascii=False) + "\n" for it in told)
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'bot' / 'stand_ins'}{os.pathsep}{ROOT}",
        "OMP_NUM_THREADS": "1",
    }
    with tempfile.TemporaryDirectory() as directory:
        timings = Path(directory, "timings.json")
        command = [str(ROOT / "bot" / ".venv" / "bin" / "python"), "-m", "bot.understand", "--timings", str(timings)]
        done = subprocess.run(
            command,
            input=lines,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=ROOT,
            env=environment,
            check=False,
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()
            raise EvaluationError(f"模型没有完成理解：{said[-1] if said else '没有说明'}")
        return [json.loads(line) for line in done.stdout.splitlines()], json.loads(timings.read_text(encoding="utf-8"))
