"""The same matter in other words, another matter in the same words, and how often that is told rightly."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from api.tickets.similarity import Matter, Reason, Verdict, compare
from tests.api.conftest import Bridge
from tests.api.test_staff import code
from tests.api.test_ticket_events import done
from tests.api.test_tickets import read

PAIRS: dict[str, list[dict[str, Any]]] = yaml.safe_load(Path(__file__).with_name("same_matter.yml").read_text())
STORY = "上午去取钱，窗口说要交班，让我等二十分钟，等了四十分钟也没人理。"
OTHER = "大堂的保安不让我停电动车，还动手推我。"


def matter(text: str = STORY, cause: str = "C5", **facts: Any) -> Matter:
    runner_up = facts.pop("runner_up", None)
    facts["phones"] = frozenset(facts.get("phones", ()))
    return Matter(cause, text, frozenset({runner_up} if runner_up else ()), **facts)


# Rules


@pytest.mark.parametrize(
    ("known", "told", "verdict"),
    [
        ({}, {}, "join"),
        ({}, {"text": "还是那件事"}, "join"),
        ({}, {"text": "请问有结果了吗"}, "join"),
        ({"text": "等了四十分钟", "branch": "YT001"}, {"text": "还有一句", "branch": "YT001"}, "join"),
        ({}, {"cause": "C3"}, "join"),
        ({"text": "交班让我等"}, {"text": "交班让我等", "cause": "C3"}, "related"),
        ({}, {"text": OTHER}, "apart"),
        ({"branch": "YT001"}, {"branch": "YT001", "text": OTHER}, "related"),
        ({"branch": "YT001"}, {"branch": "YT002"}, "related"),
        ({"product": "信用卡"}, {"product": "定期存款"}, "related"),
        ({"product": "贷款"}, {"product": "经营贷"}, "join"),
        ({"phones": "a"}, {"phones": "b"}, "related"),
        ({"phones": "a"}, {"phones": "ab"}, "join"),
        ({"amount": "20"}, {"amount": "200"}, "join"),
        (
            {"amount": "20", "event_time": "2026-11-01"},
            {"amount": "200", "event_time": "2026-11-20"},
            "related",
        ),
        ({"event_time": "2026-11-01"}, {"event_time": "2026-11-20T09:00"}, "related"),
        ({"event_time": "上周三"}, {"event_time": "2026-11-20"}, "join"),
        ({"cause": "C99"}, {"cause": "C99", "text": "还有一句"}, "related"),
        ({"text": "信用卡扣了我年费，客服说不能退。"}, {"text": "信用卡扣了我挂失费，客服说不能退。"}, "apart"),
        ({"amount": "20"}, {"amount": "20.00", "text": OTHER}, "related"),
    ],
    ids=[
        "the same words",
        "nothing of its own",
        "a question for the outcome",
        "one word more at the branch",
        "the same story under another guess",
        "a few words are no story under another guess",
        "another story of the same cause",
        "another story of the same cause at the branch",
        "another branch",
        "another product",
        "a product named more exactly",
        "another phone in the same conversation",
        "the same phone",
        "another amount alone is a new fact",
        "another amount on another day",
        "another day",
        "a day that cannot be compared",
        "an unknown cause says nothing",
        "one other word in few",
        "an amount alone is no matter",
    ],
)
def test_the_rules(known: dict[str, Any], told: dict[str, Any], verdict: str) -> None:
    assert compare(matter(**known), matter(**told)).verdict == verdict


def test_the_reasons_are_told_in_words() -> None:
    found = compare(matter(branch="YT001"), matter(branch="YT001"))
    assert [reason.label for reason in found.reasons] == ["原因相同", "网点相同", "叙述几乎一样"]
    assert all(reason.label for reason in Reason)


@pytest.mark.parametrize("text", ["", " ", "。。。", "\x00", "😡😡", "a" * 200_000, "等" * 20_000])
def test_any_text_is_compared(text: str) -> None:
    assert compare(matter(), matter(text)).verdict in Verdict


# How often it is right


def judged(part: str) -> Iterator[tuple[bool, Verdict]]:
    for pair in PAIRS[part]:
        known, told = (matter(**side) for side in (pair["old"], pair["new"]))
        yield pair["same"], compare(known, told).verdict


@pytest.mark.parametrize(("part", "least", "recall"), [("tuned", 120, 0.70), ("held_out", 24, 0.75)])
def test_joining_is_seldom_wrong(part: str, least: int, recall: float) -> None:
    pairs = list(judged(part))
    joined = [same for same, verdict in pairs if verdict is Verdict.JOIN]
    same = [verdict for same, verdict in pairs if same]
    assert len(pairs) >= least
    assert sum(joined) / len(joined) >= 0.98
    assert len([verdict for verdict in same if verdict is Verdict.JOIN]) / len(same) >= recall


@pytest.mark.parametrize("part", ["tuned", "held_out"])
def test_what_is_not_joined_is_suggested(part: str) -> None:
    """Of the pairs that are the same matter, joined and suggested together."""
    same = [verdict for same, verdict in judged(part) if same]
    assert sum(verdict is not Verdict.APART for verdict in same) / len(same) >= 0.95


# Filing


@pytest.fixture
async def first(bridge: Bridge) -> str:
    filed = await bridge.file(narrative_raw=STORY, branch="YT001")
    return str(filed.json()["ticket_no"])


async def test_in_other_words_it_joins(bridge: Bridge, first: str) -> None:
    again = await bridge.file(narrative_raw="就是窗口交班那个事，我干等了四十分钟没人理。", branch="YT001")
    assert (again.status_code, again.json()["ticket_no"]) == (200, first)


async def test_under_another_guess_it_joins(bridge: Bridge, first: str) -> None:
    again = await bridge.file(narrative_raw=STORY, branch="YT001", cause_l1="C3")
    assert (again.status_code, again.json()["ticket_no"]) == (200, first)


async def test_in_doubt_both_tickets_name_each_other(bridge: Bridge, first: str) -> None:
    second = (await bridge.file(narrative_raw=OTHER, branch="YT001")).json()
    assert second["merged"] is False
    for number, other in ((first, second["ticket_no"]), (second["ticket_no"], first)):
        (related,) = (await read(bridge, number))["related"]
        assert (related["ticket_no"], related["kind"], related["state"]) == (other, "similar", "new")
        assert related["reasons"] == ["原因相同", "网点相同", "叙述不同"]


async def test_of_several_the_most_alike_is_joined(bridge: Bridge, first: str) -> None:
    await bridge.file(narrative_raw=OTHER, branch="YT001")
    again = await bridge.file(narrative_raw="还是交班等了四十分钟没人理那个事，二十分钟都是骗人的", branch="YT001")
    assert again.json()["ticket_no"] == first


async def test_without_a_phone_the_conversation_is_the_key(bridge: Bridge) -> None:
    talk, other = await bridge.talk(), await bridge.talk()
    filed = [await bridge.file(narrative_raw=STORY, phone=None, conversation_id=one.id) for one in (talk, talk, other)]
    assert [answer.status_code for answer in filed] == [201, 200, 201]


async def test_two_people_in_one_conversation_keep_their_matters(bridge: Bridge) -> None:
    talk = await bridge.talk()
    phones = ("13900000001", "13900000002")
    filed = [await bridge.file(narrative_raw=STORY, phone=phone, conversation_id=talk.id) for phone in phones]
    assert [answer.status_code for answer in filed] == [201, 201]
    (related,) = (await read(bridge, filed[1].json()["ticket_no"]))["related"]
    assert "登记电话不同" in related["reasons"]


async def test_a_sealed_matter_is_not_named_in_an_open_one(bridge: Bridge, first: str) -> None:
    sealed = (await bridge.file(narrative_raw=STORY, branch="YT001", cause_l1="C8")).json()
    assert sealed["merged"] is False
    assert (await read(bridge, first))["related"] == []
    assert (await read(bridge, sealed["ticket_no"]))["related"] == []


async def test_what_has_ended_takes_nothing_more(bridge: Bridge, first: str) -> None:
    event = {"type": "withdraw", "reason": "已解决"}
    await bridge.http.post(f"/v1/tickets/{first}/events", json=event, headers=bridge.key())
    assert (await bridge.file(narrative_raw=STORY, branch="YT001")).status_code == 201
    assert (await read(bridge, first))["related"] == []


# Dismissing


async def dismissed(bridge: Bridge, number: str, other: str, role: str = "agent") -> httpx.Response:
    return await bridge.http.post(f"/v1/tickets/{number}/related/{other}/dismiss", headers=bridge.key(role))


@pytest.fixture
async def second(bridge: Bridge, first: str) -> str:
    """Suggested as related to the first."""
    return str((await bridge.file(narrative_raw=OTHER, branch="YT001")).json()["ticket_no"])


async def test_only_what_was_suggested_is_dismissed(bridge: Bridge, first: str) -> None:
    other = (await bridge.file(narrative_raw=STORY, phone="13900000009")).json()["ticket_no"]
    assert code(await dismissed(bridge, first, other)) == (404, "related_not_found")
    assert code(await dismissed(bridge, first, "TS2026010100001")) == (404, "related_not_found")
    assert code(await dismissed(bridge, "TS2026010100001", first)) == (404, "ticket_not_found")


async def test_those_complained_of_do_not_hide_what_else_there_is(bridge: Bridge, first: str, second: str) -> None:
    await done(bridge, second, "recuse", person="key:agent", reason="就是他")
    for pair in ((first, second), (second, first)):
        assert code(await dismissed(bridge, *pair)) == (409, "recused")


async def test_what_is_dismissed_is_suggested_in_neither_and_never_again(
    bridge: Bridge, first: str, second: str
) -> None:
    answer = await dismissed(bridge, first, second)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["ticket_no"], told["other_no"], told["dismissed_by"]) == (first, second, "key:agent")
    assert (await bridge.file(narrative_raw=OTHER, branch="YT001")).json()["ticket_no"] == second
    for number in (first, second):
        assert (await read(bridge, number))["related"] == []
    entries = (await bridge.http.get("/v1/audit", headers=bridge.key("auditor"))).json()["entries"]
    noted = [(one["subject"], one["who"]) for one in entries if one["action"] == "ticket.unrelate"]
    assert sorted(noted) == sorted([(first, "key:agent"), (second, "key:agent")])


async def test_the_first_who_dismisses_stays_named(bridge: Bridge, first: str, second: str) -> None:
    roles = ("agent", "supervisor", "handler")
    answers = await asyncio.gather(*(dismissed(bridge, second, first, role) for role in roles))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["dismissed_by"] for answer in answers}) == 1


async def test_what_was_split_off_is_no_suggestion(bridge: Bridge, first: str) -> None:
    assert (await bridge.file(narrative_raw=STORY, branch="YT001")).json()["merged"]
    entry = (await read(bridge, first))["events"][-1]["seq"]
    parent = await done(bridge, first, "split", reason="另一件事", entry=entry)
    assert code(await dismissed(bridge, first, parent["events"][-1]["data"]["ticket_no"])) == (404, "related_not_found")
