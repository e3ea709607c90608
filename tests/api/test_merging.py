"""Merging and splitting: both threads stay, the earliest dates hold, and what was merged wrongly goes back."""

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection

from api.tickets import repository
from api.tickets.handoff.repository import leave_gap
from api.tickets.lifecycle import state_of
from api.tickets.privacy import repository as privacy
from tests.api.conftest import Bridge, Start
from tests.api.stores import Store
from tests.api.test_staff import code
from tests.api.test_ticket_events import do, done
from tests.api.test_tickets import filed, read

NOON = "2026-11-25T12:00:00+08:00"


@pytest.fixture
async def bridge(start: Start) -> Bridge:
    started: Bridge = await start(clock=NOON)
    return started


@pytest.fixture
async def two(bridge: Bridge) -> tuple[str, str]:
    """Two tickets of two customers, the second three days later."""
    first = await filed(bridge, phone="13900000001", branch="YT001", callback_wanted=True)
    later(bridge, days=3)
    return first, await filed(bridge, phone="13900000002", branch="YT001")


def later(bridge: Bridge, **by: float) -> None:
    bridge.app.state.context.clock._offset += timedelta(**by)


async def agrees(bridge: Bridge, number: str) -> bool:
    """Whether the state follows from the thread."""
    entries = await bridge.app.state.context.db.read(lambda connection: repository.events_of(connection, number))
    return bool(state_of(entries) == (await read(bridge, number))["state"])


# Refusals


async def test_what_cannot_be_merged(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    third, sealed = await filed(bridge, phone="13900000003"), await filed(bridge, nature="举报")
    ended, answered = await filed(bridge, phone="13900000004"), await filed(bridge, phone="13900000005")
    await done(bridge, answered, "accept")
    await done(bridge, answered, "resolve", outcome="解释")
    await done(bridge, ended, "withdraw", reason="已解决")
    for into in (first, "TS1", ""):
        assert code(await do(bridge, first, "merge", into=into)) == (422, "event_invalid")
    assert code(await do(bridge, first, "merge", "supervisor", into=sealed)) == (422, "event_invalid")
    assert code(await do(bridge, first, "merge", into=ended)) == (409, "merge_refused")
    assert code(await do(bridge, first, "merge", into=answered)) == (409, "merge_refused")  # nobody would decide it
    await done(bridge, first, "merge", into=second)
    assert code(await do(bridge, second, "merge", into=third)) == (409, "merge_refused")  # a chain
    assert code(await do(bridge, second, "merge", into=first)) == (409, "merge_refused")  # a cycle
    assert code(await do(bridge, third, "merge", into=first)) == (409, "merge_refused")
    assert code(await do(bridge, first, "merge", into=third)) == (409, "event_not_allowed")


async def test_nothing_is_merged_by_those_whom_the_other_ticket_is_about(bridge: Bridge, two: tuple[str, str]) -> None:
    """Neither as what goes nor as what it goes into: dates, promises and counts of both change."""
    first, second = two
    await done(bridge, second, "recuse", "supervisor", person="key:handler", reason="本人被投诉")
    for one, into in ((first, second), (second, first)):
        assert code(await do(bridge, one, "merge", "handler", into=into)) == (409, "recused")
    await done(bridge, first, "merge", "supervisor", into=second)


async def test_what_cannot_be_split(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    await done(bridge, first, "merge", into=second)
    for fields in ({}, {"reason": "x"}, {"ticket_no": first}, {"reason": "x", "ticket_no": first, "entry": 1}):
        assert code(await do(bridge, second, "split", **fields)) == (422, "event_invalid")
    for fields in ({"ticket_no": second}, {"ticket_no": "TS1"}, {"entry": 1}, {"entry": 2}, {"entry": 99}):
        refused = await do(bridge, second, "split", reason="合错了", **fields)
        assert code(refused) == (409, "split_refused"), fields
    assert (await do(bridge, second, "split", "agent", reason="合错了", ticket_no=first)).status_code == 403
    assert (await do(bridge, first, "split", reason="合错了", ticket_no=second)).status_code == 409


# Merging


async def test_both_threads_stay_readable(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    await done(bridge, first, "merge", into=second, text="同一位客户换了电话")
    parent, child = await read(bridge, second), await read(bridge, first)
    (merged,) = parent["merged_from"]
    assert (merged["ticket_no"], merged["entries"], parent["repeat_count"]) == (first, 2, 1)
    assert [event["type"] for event in child["events"]] == ["create", "merge"]
    assert (child["state"], child["parent_ticket"]) == ("merged", second)
    assert parent["events"][-1]["data"]["text"] == "同一位客户换了电话"
    assert await agrees(bridge, first)
    assert await agrees(bridge, second)


async def test_the_earliest_dates_hold_and_promises_move(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    old, new = await read(bridge, first), await read(bridge, second)
    await done(bridge, first, "merge", into=second)
    parent = await read(bridge, second)
    assert parent["due_at"] == old["due_at"] < new["due_at"]
    assert parent["first_contact_due_at"] == old["first_contact_due_at"]
    assert [promise["kind"] for promise in parent["promises"]] == ["callback"]
    assert parent["events"][-1]["data"]["received"] == old["created_at"]


async def test_the_later_dates_do_not_hold(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    before = await read(bridge, first)
    await done(bridge, second, "merge", into=first)
    after = await read(bridge, first)
    assert (after["due_at"], after["first_contact_due_at"]) == (before["due_at"], before["first_contact_due_at"])


async def test_two_into_each_other_at_once_is_one(start: Start, store: Store) -> None:
    here = await start(clock=NOON)
    there = await start(clock=NOON) if store.database_url else here
    for attempt in range(5):
        first, second = [await filed(here, phone=f"139000{attempt}000{n}", branch="YT001") for n in range(2)]
        answers = await asyncio.gather(
            do(here, first, "merge", into=second), do(there, second, "merge", into=first), return_exceptions=False
        )
        assert sorted(answer.status_code for answer in answers) == [201, 409]
        states = sorted([(await read(here, number))["state"] for number in (first, second)])
        assert states == ["merged", "new"]


# Splitting


@pytest.mark.parametrize("waits", [False, True])
async def test_a_merged_ticket_goes_back_to_where_it_was(bridge: Bridge, two: tuple[str, str], waits: bool) -> None:
    first, second = two
    await done(bridge, first, "accept", owner="wang")
    if waits:
        await done(bridge, first, "wait", **{"for": "customer", "reason": "存单的照片"})
    before = await read(bridge, first)
    await done(bridge, first, "merge", into=second)
    await done(bridge, first, "comment", text="合并后补记")
    later(bridge, days=5)
    parent = await done(bridge, second, "split", reason="合错了", ticket_no=first)
    child = await read(bridge, first)
    for name in ("state", "owner", "due_at", "first_contact_due_at", "created_at", "awaited", "accepted_at"):
        assert child[name] == before[name], name
    assert (child["parent_ticket"], child["closed_at"]) == (None, None)
    assert [event["type"] for event in child["events"]][-3:] == ["merge", "comment", "split"]
    assert [promise["kind"] for promise in child["promises"]] == ["callback"]
    assert (parent["merged_from"], parent["promises"], parent["repeat_count"]) == ([], [], 0)
    assert parent["events"][-1]["data"] == {"ticket_no": first, "reason": "合错了"}
    assert await agrees(bridge, first)
    assert await agrees(bridge, second)


async def test_state_and_dates_still_follow_when_the_words_are_gone(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    await done(bridge, first, "merge", into=second)
    await done(bridge, second, "split", reason="合错了", ticket_no=first)
    ctx = bridge.app.state.context
    for number in two:
        before = await done(bridge, number, "withdraw", reason="已解决")

        def anonymise(connection: Connection, number: str = number) -> None:
            row = repository.find(connection, number)
            assert row is not None
            privacy.anonymise(connection, row, ctx.clock.now())

        await ctx.db.write(anonymise)
        after = await read(bridge, number)
        assert after["anonymised_at"]
        assert await agrees(bridge, number)
        assert [clock["due_at"] for clock in after["clocks"]] == [clock["due_at"] for clock in before["clocks"]]


async def test_split_off_it_can_be_merged_and_split_again(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    for _ in range(2):
        await done(bridge, first, "merge", into=second)
        await done(bridge, second, "split", reason="合错了", ticket_no=first)
    assert (await read(bridge, first))["state"] == "new"
    assert code(await do(bridge, second, "split", reason="合错了", ticket_no=first)) == (409, "split_refused")


async def joined(bridge: Bridge, **body: Any) -> tuple[str, dict[str, Any]]:
    """A ticket that a repeat joined two days later with new facts, and the ticket as it was before."""
    number = await filed(bridge, branch="YT001", amount="20")
    before = await read(bridge, number)
    later(bridge, days=2)
    again = await bridge.file(branch="YT001", narrative_raw="还有一句", amount="300", request="退费", **body)
    assert again.json()["merged"] is True
    later(bridge, days=2)
    return number, before


async def test_a_joined_repeat_becomes_a_ticket_of_its_own(bridge: Bridge) -> None:
    number, before = await joined(bridge)
    entry = (await read(bridge, number))["events"][-1]
    parent = await done(bridge, number, "split", reason="是另一件事", entry=entry["seq"])
    made = parent["events"][-1]["data"]["ticket_no"]
    child = await read(bridge, made)
    assert made != number
    assert (child["narrative_raw"], child["amount"], child["request"]) == ("还有一句", "300", "退费")
    assert (child["phone"], child["branch"], child["state"]) == (before["phone"], "YT001", "new")
    assert child["created_at"][:19] == entry["at"][:19]
    assert child["due_at"] > before["due_at"]
    assert (parent["due_at"], parent["repeat_count"]) == (before["due_at"], 0)
    assert [(one["ticket_no"], one["kind"]) for one in child["related"]] == [(number, "split")]
    assert [(one["ticket_no"], one["kind"]) for one in parent["related"]] == [(made, "split")]


async def test_a_repeat_is_taken_out_once(bridge: Bridge) -> None:
    number, _ = await joined(bridge)
    seq = (await read(bridge, number))["events"][-1]["seq"]
    answers = await asyncio.gather(*(do(bridge, number, "split", reason="另一件事", entry=seq) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


async def test_an_extension_since_then_stays_with_the_clock_that_is_left(bridge: Bridge) -> None:
    number, before = await joined(bridge)
    seq = (await read(bridge, number))["events"][-1]["seq"]
    await done(bridge, number, "extend", days=5, reason="要调监控", approver="李经理")
    parent = await done(bridge, number, "split", reason="另一件事", entry=seq)
    due = [datetime.fromisoformat(ticket["due_at"]) for ticket in (before, parent)]
    assert (due[1] - due[0], parent["extended_days"]) == (timedelta(days=5), 5)


# Clocks


def clock(ticket: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(one for one in ticket["clocks"] if one["kind"] == kind)


async def test_who_was_called_in_time_is_not_missed_by_merging(bridge: Bridge) -> None:
    first = await filed(bridge, phone="13900000001", branch="YT001")
    await done(bridge, first, "contact", text="已联系")
    later(bridge, days=3)
    second = await filed(bridge, phone="13900000002", branch="YT001")
    await done(bridge, second, "contact", text="已联系")
    before = await read(bridge, second)
    await done(bridge, first, "merge", into=second)
    after = await read(bridge, second)
    assert (clock(after, "first_contact")["state"], after["first_contact_due_at"]) == (
        "met",
        before["first_contact_due_at"],
    )
    assert clock(after, "decision")["started_at"] == (await read(bridge, first))["created_at"]


async def test_who_was_called_too_late_is_not_called_in_time_by_merging(bridge: Bridge, two: tuple[str, str]) -> None:
    first, second = two
    await done(bridge, first, "contact", text="已联系")
    await done(bridge, second, "contact", text="已联系")
    await done(bridge, first, "merge", into=second)
    assert clock(await read(bridge, second), "first_contact")["state"] == "missed"


async def test_a_level_of_today_does_not_age(bridge: Bridge) -> None:
    first = await filed(bridge, phone="13900000001", branch="YT001")
    later(bridge, hours=2)
    second = await filed(bridge, phone="13900000002", branch="YT001", level=3)
    before = await read(bridge, second)
    await done(bridge, first, "merge", into=second)
    assert (await read(bridge, second))["first_contact_due_at"] == before["first_contact_due_at"]


async def test_the_hours_of_service_that_were_worked_count(bridge: Bridge) -> None:
    """Not those in which the customer was asked."""
    first = await filed(bridge, phone="13900000001", branch="YT001")
    later(bridge, days=1)
    await done(bridge, first, "accept", owner="wang")
    await done(bridge, first, "wait", **{"for": "customer", "reason": "存单的照片"})
    later(bridge, days=6)
    second = await filed(bridge, phone="13900000002", branch="YT001")
    alone = (await read(bridge, second))["service_due_at"]
    await done(bridge, first, "merge", into=second)
    due = (await read(bridge, second))["service_due_at"]
    assert (due[:16], alone[:16]) == ("2026-12-11T12:00", "2026-12-14T12:00")  # Friday, and Monday: one day of service


async def test_what_was_taken_out_counts_its_service_from_the_day_it_was_told(bridge: Bridge) -> None:
    number, _ = await joined(bridge)
    entry = (await read(bridge, number))["events"][-1]
    parent = await done(bridge, number, "split", reason="是另一件事", entry=entry["seq"])
    child = await read(bridge, parent["events"][-1]["data"]["ticket_no"])
    assert child["service_due_at"] == clock(child, "service")["due_at"]
    assert child["service_due_at"] < (await read(bridge, await filed(bridge, phone="13900000009")))["service_due_at"]


@pytest.mark.parametrize("versions", [0, 1000])
async def test_facts_that_are_taken_out_count_no_more_also_after_a_restore(bridge: Bridge, versions: int) -> None:
    """A restore leaves a gap in the numbers of entries (make renumber)."""
    number = await filed(bridge)
    before = (await read(bridge, number))["due_at"]
    context = bridge.app.state.context
    await context.db.write(partial(leave_gap, positions=0, versions=versions))
    context.clock._offset += timedelta(days=3)
    answer = (await bridge.file(narrative_raw="还有一句", amount="300")).json()
    assert (answer["merged"], answer["clock_restarted"]) == (True, True)
    ticket = await read(bridge, number)
    assert ticket["due_at"] != before
    seq = ticket["events"][-1]["seq"]
    assert seq == versions + 2
    assert (await done(bridge, number, "split", reason="另一件事", entry=seq))["due_at"] == before


async def test_what_happened_since_is_told_also_after_a_restore(bridge: Bridge) -> None:
    number = await filed(bridge)
    await bridge.app.state.context.db.write(partial(leave_gap, positions=0, versions=1000))
    seen = (await read(bridge, number))["version"]
    await done(bridge, number, "comment", text="别的")
    refused = await do(bridge, number, "comment", text="一句", expected_version=seen)
    assert code(refused) == (409, "version_conflict")
    assert [one["type"] for one in refused.json()["error"]["details"]["since"]] == ["comment"]
