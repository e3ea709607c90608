"""What a branch's published hours say about one moment, holidays and 调休 included. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal

import chinese_calendar

from contract.branch import Branch, Span
from contract.script import Condition

_WEEKDAYS = "一二三四五六日"
_MONDAY, _SATURDAY, _SUNDAY = 1, 6, 7

# `working_weekend`: a Saturday or Sunday that the State Council made a working day (调休).
DayKind = Literal["plain", "holiday", "working_weekend"]
_DAY_NAMES = {"holiday": "节假日", "working_weekend": "调休上班日"}


def conditions(branch: Branch | None, moment: datetime | None) -> frozenset[Condition]:
    """The conditions of explanation variants that hold. Without a moment nothing is claimed about hours or handover."""
    if branch is None:
        return frozenset()
    found: set[Condition] = {"branch_known", "window_open" if branch.window_open_in_handover else "window_closed"}
    if branch.machines:
        found.add("machines_known")
    if branch.nearest:
        found.add("nearest_known")
    if branch.windows:
        found.add("windows_known")
    return frozenset(found if moment is None else found | _conditions_at(branch, moment))


def _conditions_at(branch: Branch, moment: datetime) -> set[Condition]:
    found: set[Condition] = set()
    closed_all_day = not opening_on(branch, moment.date())
    # Nobody hands over at a branch that does not open.
    inside = not closed_all_day and any(slot.start <= moment.time() < slot.end for slot in branch.handover)
    found.add("in_handover" if inside else "outside_handover")
    found.add("published_open" if is_published_open(branch, moment) else "published_closed")
    if closed_all_day:
        found.add("closed_all_day")
    if day_kind(moment.date()) == "holiday":
        found.add("holiday")
    return found


def day_kind(day: date) -> DayKind:
    """By the State Council's calendar; every day of a year that is not published yet is a plain one."""
    try:
        free, occasion = chinese_calendar.get_holiday_detail(day)
    except NotImplementedError:
        return "plain"
    if free:
        # A weekend without an occasion is only a weekend.
        return "holiday" if occasion else "plain"
    return "working_weekend" if day.isoweekday() >= _SATURDAY else "plain"


def opening_on(branch: Branch, day: date) -> tuple[Span, ...]:
    """The published spans of one day, none when it is closed; which hours a holiday has stands in `BranchFacts`."""
    kind = day_kind(day)
    if kind == "holiday" and branch.holiday_hours is not None:
        return branch.holiday_hours
    weekday = {"holiday": _SUNDAY, "working_weekend": _MONDAY}.get(kind, day.isoweekday())
    return tuple(span for span in branch.hours if weekday in _weekdays(span.days))


def is_published_open(branch: Branch, moment: datetime) -> bool:
    """Whether the branch's published hours include the moment."""
    return any(span.open <= moment.time() < span.close for span in opening_on(branch, moment.date()))


def hours_text(branch: Branch, moment: datetime | None) -> str:
    """The published hours as a customer reads them: those of the moment's day, or of the whole week without a moment.

    Of a day without hours also the whole week's; `closed_all_day` and `closed_text` tell that case.
    """
    spans = opening_on(branch, moment.date()) if moment is not None else ()
    if moment is not None and spans and (name := _DAY_NAMES.get(day_kind(moment.date()))):
        return name + _times(spans)
    # Of a plain day or of the week: these spans have days of their own.
    published = [span for span in branch.hours if span in spans] or branch.hours
    groups: dict[str, list[Span]] = {}
    for span in published:
        groups.setdefault(span.days, []).append(span)
    return "；".join(f"{_days_text(days)}{_times(of_days)}" for days, of_days in groups.items())


def closed_text(branch: Branch, moment: datetime) -> str:
    """`周六不营业`, `节假日不营业`; empty when the branch opens on that day."""
    day = moment.date()
    if opening_on(branch, day):
        return ""
    return f"{_DAY_NAMES.get(day_kind(day)) or _weekday_name(day.isoweekday())}不营业"


def handover_text(branch: Branch) -> str:
    """The handover slots, for example `12:00到12:20`."""
    return "、".join(f"{slot.start:%H:%M}到{slot.end:%H:%M}" for slot in branch.handover)


def nearest_text(branch: Branch, names: dict[str, str]) -> str:
    """The neighbours' names; `names` maps branch codes to names, a neighbour may be given as either."""
    return "、".join(names.get(neighbour, neighbour) for neighbour in branch.nearest)


def _times(spans: Sequence[Span]) -> str:
    return "、".join(f"{span.open:%H:%M}-{span.close:%H:%M}" for span in spans)


def _weekdays(days: str) -> frozenset[int]:
    return frozenset(_expand(days))


def _expand(days: str) -> Iterable[int]:
    for part in days.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _days_text(days: str) -> str:
    if days == "1-7":
        return "每天"
    parts = []
    for part in days.split(","):
        first, _, last = part.partition("-")
        name = _weekday_name(int(first))
        parts.append(f"{name}至{_weekday_name(int(last))}" if last else name)
    return "、".join(parts)


def _weekday_name(weekday: int) -> str:
    return f"周{_WEEKDAYS[weekday - 1]}"
