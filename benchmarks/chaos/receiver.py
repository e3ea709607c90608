"""A back office's receiver in four moods: ok, slow, wrong, and (killed) gone. Checks the signature, and writes down every
delivery before it answers.

python -m benchmarks.chaos.receiver PORT DIRECTORY
"""

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path

import uvicorn
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_SLOW = 3.0  # seconds; shorter than the sender's patience: late, but there
_WRONG = itertools.cycle((500, 302, 404, 200))


def application(directory: Path) -> Starlette:
    mood, log = directory / "mood", (directory / "received.jsonl").open("ab")

    async def receive(request: Request) -> Response:
        body = await request.body()
        now = mood.read_text()
        if now == "slow":
            await asyncio.sleep(_SLOW)
        if now == "wrong" and (status := next(_WRONG)) != 200:
            return Response(b"\xff\xfe not what you think", status, headers={"Location": "http://127.0.0.1:1/"})
        Webhook((directory / "secret").read_text()).verify(body, dict(request.headers))
        line = {"id": request.headers.get("webhook-id"), "body": json.loads(body)}
        log.write(json.dumps(line).encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())
        return Response(status_code=204)

    return Starlette(routes=[Route("/hook", receive, methods=["POST"])])


if __name__ == "__main__":
    uvicorn.run(application(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
