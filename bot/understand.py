"""`make understand < in.jsonl > out.jsonl`: what the assistant understands, without any server (api.md).

One JSON object per line with `text` (and `id`, which is handed through); lines that are not that are named and left out.
`--timings FILE` writes the milliseconds of each line's understanding as a JSON list.
"""

import argparse
import asyncio
import csv
import json
import os
import sys
import time
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, List, Optional, TextIO

# Nothing is called, but Rasa's endpoints want to be named.
os.environ.setdefault("TINGSU_ACTIONS_URL", "http://127.0.0.1:9")
os.environ.setdefault("TINGSU_INTERNAL_SECRET", "offline")

from bot.logs import configure_logging

configure_logging()

from bot.agent import TurnAgent
from bot.channels.bridge import understand
from bot.nlu.branches import directory
from bot.serve import ROOT, NoModelError, load_agent, newest_model


async def understand_lines(
    agent: TurnAgent, lines: Iterable[str], out: TextIO, timings: Optional[List[float]] = None
) -> int:
    """Writes one line per message; returns how many lines could not be read. `timings` collects milliseconds."""
    now, unread = datetime.now(timezone.utc).isoformat(), 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        item = _item(line)
        if item is None:
            print(f"第 {number} 行不是带 text 的 JSON 对象，已跳过。", file=sys.stderr)
            unread += 1
            continue
        started = time.perf_counter()
        found = await understand(agent, item["text"], str(item.get("now") or now))
        if timings is not None:
            timings.append(1000 * (time.perf_counter() - started))
        out.write(json.dumps({"id": item.get("id"), **found}, ensure_ascii=False) + "\n")
        out.flush()
    return unread


def _item(line: str) -> Optional[Dict[str, Any]]:
    try:
        item = json.loads(line)
    except ValueError:
        return None
    return item if isinstance(item, dict) and isinstance(item.get("text"), str) else None


def playbook_branches() -> List[Dict[str, Any]]:
    """Code, name and aliases from the playbook's branches.csv; none when there is no such file."""
    file = Path(os.environ.get("TINGSU_PLAYBOOK") or ROOT / "playbook") / "branches.csv"
    if not file.exists():
        return []
    rows = csv.DictReader(file.read_text(encoding="utf-8-sig").splitlines())
    return [{**row, "aliases": [it.strip() for it in row["aliases"].split(";") if it.strip()]} for row in rows]


def main() -> int:
    """Returns 0 when every line was understood."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--timings", type=Path, help="where to write how long each line took")
    file, timings = parser.parse_args().timings, list[float]()
    try:
        agent = load_agent(newest_model())
    except NoModelError as error:
        print(error, file=sys.stderr)
        return 1
    directory.replace(playbook_branches(), version=0)
    unread = asyncio.run(understand_lines(agent, sys.stdin, sys.stdout, timings))
    if file is not None:
        file.write_text(json.dumps([round(ms, 3) for ms in timings]), encoding="ascii")
    return 1 if unread else 0


if __name__ == "__main__":
    sys.exit(main())
