"""The same bridge on PostgreSQL, alone and as two processes of one bank would run it."""

import asyncio
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from api.dialogue.commit import NOTICE
from tests.api.conftest import Bridge, Start, Talk
from tests.api.fake_bot import answer
from tests.api.postgres import postgres, why_not
from tests.api.test_life import contradict, once_each
from tests.api.test_stream import numbers
from tests.api.test_tickets import WHOLE_DRAFT

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as address:
        yield address


@pytest.fixture
def database(server: str) -> str:
    """An empty database of the test's own."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture
async def bridge(start: Start, database: str) -> Bridge:
    started: Bridge = await start(database_url=database)
    return started


@pytest.fixture
async def two(start: Start, database: str) -> tuple[Bridge, Bridge]:
    """Two bridges on one database and one Redis, started at the same moment."""
    first, second = await asyncio.gather(start(database_url=database), start(database_url=database))
    return first, second


def texts(page: dict[str, Any], role: str) -> list[str]:
    return [message["text"] for message in page["messages"] if message["role"] == role]


# Alone


async def test_a_message_is_answered_and_pushed(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("柜员说交班让我等会再来"))
    events = await talk.events(lambda found: len(found) >= 3)
    assert [(name, number) for name, number, _ in events] == [("message", 1), ("message", 2), ("owner", None)]


async def test_a_ticket_is_filed_and_read(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key("handler"))).json()
    assert (ticket["narrative_raw"], ticket["route"]) == ("柜员说交班让我等", "网点负责人")


async def test_it_is_ready(bridge: Bridge) -> None:
    checks = (await bridge.http.get("/readyz")).json()["checks"]
    assert checks["database"] == {"status": "ok", "kind": "postgresql"}


async def test_messages_at_the_same_moment_are_none_of_them_dropped(bridge: Bridge) -> None:
    talk, said = await bridge.talk(), [f"第{number}句" for number in range(10)]
    seqs = await asyncio.gather(*(talk.say(text) for text in said))
    page = await talk.answered(max(seqs))
    asked = [line for turn in bridge.bot.turns for line in turn["text"].split("\n")]
    assert sorted(seqs) == [message["seq"] for message in page["messages"] if message["role"] == "customer"]
    assert asked == texts(page, "customer")
    assert sorted(asked) == sorted(said)


async def test_the_same_client_id_at_the_same_moment_is_stored_once(bridge: Bridge) -> None:
    talk = await bridge.talk()
    seqs = await asyncio.gather(*(talk.say("柜员让我等", client_id="same") for _ in range(8)))
    assert len(set(seqs)) == 1
    assert texts(await talk.answered(seqs[0]), "customer") == ["柜员让我等"]


async def test_the_same_ticket_key_at_the_same_moment_is_one_ticket(bridge: Bridge) -> None:
    answers = await asyncio.gather(*(bridge.file(key="k-1") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["ticket_no"] for answer in answers}) == 1


async def test_the_same_key_with_another_body_is_a_conflict(bridge: Bridge) -> None:
    await bridge.file(key="k-1")
    assert (await bridge.file(key="k-1", narrative_raw="另一件事")).status_code == 409


async def test_the_same_matter_at_the_same_moment_is_one_ticket(bridge: Bridge) -> None:
    answers = await asyncio.gather(*(bridge.file() for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["ticket_no"] for answer in answers}) == 1


async def test_new_facts_at_the_same_moment_are_new_once(bridge: Bridge) -> None:
    await bridge.file()
    answers = await asyncio.gather(*(bridge.file(amount="20.00") for _ in range(6)))
    assert sorted(answer.json()["clock_restarted"] for answer in answers) == [False] * 5 + [True]


async def test_the_life_of_a_whole_draft(bridge: Bridge) -> None:
    talk = await bridge.talk()
    filed = await bridge.file(**WHOLE_DRAFT, conversation_id=talk.id, callback_wanted=True)
    number, address = filed.json()["ticket_no"], f"/v1/tickets/{filed.json()['ticket_no']}/events"
    told = {"text": "补充", "from_customer": True, "facts": {"amount": "20.00"}, "evidence": True}
    for role, event in (
        ("bot", {"type": "comment", **told}),
        ("bot", {"type": "urge"}),
        ("handler", {"type": "accept"}),
        ("handler", {"type": "contact", "text": "已联系"}),
        ("handler", {"type": "resolve", "outcome": "道歉"}),
        ("handler", {"type": "close"}),
        ("bot", {"type": "review", "text": "不满意"}),
    ):
        headers = bridge.internal if role == "bot" else bridge.key(role)
        answer = await bridge.http.post(address, json=event, headers=headers)
        assert answer.status_code == 201, answer.text
    rating = {"score": 4, "resolved": True}
    await bridge.http.post(f"/v1/conversations/{talk.id}/satisfaction", json=rating, headers=talk.headers)
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert (ticket["state"], ticket["urged_count"], ticket["satisfaction"]["score"]) == ("accepted", 1, 4)
    assert [promise["kind"] for promise in ticket["promises"]] == ["callback", "evidence", "review"]
    assert [message["asks"] for message in (await talk.history())["messages"]] == ["satisfaction"]


async def test_a_tip_keeps_to_itself(bridge: Bridge) -> None:
    answers = [await bridge.file(nature=nature) for nature in ("投诉", "举报", "表扬", "咨询")]
    assert [answer.status_code for answer in answers] == [201, 201, 201, 200]


async def test_tickets_at_the_same_moment_get_numbers_of_their_own(bridge: Bridge) -> None:
    answers = await asyncio.gather(*(bridge.file(phone=f"1390000{n:04}") for n in range(20)))
    assert len({answer.json()["ticket_no"] for answer in answers}) == 20


async def test_the_same_event_key_at_the_same_moment_happens_once(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    headers = {**bridge.internal, "Idempotency-Key": "turn-1"}
    event = {"type": "comment", "text": "补充：下午三点"}
    address = f"/v1/tickets/{number}/events"
    answers = await asyncio.gather(*(bridge.http.post(address, json=event, headers=headers) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    ticket = (await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key())).json()
    assert [entry["type"] for entry in ticket["events"]] == ["create", "comment"]


async def test_a_branch_is_created_once_by_two_at_the_same_moment(bridge: Bridge) -> None:
    body = {"name": "城东支行", "hours": [{"days": "1-5", "open": "09:00", "close": "17:00"}]}
    put = [bridge.http.put("/v1/branches/YT900", json=body, headers=bridge.key()) for _ in range(6)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*put)) == [200] * 5 + [201]


async def test_filters_find_what_they_should(bridge: Bridge) -> None:
    east = (await bridge.file(phone="13900000001", branch="YT002", branch_name="城东支行")).json()["ticket_no"]
    await bridge.file(phone="13900000002", level=3)
    for filters in (
        {"q": "城东"},
        {"q": "13900000001"},
        {"route": "网点负责人"},
        {"overdue": "false", "cause": "C5", "q": "YT002"},
    ):
        page = (await bridge.http.get("/v1/tickets", params=filters, headers=bridge.key())).json()
        assert [ticket["ticket_no"] for ticket in page["tickets"]] == [east]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/tickets", {"narrative_raw": "x", "branch": "a\x00b"}),
        ("GET", "/v1/tickets?q=%00", None),
        ("GET", "/v1/tickets/TS%00", None),
        ("POST", "/v1/staff/login", {"username": "a\x00b", "password": "x"}),
    ],
    ids=["ticket", "search", "number", "login"],
)
async def test_a_nul_character_is_refused(bridge: Bridge, method: str, path: str, body: Any) -> None:
    headers = {**bridge.key(), "Idempotency-Key": "k-1"}
    refused = await bridge.http.request(method, path, json=body, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "invalid_request")


async def test_a_nul_character_in_a_message_is_kept(bridge: Bridge) -> None:
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("a\x00b"))
    assert texts(page, "customer") == ["a\x00b"]


async def test_a_nul_character_in_a_client_id_is_refused(bridge: Bridge) -> None:
    talk = await bridge.talk()
    assert (await talk.post(text="好", client_id="a\x00b")).status_code == 422


async def test_a_database_that_was_away_is_found_again(bridge: Bridge, server: str, database: str) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("第一句"))
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database.rpartition("/")[2],)
        )
    page = await talk.answered(await talk.say("第二句"))
    assert texts(page, "bot") == ["收到：第一句", "收到：第二句"]


# Two processes


async def test_a_message_to_one_is_pushed_by_the_other(two: tuple[Bridge, Bridge]) -> None:
    first, second = two
    talk = await first.talk()
    elsewhere = Talk(second.http, talk.id, talk.token)
    reading = asyncio.create_task(elsewhere.events(lambda found: len(numbers(found)) == 4))
    for text in ("第一句", "第二句"):
        await talk.answered(await talk.say(text))
    assert numbers(await reading) == [1, 2, 3, 4]


async def test_two_processes_have_one_turn_at_a_time(two: tuple[Bridge, Bridge]) -> None:
    first, second = two
    first.bot.delay = 0.03
    talk = await first.talk()
    elsewhere = Talk(second.http, talk.id, talk.token)
    said = [f"第{number}句" for number in range(10)]
    seqs = await asyncio.gather(*((talk, elsewhere)[n % 2].say(text) for n, text in enumerate(said)))
    page = await talk.answered(max(seqs))
    asked = [line for turn in first.bot.turns for line in turn["text"].split("\n")]
    assert first.bot.most_running == {talk.id: 1}
    assert asked == texts(page, "customer")
    assert sorted(asked) == sorted(said)


async def test_what_one_left_undone_is_done_by_the_other(two: tuple[Bridge, Bridge]) -> None:
    first, second = two
    first.bot.respond = lambda turn: answer("我在") if len(first.bot.turns) > 1 else answer()
    talk = await first.talk()
    await talk.say("交班让我等")
    await first.stop()
    page = await Talk(second.http, talk.id, talk.token).until(lambda page: texts(page, "bot") != [])
    assert [text for text in texts(page, "bot") if text != NOTICE] == ["我在"]


async def test_a_branch_changed_at_one_is_known_at_the_other(two: tuple[Bridge, Bridge]) -> None:
    first, second = two
    body = {"name": "城东支行", "hours": [{"days": "1-5", "open": "09:00", "close": "17:00"}]}
    version = (await first.http.put("/v1/branches/YT900", json=body, headers=first.key())).json()["version"]
    talk = await second.talk()
    await talk.answered(await talk.say("城东支行几点开门"))
    assert second.bot.turns[-1]["branches_version"] == version


async def test_a_login_at_one_counts_at_the_other(two: tuple[Bridge, Bridge]) -> None:
    first, second = two
    await first.http.post("/v1/staff/login", json={"username": "admin", "password": "correct-horse-battery"})
    second.http.cookies = first.http.cookies
    assert (await second.http.get("/v1/staff/me")).status_code == 200


async def test_clicks_at_the_same_moment_count_once_in_two_processes(two: tuple[Bridge, Bridge]) -> None:
    await once_each(two, (await two[0].file()).json()["ticket_no"])


async def test_a_row_that_contradicts_its_state_is_not_kept(bridge: Bridge) -> None:
    await contradict(bridge, (await bridge.file()).json()["ticket_no"], {"state": "closed_resolved"})
