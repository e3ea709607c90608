"""What a branch's published hours say about one moment. Pure."""

from collections.abc import Iterable
from datetime import datetime, time

from contract.branch import Branch
from contract.playbook import Condition

_WEEKDAYS = "一二三四五六日"


def conditions(branch: Branch | None, moment: datetime | None) -> frozenset[Condition]:
    """The conditions of explanation variants that hold. Without a moment nothing is claimed about hours or handover."""
    if branch is None:
        return frozenset()
    found: set[Condition] = {"branch_known", "window_open" if branch.window_open_in_handover else "window_closed"}
    if branch.machines:
        found.add("machines_known")
    if branch.nearest:
        found.add("nearest_known")
    if moment is not None:
        inside = any(slot.start <= moment.time() < slot.end for slot in branch.handover)
        found.add("in_handover" if inside else "outside_handover")
        found.add("published_open" if is_published_open(branch, moment) else "published_closed")
    return frozenset(found)


def is_published_open(branch: Branch, moment: datetime) -> bool:
    """Whether the branch's published hours include the moment (public holidays are not in the directory)."""
    return any(
        moment.isoweekday() in _weekdays(span.days) and span.open <= moment.time() < span.close for span in branch.hours
    )


def hours_text(branch: Branch, moment: datetime | None) -> str:
    """The published hours as a customer reads them; only those of the moment's weekday when there is one."""
    spans = branch.hours
    if moment is not None:
        spans = tuple(span for span in spans if moment.isoweekday() in _weekdays(span.days)) or spans
    groups: dict[str, list[str]] = {}
    for span in spans:
        groups.setdefault(span.days, []).append(_span(span.open, span.close))
    return "；".join(f"{_days_text(days)}{'、'.join(times)}" for days, times in groups.items())


def handover_text(branch: Branch) -> str:
    """The handover slots, for example `12:00到12:20`."""
    return "、".join(f"{slot.start:%H:%M}到{slot.end:%H:%M}" for slot in branch.handover)


def nearest_text(branch: Branch, names: dict[str, str]) -> str:
    """The neighbours' names; `names` maps branch codes to names, a neighbour may be given as either."""
    return "、".join(names.get(neighbour, neighbour) for neighbour in branch.nearest)


def _span(opening: time, closing: time) -> str:
    return f"{opening:%H:%M}-{closing:%H:%M}"


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
        name = f"周{_WEEKDAYS[int(first) - 1]}"
        parts.append(f"{name}至周{_WEEKDAYS[int(last) - 1]}" if last else name)
    return "、".join(parts)
