"""`make chaos`: 200 rounds of faults under load, then the counts.

    python -m benchmarks.chaos [--rounds 200] [--seed 1] [--store sqlite|postgresql]

Exits with 1 when anything acknowledged is missing, or anything is there twice.
"""

import argparse
import asyncio
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

from benchmarks.chaos import checks
from benchmarks.chaos.faults import FAULTS, Fault
from benchmarks.chaos.load import Client, Ledger
from benchmarks.chaos.world import World, running_world

_CLIENTS = 6
_PATIENCE = 180  # seconds for the last deliveries
_BETWEEN = 0.4  # seconds of undisturbed work between two faults


@dataclass
class Run:
    """What happened in all rounds."""

    ledger: Ledger = field(default_factory=Ledger)
    played: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    doubled: int = 0


async def chaos(*, rounds: int, seed: int, store: str) -> Run:
    run, chance = Run(), random.Random(seed)
    async with running_world(store) as world:
        possible = _possible(world)
        stop = asyncio.Event()
        clients = [asyncio.create_task(Client(world, run.ledger, seed * 100 + n).work(stop)) for n in range(_CLIENTS)]
        for number in range(rounds):
            # Every fault as often as the others, in an order of its own.
            fault = possible[number % len(possible)]
            await asyncio.sleep(chance.uniform(0, _BETWEEN))
            await fault.play(world, chance)
            run.played[fault.name] += 1
            _show(number + 1, rounds, fault, run)
        stop.set()
        await asyncio.gather(*clients)
        await _settle(world, run)
    return run


def _possible(world: World) -> list[Fault]:
    for fault in FAULTS:
        if (missing := fault.possible(world)) is not None:
            print(f"left out: {fault.name} ({missing})")
    return [fault for fault in FAULTS if fault.possible(world) is None]


async def _settle(world: World, run: Run) -> None:
    """Everything healed and delivered; then the books are compared."""
    run.wrong += run.ledger.wrong
    await world.bring_back()
    run.wrong += await checks.until_delivered(world, _PATIENCE)
    wrong, run.doubled = await checks.handed_off(world)
    run.wrong += wrong
    if any(bridge.end() for bridge in world.bridges):
        run.wrong.append("a bridge did not stop cleanly")
    run.wrong += await checks.stored(world, run.ledger)
    run.wrong += await asyncio.to_thread(checks.audited, world)
    if world.database is None:
        run.wrong += checks.integrity(world.data / "tingsu.sqlite3")


def _show(number: int, rounds: int, fault: Fault, run: Run) -> None:
    print(
        f"{number:>4}/{rounds} {fault.name:<36} tickets {len(run.ledger.filed):>6} entries {len(run.ledger.said):>6}",
        flush=True,
    )


def report(run: Run, seconds: float) -> str:
    lines = [f"{count:>4} x {name}" for name, count in run.played.items()]
    ledger = run.ledger
    lines += [
        f"{sum(run.played.values())} rounds in {seconds:.0f} s",
        f"acknowledged: {len(ledger.filed)} tickets, {len(ledger.said)} entries, {sum(map(len, ledger.moved.values()))} steps; {ledger.tries} calls",
        f"delivered more than once (allowed): {run.doubled}",
        f"wrong: {len(run.wrong)}",
        *(f"  {sentence}" for sentence in run.wrong),
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    given = parser.parse_args()
    started = time.monotonic()
    run = asyncio.run(chaos(rounds=given.rounds, seed=given.seed, store=given.store))
    print(report(run, time.monotonic() - started))
    return 1 if run.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
