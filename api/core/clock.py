"""The stack's clock. Only the bridge reads it; bot and actions are told the time of each turn."""

import re
import time
from datetime import UTC, datetime, timedelta, timezone

# China keeps one time zone without summer time, so a fixed offset is exact and needs no zone database.
BEIJING = timezone(timedelta(hours=8), "Asia/Shanghai")

# By how much the clocks of two machines may differ. What lies further ahead was set by a clock that was wrong.
SKEW = timedelta(minutes=1)


class Clock:
    """The wall clock, or one that starts at TINGSU_CLOCK (tests and demonstrations only).

    `started` is the real time at which the shown time began, so that restarted processes agree on the offset.
    """

    def __init__(self, start: str | None = None, started: float | None = None) -> None:
        self.shifted = start is not None
        self._offset = timedelta()
        if start is not None:
            shown = datetime.fromisoformat(start)
            if shown.tzinfo is None:
                raise ValueError("TINGSU_CLOCK 应带时区，例如 2026-01-01T09:00:00+08:00")
            self._offset = shown - datetime.fromtimestamp(started or time.time(), UTC)

    def now(self) -> datetime:
        return (datetime.now(UTC) + self._offset).astimezone(BEIJING)


# As `rfc3339` writes it.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", re.ASCII)


def rfc3339(moment: datetime) -> str:
    return moment.astimezone(BEIJING).isoformat(timespec="milliseconds")
