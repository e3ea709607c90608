"""Threads of tickets made by hand or by chance, for what is computed from a thread alone."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from api.core.clock import BEIJING
from api.tickets.history import History, NewEntry
from api.tickets.lifecycle import OPEN_STATES, EventType, allowed_events, course_of, state_of
from contract.sla import Matter

_SINCE = "2023-12-24T10:00:00+08:00"
_MERGED = {
    "from": "TS9",
    "received": _SINCE,
    "level": 1,
    "earlier": {"states": [[_SINCE, "new"]], "levels": [[_SINCE, 1]]},
}
_DATA: Mapping[EventType, st.SearchStrategy[dict[str, Any]]] = {
    EventType.WAIT: st.sampled_from([{"for": "customer"}, {"for": "third_party"}]),
    EventType.EXTEND: st.integers(1, 30).map(lambda days: {"days": days}),
    EventType.CLASSIFY: st.sampled_from([{"complexity": "simple"}, {"complexity": "complex"}]),
    EventType.RESOLVE: st.sampled_from([{"outcome": "道歉"}, {"outcome": "解释"}]),
    EventType.REVIEW: st.just({"clock_restarted": True}),
    EventType.MERGE: st.sampled_from([{"level": 1}, {"level": 3}, {"level": 4}, {"into": "TS2"}, _MERGED]),
    EventType.SPLIT: st.just({"ticket_no": "TS9"}),
    EventType.COMMENT: st.sampled_from([{}, {"clock_restarted": True}]),
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BEIJING)


def entry(kind: str, when: str, **data: Any) -> NewEntry:
    return NewEntry(kind, data, at(when))


def history(created: str, *entries: NewEntry, level: int = 0, nature: str = "投诉", **matter: Any) -> History:
    return of([NewEntry("create", {"level": level}, at(created)), *entries], nature, Matter(**matter))


def of(entries: list[NewEntry], nature: str = "投诉", matter: Matter | None = None) -> History:
    created = entries[0].created_at
    return History(created, 0, 1, nature, matter or Matter(), entries, course_of(entries))


@st.composite
def threads(draw: st.DrawFn, longest: int = 12) -> list[NewEntry]:
    """Every thread that the rules allow, over weeks, with entries at one moment now and then."""
    moment = draw(st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31))).replace(tzinfo=BEIJING)  # noqa: DTZ001
    entries = [NewEntry("create", {"level": draw(st.integers(0, 4))}, moment)]
    for _ in range(draw(st.integers(0, longest))):
        moment += timedelta(minutes=draw(st.integers(0, 60 * 24 * 9)))
        kind = draw(st.sampled_from(allowed_events(state_of(entries))))
        data = draw(_DATA.get(kind, st.just({})))
        if kind is EventType.COMMENT and state_of(entries) not in OPEN_STATES:
            data = {}
        entries.append(NewEntry(kind, data, moment))
    return entries
