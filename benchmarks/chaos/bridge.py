"""The bridge with a wall clock that can be made to jump while it runs: a file holds the seconds that it is off.

    python -m benchmarks.chaos.bridge FILE

Faketime's preloaded library slows Python's locks down to a few calls a second, so the two clocks that our code reads are
shifted here instead; waiting goes by the monotonic clock and stays real.
"""

import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

_FILE = Path(sys.argv[1])
_real_time = time.time


def _offset() -> float:
    return float(_FILE.read_text() or 0)


class _Shifted(datetime):
    """`now` is off; everything else is datetime's."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # gives plain datetimes
        return datetime.now(tz) + timedelta(seconds=_offset())


if __name__ == "__main__":
    time.time = lambda: _real_time() + _offset()
    from api import __main__ as bridge
    from api.core import clock

    clock.datetime = _Shifted  # type: ignore[attr-defined]  # the one place where the bridge reads the calendar
    sys.exit(bridge.main())
