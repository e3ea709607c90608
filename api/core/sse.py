"""Server-sent events: the text of one event, and the answer that streams them."""

import re
from collections.abc import AsyncIterator
from typing import Any

from pydantic_core import to_json
from starlette.responses import StreamingResponse

HEARTBEAT = b": \n\n"
HEARTBEAT_SECONDS = 15.0  # below the usual 60 s of proxies and the 30 s of some mobile carriers
RETRY = b"retry: 1500\n\n"


def sse(event: str, data: Any, *, seq: int | None = None) -> bytes:
    number = b"" if seq is None else b"id: %d\n" % seq
    return b"%sevent: %s\ndata: %s\n\n" % (number, event.encode(), to_json(data))


def stream_response(chunks: AsyncIterator[bytes]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(chunks, media_type="text/event-stream", headers=headers)


def last_event_id(header: str | None, fallback: int) -> int:
    """The fallback for what no stream of ours gave out; eighteen digits still fit a column."""
    return int(header) if header and re.fullmatch(r"[0-9]{1,18}", header) else fallback
