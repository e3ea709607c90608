"""Files tickets as fast as they are taken: one client process of several, `python -m benchmarks.tickets.load`.

The client must cost less than the server: bodies are made beforehand, answers are only looked at for their status.
"""

import asyncio
import random
import sys
import time
import uuid

from pydantic_core import to_json

from benchmarks.tickets.made import sentences

_SECONDS = 15.0
_WARM = 2.0


def body(chance: random.Random, told: list[str]) -> bytes:
    """A whole complaint as the bot's form files it; of many branches, or each second would open an incident."""
    return to_json(
        {
            "narrative_raw": "。".join(chance.sample(told, 2)), "summary": chance.choice(told)[:60], "name": "王女士",
            "phone": f"13{chance.randrange(10**9):09}", "cause_l1": f"C{chance.randrange(1, 13)}", "level": 1, "level_peak": 1,
            "branch": f"YT{chance.randrange(10**6):06}", "branch_name": "城东支行", "request": "道歉", "amount": "20.00",
        }
    )  # fmt: skip


async def lane(port: int, secret: str, bodies: list[bytes], until: float, took: list[tuple[float, float]]) -> None:
    """One connection that sends the next request when the answer to the last has come; plain sockets cost least."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for content in bodies:
        began = time.monotonic()
        if began >= until:
            break
        head = (
            f"POST /v1/tickets HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n"
            f"Idempotency-Key: {uuid.uuid4().hex}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 201"), answer
        length = int(answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        took.append((began, time.monotonic() - began))
    writer.close()


async def main(port: int, secret: str, lanes: int, seed: int) -> None:
    chance, told = random.Random(seed + time.time_ns()), sentences()
    bodies = [[body(chance, told) for _ in range(2000)] for _ in range(lanes)]
    took: list[tuple[float, float]] = []
    began = time.monotonic()
    await asyncio.gather(*(lane(port, secret, mine, began + _WARM + _SECONDS, took) for mine in bodies))
    seconds = sorted(took_ for at, took_ in took if at >= began + _WARM)
    print(len(seconds) / _SECONDS, seconds[len(seconds) // 2] * 1000, seconds[int(len(seconds) * 0.95)] * 1000)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
