"""What only PostgreSQL can do: several processes of one bank on one database, and a server that goes away and comes back."""

import asyncio
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.api.conftest import Bridge, Start, Talk
from tests.api.fake_bot import answer
from tests.api.stores import Store
from tests.api.test_handing import taken_at_once, with_people
from tests.api.test_life import once_each
from tests.api.test_stream import numbers

pytestmark = pytest.mark.only_on("postgresql", reason="SQLite is for one process")


@pytest.fixture
async def two(start: Start) -> tuple[Bridge, Bridge]:
    """Two bridges on one database and one Redis, started at the same moment."""
    first, second = await asyncio.gather(start(), start())
    return first, second


def texts(page: dict[str, Any], role: str) -> list[str]:
    return [message["text"] for message in page["messages"] if message["role"] == role]


async def test_a_database_that_was_away_is_found_again(bridge: Bridge, store: Store) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("第一句"))
    with psycopg.connect(f"{store.server}/postgres", autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (store.name,))
    page = await talk.answered(await talk.say("第二句"))
    assert texts(page, "bot") == ["收到：第一句", "收到：第二句"]


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
    assert texts(page, "bot") == ["我在"]


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


async def test_two_processes_give_nobody_more_than_they_can_take(start: Start, tmp_path: Path) -> None:
    playbook = with_people(tmp_path)
    first, second = await asyncio.gather(start(playbook=playbook), start(playbook=playbook))
    await taken_at_once((first, second))
