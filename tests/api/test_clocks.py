"""When something is due: by hand over years and holidays, and by chance."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.core.clock import BEIJING
from api.tickets.calendar import WorkCalendar
from api.tickets.clocks import Clock, ClockState, clocks_of, next_check
from api.tickets.history import History, NewEntry, run_of
from api.tickets.lifecycle import EventType
from contract.calendar import Calendar
from contract.playbook_loader import load_playbook
from contract.sla import Sla
from tests.api.threads import at, entry, history, of, threads

PLAYBOOK = load_playbook(Path(__file__).resolve().parents[2] / "playbook")
CALENDAR = WorkCalendar(PLAYBOOK.calendar)
POLICIES = {1: PLAYBOOK.sla}


def clocks(found: History, now: str | datetime = "2030-01-01") -> dict[str, Clock]:
    moment = at(now) if isinstance(now, str) else now
    return {clock.kind: clock for clock in clocks_of(POLICIES, CALENDAR, found, moment)}


def stages(clock: Clock) -> dict[str, str]:
    return {name: f"{when:%m-%d %H:%M}" for name, when in clock.stages}


# Deadlines


@pytest.mark.parametrize(
    ("created", "level", "due"),
    [
        ("2026-11-26T10:00", 0, "2026-11-27T23:59:59"),
        ("2026-11-27T18:00", 2, "2026-11-30T23:59:59"),
        ("2025-09-30T10:00", 0, "2025-10-09T23:59:59"),
        ("2025-09-26T10:00", 0, "2025-09-28T23:59:59"),
        ("2026-02-13T10:00", 0, "2026-02-14T23:59:59"),
        ("2026-02-14T10:00", 0, "2026-02-24T23:59:59"),
        ("2026-12-31T10:00", 0, "2027-01-01T23:59:59"),
        ("2024-02-28T10:00", 0, "2024-02-29T23:59:59"),
        ("2026-11-28T03:00", 3, "2026-11-28T05:00:00"),
        ("2026-12-31T23:50", 4, "2027-01-01T00:05:00"),
    ],
    ids=["a day", "a weekend", "国庆", "a made-up Sunday", "a made-up Saturday", "春节", "a year not published", "leap day",
         "two hours at night", "a quarter of an hour over new year"],
)  # fmt: skip
def test_the_first_contact(created: str, level: int, due: str) -> None:
    assert clocks(history(created, level=level))["first_contact"].due_at == at(due)


@pytest.mark.parametrize(
    ("created", "more", "due"),
    [
        ("2026-11-26T10:00", [], "2026-12-11"),
        ("2025-09-30T23:59", [], "2025-10-15"),
        ("2026-12-20T10:00", [], "2027-01-04"),
        ("2024-02-20T10:00", [], "2024-03-06"),
        ("2026-01-31T10:00", [entry("classify", "2026-02-02", complexity="complex")], "2026-03-02"),
        ("2026-11-26T10:00", [entry("extend", "2026-12-01", days=30)], "2027-01-10"),
        ("2026-11-26T10:00", [entry("comment", "2026-12-01", clock_restarted=True)], "2026-12-16"),
        ("2026-11-26T10:00", [entry("extend", "2026-11-30", days=9), entry("merge", "2026-12-01", clock_restarted=True)], "2026-12-16"),
        ("2026-11-26T10:00", [entry("classify", "2026-11-27", complexity="complex"), entry("comment", "2026-12-01", clock_restarted=True)], "2026-12-31"),
        ("2026-11-26T10:00", [entry("classify", "2026-11-27", complexity="complex"), entry("classify", "2026-11-28", complexity="simple")], "2026-12-11"),
        ("2026-11-26T10:00", [entry("accept", "2026-11-27"), entry("wait", "2026-11-27", **{"for": "customer"})], "2026-12-11"),
        ("2026-11-26T10:00", [entry("withdraw", "2026-11-27"), entry("reopen", "2027-03-01")], "2026-12-11"),
    ],
    ids=["15 days", "国庆 does not pause the law", "over new year", "over a leap day", "complex", "extended", "new facts",
         "new facts end the extension", "complex stays", "and back", "waiting does not pause the law", "opened again"],
)  # fmt: skip
def test_the_decision(created: str, more: list[NewEntry], due: str) -> None:
    clock = clocks(history(created, *more))["decision"]
    assert clock.due_at == at(f"{due}T23:59:59")
    assert not clock.provisional


def test_a_review_has_a_promise_of_our_own_and_no_unsure_rule() -> None:
    answered = [entry("accept", "2026-11-27"), entry("resolve", "2026-12-01", outcome="解释")]
    clock = clocks(history("2026-11-26", *answered, entry("review", "2026-12-03T09:00", clock_restarted=True)))[
        "decision"
    ]
    assert (clock.due_at, clock.run) == (at("2026-12-18T23:59:59"), 2)
    assert clock.basis == "15日：本行约定（客户申请核查）"


@pytest.mark.parametrize(
    ("nature", "basis"),
    [("投诉", "15日：银保监会令2020年第3号（S5、S6）"), ("建议", "15日：本行约定（建议不适用投诉处理时限）")],
)
def test_the_law_sets_terms_for_complaints_only(nature: str, basis: str) -> None:
    assert clocks(history("2026-11-26", nature=nature))["decision"].basis == basis


def test_a_level_that_rises_later_counts_from_then() -> None:
    raised = entry("merge", "2026-11-27T10:00", level=4)
    clock = clocks(history("2026-11-26T10:00", raised, level=1))["first_contact"]
    assert (clock.due_at, clock.started_at) == (at("2026-11-27T10:15"), at("2026-11-27T10:00"))
    late = entry("merge", "2026-11-27T23:50", level=4)
    assert clocks(history("2026-11-26T10:00", late, level=1))["first_contact"].due_at == at("2026-11-27T23:59:59")


# What came from an authority, and other industries


def test_what_an_authority_passed_on_is_owed_to_it_too() -> None:
    found = clocks(history("2026-11-26", source="12363"))
    assert (found["transfer_reply"].due_at, found["decision"].due_at) == (at("2026-12-11T23:59:59"),) * 2
    assert "W 级来源，未核实" in found["transfer_reply"].basis
    assert "未核实" not in found["decision"].basis
    assert "transfer_reply" not in clocks(history("2026-11-26", source="12378"))


def test_a_petition_is_acknowledged_and_answered_by_its_own_rules() -> None:
    found = clocks(history("2026-11-26", entry("contact", "2026-11-30"), source="信访"))
    assert (found["transfer_receipt"].due_at, found["transfer_receipt"].state) == (at("2026-12-11T23:59:59"), "met")
    assert found["transfer_reply"].due_at == at("2027-01-25T23:59:59")


def test_a_reply_to_an_authority_ends_at_its_longest() -> None:
    extended = [entry("extend", "2026-11-27", days=30), entry("extend", "2026-11-28", days=15)]
    restarted = [
        *extended,
        entry("comment", "2026-12-01", clock_restarted=True),
        entry("extend", "2026-12-02", days=30),
    ]
    assert clocks(history("2026-11-26", *extended, source="12363"))["transfer_reply"].due_at == at(
        "2027-01-25T23:59:59"
    )
    assert clocks(history("2026-11-26", *restarted, source="12363"))["transfer_reply"].due_at == at(
        "2027-01-25T23:59:59"
    )


@pytest.mark.parametrize(
    ("matter", "kind", "due"),
    [
        ({"industry": "telecom"}, "decision", "2026-12-11T23:59:59"),
        ({"industry": "telecom", "causes": ("T5",)}, "repair", "2026-11-28T10:00:00"),
        ({"industry": "hospital"}, "decision", "2026-12-03T23:59:59"),
    ],
)
def test_other_industries(matter: dict[str, Any], kind: str, due: str) -> None:
    assert clocks(history("2026-11-26T10:00", **matter))[kind].due_at == at(due)


def test_a_repair_is_owed_for_network_faults_only() -> None:
    assert "repair" not in clocks(history("2026-11-26", industry="telecom", causes=("T1",)))


# The service clock

WAITING = [
    entry("accept", "2026-11-26T10:00"),
    entry("wait", "2026-11-26T15:00", **{"for": "customer"}),
    entry("resume", "2026-12-01T11:00"),
]


def test_the_service_clock_counts_hours_of_service() -> None:
    clock = clocks(history("2026-11-26T09:00"))["service"]
    assert (clock.due_at, clock.state) == (at("2026-12-07T17:00"), "missed")
    assert clock.basis == "56个服务小时：本行约定"


def test_the_service_clock_stands_still_while_the_customer_is_asked() -> None:
    paused = clocks(history("2026-11-26T09:00", *WAITING[:2]), "2026-12-20")["service"]
    assert (paused.due_at, paused.state, paused.pauses) == (None, "paused", [(at("2026-11-26T15:00"), None)])
    assert paused.stages == ()
    resumed = clocks(history("2026-11-26T09:00", *WAITING), "2026-12-01T12:00")["service"]
    # 5 of 56 hours are used on the first day; 51 are left at 11:00 on the Tuesday.
    assert (resumed.due_at, resumed.state) == (at("2026-12-10T13:00") + timedelta(hours=1), "running")


def test_whether_a_third_party_pauses_it_is_policy() -> None:
    waiting = history(
        "2026-11-26T09:00",
        entry("accept", "2026-11-26T10:00"),
        entry("wait", "2026-11-26T15:00", **{"for": "third_party"}),
    )
    assert clocks(waiting, "2026-11-27")["service"].state == "running"
    policy = PLAYBOOK.sla.model_copy(update={"service_pauses": ("waiting_customer", "waiting_third_party")})
    found = {clock.kind: clock for clock in clocks_of({1: policy}, CALENDAR, waiting, at("2026-11-27"))}
    assert (found["service"].state, found["decision"].state) == ("paused", "running")


def test_what_ran_out_before_the_pause_stays_missed() -> None:
    asked = [entry("accept", "2026-11-26T10:00"), entry("wait", "2026-12-20T10:00", **{"for": "customer"})]
    clock = clocks(history("2026-11-26T09:00", *asked), "2026-12-21")["service"]
    assert (clock.state, clock.due_at) == ("missed", at("2026-12-07T17:00"))


# Stages


def test_the_stages_of_a_decision() -> None:
    clock = clocks(history("2026-11-26T00:00:00"), "2026-11-26T01:00")["decision"]
    assert stages(clock) == {
        "warn50": "12-03 23:59", "warn80": "12-08 19:11", "overdue": "12-11 23:59", "level2": "12-14 17:00", "level3": "12-16 17:00",
    }  # fmt: skip


def test_warnings_of_working_days_come_in_hours_of_service() -> None:
    clock = clocks(history("2026-11-27T18:00"), "2026-11-27T19:00")["first_contact"]
    assert stages(clock)["warn50"] == "11-30 13:30"
    assert stages(clock)["warn80"] == "11-30 15:36"


def test_a_suicide_threat_at_night_is_escalated_at_night() -> None:
    clock = clocks(history("2026-11-28T03:00", level=4), "2026-11-28T03:01")["first_contact"]
    assert list(stages(clock).values()) == ["11-28 03:07", "11-28 03:12", "11-28 03:15", "11-28 03:30", "11-28 04:00"]


def test_what_was_missed_before_a_ticket_was_opened_again_is_told_once_more() -> None:
    opened = [entry("withdraw", "2026-11-27"), entry("reopen", "2027-03-01T10:00")]
    clock = clocks(history("2026-11-26", *opened), "2027-03-01T10:00")["decision"]
    assert (clock.run, list(stages(clock))) == (2, ["overdue", "level2", "level3"])
    assert stages(clock)["overdue"] == "03-01 10:00"


def test_nothing_is_told_of_what_is_done() -> None:
    answered = history("2026-11-26", entry("accept", "2026-11-27"), entry("resolve", "2026-11-30", outcome="道歉"))
    found = clocks(answered)
    assert {clock.state for clock in found.values()} == {ClockState.MET, ClockState.MISSED}
    assert next_check(list(found.values()), frozenset()) is None


def test_the_next_look_is_at_the_first_that_nobody_was_told() -> None:
    found = list(clocks(history("2026-11-26T10:00", level=4), "2026-11-26T10:01").values())
    assert next_check(found, frozenset()) == at("2026-11-26T10:07:30")
    assert next_check(found, frozenset({("first_contact", "warn50", 1)})) == at("2026-11-26T10:12")


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([entry("withdraw", "2026-11-27")], "void"),
        ([entry("merge", "2026-11-27", into="TS2")], "void"),
        ([entry("not_complaint", "2026-11-27")], "void"),
        ([entry("accept", "2026-11-27"), entry("resolve", "2026-11-28", outcome="道歉"), entry("withdraw", "2026-11-29")], "met"),
        ([entry("accept", "2026-11-27"), entry("resolve", "2026-12-20", outcome="道歉")], "missed"),
    ],
)  # fmt: skip
def test_how_a_clock_ends(events: list[NewEntry], state: str) -> None:
    assert clocks(history("2026-11-26", *events))["decision"].state == state


# By chance

moments = st.datetimes(datetime(2021, 1, 4), datetime(2028, 12, 31)).map(lambda found: found.replace(tzinfo=BEIJING))  # noqa: DTZ001


def due(created: datetime, level: int = 0) -> dict[str, datetime]:
    found = clocks_of(POLICIES, CALENDAR, of([NewEntry("create", {"level": level}, created)]), created)
    return {clock.kind: clock.due_at for clock in found if clock.due_at}


@settings(deadline=None)
@given(st.lists(moments, min_size=2, max_size=2).map(sorted), st.integers(0, 4))
def test_whoever_comes_later_is_not_due_earlier(two: list[datetime], level: int) -> None:
    first, second = due(two[0], level), due(two[1], level)
    assert all(first[kind] <= second[kind] for kind in first)


@settings(deadline=None)
@given(moments)
def test_working_days_end_on_working_days_and_hours_in_hours_of_service(created: datetime) -> None:
    found = due(created)
    assert CALENDAR.is_working(found["first_contact"].date())
    assert CALENDAR.service_between(created, found["service"]) == timedelta(hours=56)
    assert 9 <= found["service"].hour <= 17


@settings(deadline=None)
@given(threads())
def test_a_pause_never_moves_the_law(entries: list[NewEntry]) -> None:
    kept = [one for one in entries if one.type not in ("wait", "resume", "investigate")]
    with_pauses, without = clocks(of(entries)), clocks(of(kept))
    for kind in ("first_contact", "decision"):
        assert with_pauses[kind].due_at == without[kind].due_at


@settings(deadline=None)
@given(threads())
def test_time_that_ran_is_the_working_time_between(entries: list[NewEntry]) -> None:
    """What was used up to the date, over all stretches in which somebody worked, is what the policy gave."""
    clock = clocks(of(entries))["service"]
    if clock.due_at is None:
        return
    standing = [(begins, min(ends or clock.due_at, clock.due_at)) for begins, ends in _not_worked(entries)]
    stood = sum(
        (CALENDAR.service_between(max(begins, clock.started_at), ends) for begins, ends in standing), timedelta()
    )
    used = CALENDAR.service_between(clock.started_at, clock.due_at) - stood
    assert used == timedelta(hours=int(clock.basis.partition("个")[0]))


def _not_worked(entries: list[NewEntry]) -> list[tuple[datetime, datetime | None]]:
    course = of(entries).course
    ends = [*(when for when, _ in course[1:]), None]
    idle = (
        "waiting_customer",
        "proposed",
        "closed_resolved",
        "closed_explained",
        "withdrawn",
        "rejected_not_complaint",
        "merged",
    )
    return [(begins, end) for (begins, state), end in zip(course, ends, strict=True) if state in idle]


@settings(deadline=None)
@given(threads(), st.integers(0, 400))
def test_stages_stand_in_order_and_belong_to_their_run(entries: list[NewEntry], days: int) -> None:
    now = entries[-1].created_at + timedelta(days=days)
    for clock in clocks_of(POLICIES, CALENDAR, of(entries), now):
        times = [when for _, when in clock.stages]
        assert times == sorted(times)
        assert len({name for name, _ in clock.stages}) == len(times)
        assert clock.due_at is None or clock.due_at >= clock.started_at


@settings(deadline=None)
@given(threads())
def test_only_the_state_depends_on_now(entries: list[NewEntry]) -> None:
    """What is cached for the scheduler may be computed at any moment."""
    early, late = (clocks(of(entries), when) for when in ("2024-01-01", "2032-01-01"))
    for kind, clock in early.items():
        other = late[kind]
        assert (clock.due_at, clock.stages, clock.run, clock.met_at) == (
            other.due_at,
            other.stages,
            other.run,
            other.met_at,
        )


def test_every_event_has_been_drawn() -> None:
    """The generator above would be worth little if it knew only some of them."""
    seen: set[str] = set()

    @settings(max_examples=300, deadline=None, database=None)
    @given(threads(longest=20))
    def draw(entries: list[NewEntry]) -> None:
        seen.update(one.type for one in entries)

    draw()
    assert seen >= {kind.value for kind in EventType} - {"recount", "receipt", "evidence"}


# The file


@pytest.mark.parametrize("kind", ["first_contact", "decision", "review"])
def test_a_policy_without_a_needed_number_is_refused(kind: str) -> None:
    terms = [
        term.model_dump(mode="json") for term in PLAYBOOK.sla.clocks if (term.kind, term.industry) != (kind, "bank")
    ]
    with pytest.raises(ValueError, match=f"bank 缺少对所有情形都有效的 {kind}"):
        Sla.model_validate({"clocks": terms})


def test_a_moment_before_every_rule_is_named() -> None:
    with pytest.raises(LookupError, match="2019-01-01 没有 first_contact"):
        clocks(history("2019-01-01"))


def test_a_year_not_published_is_provisional_until_the_calendar_has_it() -> None:
    found = history("2026-12-31T10:00")
    assert clocks(found)["first_contact"].provisional
    year = {"year": 2027, "source": "演示", "holidays": [{"name": "元旦", "first": "2027-01-01", "last": "2027-01-03"}]}
    known = WorkCalendar(Calendar.model_validate({**PLAYBOOK.calendar.model_dump(), "years": [year]}))
    clock = clocks_of(POLICIES, known, found, at("2027-01-01"))[0]
    assert (clock.due_at, clock.provisional) == (at("2027-01-04T23:59:59"), False)


# Numbers of runs

RECEIVED = {"received": "2026-11-20T10:00:00+08:00", "level": 0, "from": "TS9"}


def test_a_number_never_comes_again() -> None:
    """Merged, split and extended: what was told of the merged run must not count as told of the extended one."""
    thread = [
        entry("merge", "2026-11-27T10:00", **RECEIVED),
        entry("split", "2026-11-28T10:00", ticket_no="TS9"),
        entry("extend", "2026-11-29T10:00", days=5),
        entry("merge", "2026-11-30T10:00", **RECEIVED),
        entry("split", "2026-12-01T10:00", ticket_no="TS9"),
    ]
    runs = [clocks(history("2026-11-26T10:00", *thread[:count]))["decision"] for count in range(6)]
    assert [run.run for run in runs] == [1, 2, 3, 4, 5, 6]
    dues = [f"{run.due_at:%m-%d}" for run in runs]
    assert dues == ["12-11", "12-05", "12-11", "12-16", "12-05", "12-16"]


def test_a_split_that_moves_no_date_makes_no_run() -> None:
    later_one = {**RECEIVED, "received": "2026-11-26T20:00:00+08:00"}
    thread = [entry("merge", "2026-11-27T10:00", **later_one), entry("split", "2026-11-28T10:00", ticket_no="TS9")]
    assert clocks(history("2026-11-26T10:00", *thread))["decision"].run == 1


@settings(deadline=None)
@given(threads(longest=20))
def test_numbers_of_runs_only_grow(entries: list[NewEntry]) -> None:
    """And the same number is the same date."""
    seen: dict[tuple[str, int], tuple[datetime, int]] = {}
    last: dict[str, int] = {}
    for count in range(1, len(entries) + 1):
        found = of(entries[:count])
        for kind in ("first_contact", "decision", "service"):
            run = run_of(kind, found)
            assert run.number >= last.get(kind, 1)
            assert seen.setdefault((kind, run.number), (run.start, run.extended_days)) == (run.start, run.extended_days)
            last[kind] = run.number
