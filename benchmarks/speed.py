"""`make bench`: ours and stock Rasa in one run on one machine, driven by the same client, as a table of ratios."""

import argparse
import asyncio
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from benchmarks import stock_model
from benchmarks.load import (
    OpenTalk,
    OurTalk,
    StockTalk,
    Talk,
    Timing,
    run_one_long_conversation,
    run_one_message,
    run_users,
)
from benchmarks.scripts import CONVERSATIONS, LONG_MESSAGE
from launcher import setup
from launcher.settings import ROOT
from tests.running_stack import free_ports, running_stack

_USERS = (1, 10, 50)
_LONG_TURNS = 205
_PARSES = 200
# The least the project was started with. Stock would need hours for all of the data; fewer examples are in its favour.
_EXAMPLES = 1_500


@dataclass
class Side:
    """Everything measured on one side; seconds, milliseconds, megabytes as the names say."""

    name: str
    examples: int = 0
    train_s: float = float("nan")
    start_s: float = float("nan")
    parse: Timing | None = None
    users: dict[int, Timing] = field(default_factory=dict)
    turn_10_ms: float = float("nan")
    turn_200_ms: float = float("nan")
    long_message_ms: float = float("nan")
    bot_mb: float = float("nan")
    all_mb: float = float("nan")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each load step")
    parser.add_argument("--only", choices=["ours", "stock"], help="measure one side (no ratios)")
    parser.add_argument("--reuse-stock-model", action="store_true", help="skip stock's training")
    options = parser.parse_args()
    sides = []
    if options.only != "stock":
        sides.append(measure_ours(options.seconds))
    if options.only != "ours":
        sides.append(measure_stock(options.seconds, reuse=options.reuse_stock_model))
    report = render(sides)
    print(report)
    (ROOT / "benchmarks" / "results").mkdir(exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    result = ROOT / "benchmarks" / "results" / f"{stamp}.json"
    result.write_text(json.dumps([asdict(side) for side in sides], ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


def measure_ours(seconds: float) -> Side:
    """Bridge, durable store, actions and bot, all as `make run` starts them."""
    side = Side("ours", examples=stock_model.count_of(stock_model.sample(_EXAMPLES)), train_s=_train_ours())
    with tempfile.TemporaryDirectory() as directory:
        started = time.perf_counter()
        with running_stack(Path(directory)) as stack:
            side.start_s = time.perf_counter() - started

            def talk(session: aiohttp.ClientSession) -> Talk:
                return OurTalk(session, stack.settings.url)

            side.parse = asyncio.run(
                _parse_ours(stack.settings.environment, stack.settings.ports["bot"], Path(directory))
            )
            pids = _pids_of_port(stack.settings.ports)
            asyncio.run(_measure_turns(side, talk, seconds, pids["bot"]))
            side.all_mb = sum(_rss_mb(pid) for pid in pids.values())
    return side


def _train_ours() -> float:
    """Seconds for the same examples as stock's. What is served afterwards was trained on all of them, which is slower."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT / 'bot' / 'stand_ins'}{os.pathsep}{ROOT}",
        "OMP_NUM_THREADS": "1",
    }
    python = str(ROOT / "bot" / ".venv" / "bin" / "python")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "bot").mkdir()
        (root / "bot" / "domain").symlink_to(ROOT / "bot" / "domain")
        shutil.copytree(ROOT / "data", root / "data", ignore=shutil.ignore_patterns("nlu"))
        stock_model.dump(root / "data" / "nlu.yml", {"version": "3.1", "nlu": stock_model.sample(_EXAMPLES)})
        code = "import sys; from pathlib import Path; from bot.train import train; root = Path(sys.argv[1]); "
        code += "train(root, Path('config.yml'), root / 'models', force=True)"
        started = time.perf_counter()
        subprocess.run(
            [python, "-c", code, directory], cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL
        )
        return time.perf_counter() - started


def measure_stock(seconds: float, *, reuse: bool) -> Side:
    """Stock Rasa, one process, REST channel, SQLite tracker store."""
    side = Side("stock")
    if reuse and list((stock_model.BUILD / "models").glob("*.tar.gz")):
        side.train_s = float((stock_model.BUILD / "train-seconds").read_text())
        side.examples = _EXAMPLES
    else:
        _install_stock()
        side.examples = stock_model.write_project(_EXAMPLES)
        side.train_s = stock_model.train()
        (stock_model.BUILD / "train-seconds").write_text(str(side.train_s))
    port = free_ports()
    process, side.start_s = stock_model.serve(port)

    def talk(session: aiohttp.ClientSession) -> Talk:
        return StockTalk(session, f"http://127.0.0.1:{port}")

    try:
        side.parse = asyncio.run(_parse_stock(port))
        asyncio.run(_measure_turns(side, talk, seconds, process.pid))
        side.all_mb = _rss_mb(process.pid)
    finally:
        process.terminate()
        process.wait(30)
    return side


def _install_stock() -> None:
    if stock_model.PYTHON.exists():
        return
    uv = setup.find_or_install_uv()
    environment = stock_model.PYTHON.parent.parent
    subprocess.run([uv, "venv", "--quiet", "--python", setup.python_310(uv), str(environment)], check=True)
    lock = str(stock_model.HERE / "requirements.lock")
    subprocess.run(
        [uv, "pip", "sync", "--quiet", "--python", str(stock_model.PYTHON), "--require-hashes", lock], check=True
    )


async def _measure_turns(side: Side, talk: OpenTalk, seconds: float, bot: int) -> None:
    await run_users(talk, users=2, seconds=3)  # warm caches on both sides
    for users in _USERS:
        side.users[users] = await run_users(talk, users=users, seconds=seconds)
    turns = await run_one_long_conversation(talk, turns=_LONG_TURNS)
    # Five turns around the tenth and the two-hundredth, so that one hiccup is not the result.
    side.turn_10_ms = statistics.median(turns[7:12])
    side.turn_200_ms = statistics.median(turns[197:202])
    side.bot_mb = _rss_mb(bot)
    side.long_message_ms = await run_one_message(talk, LONG_MESSAGE)


async def _parse_ours(environment: dict[str, str], port: int, data_dir: Path) -> Timing:
    secret = environment.get("TINGSU_INTERNAL_SECRET") or (data_dir / "internal-secret").read_text()
    now = datetime.now(UTC).isoformat()
    headers = {"Authorization": f"Bearer {secret}"}
    url = f"http://127.0.0.1:{port}/webhooks/bridge/parse"
    return await _parse(
        url, lambda text: {"now": now, "branches_version": 0, "items": [{"id": "1", "text": text}]}, headers
    )


async def _parse_stock(port: int) -> Timing:
    return await _parse(f"http://127.0.0.1:{port}/model/parse", lambda text: {"text": text}, {})


async def _parse(url: str, body: Callable[[str], dict[str, object]], headers: dict[str, str]) -> Timing:
    lines = [line for script in CONVERSATIONS for line in script]
    latencies: list[float] = []
    async with aiohttp.ClientSession(headers=headers) as session:
        for number in range(_PARSES + 10):
            sent = time.perf_counter()
            async with session.post(url, json=body(lines[number % len(lines)])) as response:
                response.raise_for_status()
                await response.read()
            latencies.append((time.perf_counter() - sent) * 1000)
    kept = latencies[10:]
    return Timing(
        statistics.median(kept), statistics.quantiles(kept, n=20)[18], 1000 / statistics.mean(kept), len(kept)
    )


def _pids_of_port(ports: dict[str, int]) -> dict[str, int]:
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    pids = {}
    for name, port in ports.items():
        for line in listening:
            if f":{port} " in line and "pid=" in line:
                pids[name] = int(line.split("pid=")[1].split(",")[0])
    return pids


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


def render(sides: list[Side]) -> str:
    """A Markdown table; the last column is ours / stock when both were measured."""
    rows: list[tuple[str, str, list[float]]] = [
        ("training examples", "", [float(side.examples) for side in sides]),
        ("training", "s", [side.train_s for side in sides]),
        ("start-up until ready", "s", [side.start_s for side in sides]),
        ("parse p50", "ms", [side.parse.p50 if side.parse else float("nan") for side in sides]),
        ("parse p95", "ms", [side.parse.p95 if side.parse else float("nan") for side in sides]),
    ]
    for users in _USERS:
        rows.append((f"full turn p50, {users} users", "ms", [side.users[users].p50 for side in sides]))
        rows.append((f"full turn p95, {users} users", "ms", [side.users[users].p95 for side in sides]))
        rows.append((f"turns per second, {users} users", "/s", [side.users[users].per_second for side in sides]))
    rows += [
        ("10th turn of one conversation", "ms", [side.turn_10_ms for side in sides]),
        ("200th turn of one conversation", "ms", [side.turn_200_ms for side in sides]),
        ("200th / 10th", "×", [side.turn_200_ms / side.turn_10_ms for side in sides]),
        ("10,000-character message", "ms", [side.long_message_ms for side in sides]),
        ("memory of the bot after the load", "MB", [side.bot_mb for side in sides]),
        ("memory of all processes after the long message", "MB", [side.all_mb for side in sides]),
    ]
    head = f"{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [head, "", "| figure | unit | " + " | ".join(side.name for side in sides) + " | ours / stock |"]
    lines.append("|---|---|" + "---|" * (len(sides) + 1))
    for name, unit, values in rows:
        ratio = f"{values[0] / values[1]:.2f}" if len(values) == 2 and values[1] else ""
        lines.append(f"| {name} | {unit} | " + " | ".join(f"{value:.1f}" for value in values) + f" | {ratio} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
