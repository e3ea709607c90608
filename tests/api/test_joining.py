"""The same matter again: what is new, when the clock begins again, and what is told of it."""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api.tickets.joining import FACTS, filled, new_facts, still_missing
from tests.api.conftest import Bridge
from tests.api.test_merging import agrees
from tests.api.test_ticket_events import do, done
from tests.api.test_tickets import read

EMPTY = dict.fromkeys((*FACTS, "branch_name", "event_time_text", "name", "card_tail", "conversation_id", "phone_index"))


def ticket(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(**{**EMPTY, **values})


def later(bridge: Bridge, **by: float) -> None:
    bridge.app.state.context.clock._offset += timedelta(**by)


def day(moment: str) -> str:
    return moment[:10]


# What is new


@pytest.mark.parametrize(
    ("has", "says", "new"),
    [
        ({}, {}, ()),
        ({}, {"branch": "YT002"}, ("branch",)),
        ({}, {"branch_name": "桥头那家"}, ("branch",)),
        ({}, {"event_time_text": "前几天"}, ()),
        ({"amount": "20.00"}, {"amount": None}, ()),
        ({"branch": "YT002"}, {"branch": "YT002"}, ()),
        ({"branch": "YT002"}, {"branch": "YT001"}, ("branch",)),
        ({"branch": "YT002", "branch_name": "城东支行"}, {"branch_name": "桥头那家"}, ()),
        ({"branch_name": "城东那家"}, {"branch": "YT002", "branch_name": "城东支行"}, ()),
        ({"branch_name": "桥头那家"}, {"branch": "YT002", "branch_name": "城东支行"}, ("branch",)),
        ({"event_time": "2026-11-20"}, {"event_time": "2026-11-20T15:00"}, ()),
        ({"event_time": "2026-11-20T09:00"}, {"event_time": "2026-11-20T15:00"}, ()),
        ({"event_time": "2026-11-20"}, {"event_time": "2026-11-21"}, ("event_time",)),
        ({"event_time": "上周三"}, {"event_time": "2026-11-20"}, ()),
        ({"amount": "20"}, {"amount": "20.00"}, ()),
        ({"amount": "20"}, {"amount": "200"}, ("amount",)),
        ({"product": "理财"}, {"product": "你们的理财产品"}, ()),
        ({"product": "手机银行APP"}, {"product": "手机银行app"}, ()),
        ({"product": "信用卡"}, {"product": "定期存款"}, ("product",)),
        ({"staff_described": "女柜员，戴眼镜"}, {"staff_described": "戴眼镜的那个女柜员"}, ()),
        ({"staff_described": "柜员"}, {"staff_described": "大堂经理"}, ("staff_described",)),
        ({"staff_described": "柜员"}, {"staff_described": "柜员，工号1023"}, ("staff_described",)),
        ({"request": "核实"}, {"request": "核实"}, ()),
        ({"request": "核实"}, {"request": "退费"}, ("request",)),
        ({"name": "王女士"}, {"name": "李女士", "phone": "13900000001"}, ()),
        ({"branch": "YT002"}, {"amount": "20", "request": "退费"}, ("amount", "request")),
    ],
    ids=[
        "nothing said",
        "a branch where none was",
        "a branch in the customer's words where none was",
        "words that are no time",
        "silence takes nothing away",
        "the same branch",
        "another branch",
        "other words for a known branch",
        "the code of the branch that was named",
        "the code of another branch than was named",
        "a clock time on the known day",
        "another hour of the same day",
        "another day",
        "a time that cannot be compared",
        "the same amount written otherwise",
        "another amount",
        "a product in more words",
        "a product in other letters",
        "another product",
        "the same person in other words",
        "another person",
        "a number that tells who",
        "the same request",
        "another request",
        "who calls is no fact of the matter",
        "several, in the order of the form",
    ],
)
def test_new_facts(has: dict[str, Any], says: dict[str, Any], new: tuple[str, ...]) -> None:
    assert new_facts(ticket(**has), says) == new


@pytest.mark.parametrize(
    ("has", "says", "changes"),
    [
        ({"amount": "20"}, {"amount": "200"}, {}),
        ({}, {"amount": "200", "request": None}, {"amount": "200"}),
        (
            {},
            {"branch": "YT002", "branch_name": "城东支行"},
            {"branch": "YT002", "branch_name": "城东支行"},
        ),
        ({"branch_name": "桥头那家"}, {"branch": "YT002", "branch_name": "城东支行"}, {}),
        ({"branch_name": "城东"}, {"branch": "YT002", "branch_name": "城东支行"}, {"branch": "YT002"}),
        ({"branch": "YT002"}, {"branch": "YT002", "branch_name": "城东支行"}, {"branch_name": "城东支行"}),
        ({"branch": "YT001"}, {"branch": "YT002", "branch_name": "城东支行"}, {}),
        ({"phone": "1", "phone_index": "a"}, {"phone": "2", "phone_index": "b"}, {}),
        ({"phone": "没有"}, {"phone": "2", "phone_index": "b"}, {"phone": "2", "phone_index": "b"}),
        ({}, {"phone": "没有", "phone_index": None}, {}),
    ],
    ids=[
        "nothing is overwritten",
        "a gap",
        "a whole branch",
        "no two branches",
        "its code",
        "its name",
        "another's name",
        "its own phone",
        "a phone for words",
        "words are no phone",
    ],
)
def test_only_what_the_ticket_lacks_is_filled(
    has: dict[str, Any], says: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert filled(ticket(**has), says) == changes


def test_what_was_learned_is_no_longer_missing() -> None:
    assert still_missing(["branch", "amount", "name"], {"branch_name": "城东支行", "name": None}) == ["amount", "name"]


# Filing again


async def test_a_repetition_without_new_facts_leaves_the_clock(bridge: Bridge) -> None:
    first = (await bridge.file(amount="20.00")).json()
    later(bridge, days=3)
    again = (await bridge.file(amount="20", narrative_raw="还是那件事")).json()
    assert (again["merged"], again["clock_restarted"], again["new_facts"]) == (True, False, [])
    assert again["due_at"] == first["due_at"]
    assert "new_facts" not in (await read(bridge, first["ticket_no"]))["events"][-1]["data"]


async def test_a_first_filing_restarts_nothing(bridge: Bridge) -> None:
    filed = (await bridge.file(amount="20.00")).json()
    assert (filed["merged"], filed["clock_restarted"], filed["new_facts"]) == (False, False, [])


async def test_new_facts_start_the_decision_clock_again(bridge: Bridge) -> None:
    first = (await bridge.file(branch="YT002", amount="20.00")).json()
    later(bridge, days=3)
    again = (await bridge.file(branch="YT002", amount="200.00", request="退费")).json()
    assert (again["clock_restarted"], again["new_facts"]) == (True, ["amount", "request"])
    moved = datetime.fromisoformat(again["due_at"]) - datetime.fromisoformat(first["due_at"])
    assert (moved, again["first_contact_due_at"]) == (timedelta(days=3), first["first_contact_due_at"])


async def test_the_thread_tells_what_was_new_and_the_old_value_stays(bridge: Bridge) -> None:
    first = (await bridge.file(branch="YT002", amount="20.00", missing_fields=["product", "request"])).json()
    later(bridge, days=3)
    again = (await bridge.file(branch="YT002", amount="200.00", request="退费")).json()
    shown = await read(bridge, first["ticket_no"])
    told = shown["events"][-1]["data"]
    assert (shown["amount"], shown["request"], shown["missing_fields"]) == ("20.00", "退费", ["product"])
    assert (told["new_facts"], told["facts"]) == (["amount", "request"], {"amount": "200.00", "request": "退费"})
    assert [day(told["due_at"][side]) for side in ("from", "to")] == [day(first["due_at"]), day(again["due_at"])]


async def test_a_repeated_key_tells_the_same(bridge: Bridge) -> None:
    await bridge.file()
    first, again = [await bridge.file(key="k-1", amount="20") for _ in range(2)]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert first.json() == again.json()
    assert (again.json()["clock_restarted"], again.json()["new_facts"]) == (True, ["amount"])


async def test_new_facts_are_decided_upon_also_after_an_answer(bridge: Bridge) -> None:
    """The answer did not know them: closing it would leave the decision on them to nobody."""
    first = (await bridge.file()).json()
    number = first["ticket_no"]
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="道歉")
    later(bridge, days=20)
    again = (await bridge.file(amount="20")).json()
    assert (again["ticket_no"], again["state"], again["new_facts"]) == (number, "accepted", ["amount"])
    assert again["clock_restarted"] is True
    assert (await do(bridge, number, "close")).status_code == 409
    shown = await read(bridge, number)
    assert (shown["resolved_at"], shown["overdue"], shown["due_at"] > first["due_at"]) == (None, False, True)
    assert {clock["kind"]: clock["state"] for clock in shown["clocks"]} == {
        "first_contact": "met", "decision": "running", "service": "running",
    }  # fmt: skip
    assert await agrees(bridge, number)


async def test_the_same_words_after_an_answer_change_nothing(bridge: Bridge) -> None:
    number = (await bridge.file(amount="20")).json()["ticket_no"]
    await done(bridge, number, "accept")
    await done(bridge, number, "resolve", outcome="道歉")
    again = (await bridge.file(amount="20.00")).json()
    assert (again["ticket_no"], again["merged"], again["state"]) == (number, True, "proposed")


@pytest.mark.parametrize("how", ["file", "comment", "staff"])
async def test_what_was_missed_stays_missed(bridge: Bridge, how: str) -> None:
    """A repeat, or a comment that the handler wrote, gave fifteen days more."""
    first = (await bridge.file()).json()
    number = first["ticket_no"]
    later(bridge, days=20)
    facts = {"amount": "20"}
    if how == "file":
        told = (await bridge.file(**facts)).json()
    elif how == "comment":
        told = (await says(bridge, number, facts=facts)).json()
    else:
        told = await done(bridge, number, "comment", text="客户说", from_customer=True, facts=facts, evidence=True)
    assert (told["clock_restarted"], told["new_facts"][0], told["due_at"]) == (False, "amount", first["due_at"])
    shown = await read(bridge, number)
    assert (shown["amount"], shown["overdue"]) == ("20", True)


async def test_an_extension_counts_from_the_restart(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    more = {"days": 30, "reason": "需要调监控", "approver": "李经理"}
    await done(bridge, number, "extend", **more)
    assert (await do(bridge, number, "extend", **{**more, "days": 16})).status_code == 422
    later(bridge, days=10)
    await bridge.file(amount="20")
    shown = await read(bridge, number)
    assert (shown["extended_days"], shown["extension_reason"]) == (0, None)
    assert day(shown["clock_started_at"]) != day(shown["created_at"])
    await done(bridge, number, "extend", **more)
    assert (await do(bridge, number, "extend", **{**more, "days": 16})).status_code == 422
    assert (await do(bridge, number, "extend", **{**more, "days": 15})).status_code == 201


async def test_a_phone_that_comes_with_the_repeat_is_not_lost(bridge: Bridge) -> None:
    """Found again by the conversation; the callback was promised at that phone."""
    talk = await bridge.talk()
    number = (await bridge.file(phone=None, conversation_id=talk.id)).json()["ticket_no"]
    told = {"phone": "13900000007", "card_tail": "1234", "callback_wanted": True}
    again = await bridge.file(**told, conversation_id=talk.id, narrative_raw="还有一句")
    assert again.json()["merged"]
    ticket = await read(bridge, number)
    assert {name: ticket[name] for name in told} == told
    assert "13900000007" not in str(ticket["events"])
    other = await bridge.file(phone="13900000007", narrative_raw="第三句")
    assert (other.json()["ticket_no"], other.json()["merged"]) == (number, True), "and it is found by it"


# A customer's comment


async def says(bridge: Bridge, number: str, key: str = "turn-1", **more: Any) -> httpx.Response:
    event = {"type": "comment", "text": "补充一下", "from_customer": True, **more}
    headers = {**bridge.internal, "Idempotency-Key": key}
    return await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=headers)


@pytest.mark.parametrize(
    "more",
    [
        {"facts": {"owner": "张三"}},
        {"facts": {"phone": "13900000001"}},
        {"facts": {"amount": "很多钱"}},
        {"facts": {"request": "赔命"}},
        {"facts": {"branch": "长" * 65}},
        {"facts": {"amount": "20"}, "from_customer": False},
        {"evidence": True, "from_customer": False},
        {"callback": True, "from_customer": False},
        {"facts": {"amount": "20"}, "text": " "},
    ],
    ids=[
        "no field",
        "no fact",
        "no amount",
        "no request",
        "too long",
        "not theirs",
        "no material",
        "no call",
        "no words",
    ],
)
async def test_a_comment_with_wrong_facts_changes_nothing(bridge: Bridge, more: dict[str, Any]) -> None:
    first = (await bridge.file()).json()
    assert (await says(bridge, first["ticket_no"], **more)).status_code == 422
    shown = await read(bridge, first["ticket_no"])
    assert ([event["type"] for event in shown["events"]], shown["promises"]) == (["create"], [])


async def test_a_comment_with_new_facts_starts_the_clock_again(bridge: Bridge) -> None:
    first = (await bridge.file(amount="20")).json()
    later(bridge, days=2)
    facts = {"amount": "200", "event_time": "2026-11-20", "event_time_text": "上周五"}
    told = (await says(bridge, first["ticket_no"], facts=facts)).json()
    shown = await read(bridge, first["ticket_no"])
    assert (told["clock_restarted"], told["new_facts"]) == (True, ["event_time", "amount"])
    assert told["due_at"] == shown["due_at"] != first["due_at"]
    assert (shown["amount"], shown["event_time"], shown["event_time_text"]) == ("20", "2026-11-20", "上周五")
    assert shown["events"][-1]["data"]["facts"]["amount"] == "200"


@pytest.mark.parametrize("facts", [None, {}, {"amount": "20.00"}, {"amount": None}])
async def test_a_comment_without_new_facts_leaves_the_clock(bridge: Bridge, facts: Any) -> None:
    first = (await bridge.file(amount="20")).json()
    later(bridge, days=2)
    told = (await says(bridge, first["ticket_no"], facts=facts)).json()
    assert (told["clock_restarted"], told["due_at"]) == (False, first["due_at"])


async def test_a_comment_tried_again_restarts_once_and_tells_the_same(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    first = (await says(bridge, number, facts={"amount": "20"})).json()
    later(bridge, days=2)
    again = (await says(bridge, number, facts={"amount": "20"})).json()
    assert (again["clock_restarted"], again["due_at"]) == (True, first["due_at"])


@pytest.mark.parametrize("state", ["proposed", "closed_resolved"])
async def test_only_an_open_ticket_restarts(bridge: Bridge, state: str) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    due_at = (await done(bridge, number, "accept"))["due_at"]
    await done(bridge, number, "resolve", outcome="道歉")
    if state == "closed_resolved":
        await done(bridge, number, "close")
    later(bridge, days=2)
    told = (await says(bridge, number, facts={"amount": "20"}, evidence=True)).json()
    shown = await read(bridge, number)
    open_yet = state == "proposed"  # the answer is not final, and did not know this
    assert (told["clock_restarted"], shown["due_at"] > due_at) == (open_yet, open_yet)
    assert (shown["state"], shown["amount"]) == (("accepted", "20") if open_yet else (state, None))
    assert shown["events"][-1]["data"]["facts"] == {"amount": "20"}
    assert await agrees(bridge, number)


async def test_placeholders_of_facts_are_put_back(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("我的电话13800138000"))
    number = (await bridge.file(conversation_id=talk.id, phone="<PHONE_1>")).json()["ticket_no"]
    await says(bridge, number, facts={"staff_described": "电话<PHONE_1>的那位"})
    assert (await read(bridge, number))["staff_described"] == "电话13800138000的那位"


async def test_announced_material_is_a_promise_and_brought_material_restarts_the_clock(bridge: Bridge) -> None:
    first = (await bridge.file()).json()
    number = first["ticket_no"]
    later(bridge, days=2)
    announced = [(await says(bridge, number, key, evidence=True)).json() for key in ("turn-1", "turn-2")]
    assert [(told["clock_restarted"], told["due_at"]) for told in announced] == [(False, first["due_at"])] * 2
    assert (await read(bridge, number))["events"][-1]["data"]["evidence"] is True
    assert [(one["kind"], one["met_at"]) for one in (await read(bridge, number))["promises"]] == [("evidence", None)]
    brought = await done(bridge, number, "comment", "agent", text="收到转账截图", from_customer=True, evidence=True)
    assert (brought["clock_restarted"], brought["new_facts"]) == (True, ["evidence"])
    assert brought["due_at"] != first["due_at"]
    assert [one["met_at"] is not None for one in brought["promises"]] == [True]
