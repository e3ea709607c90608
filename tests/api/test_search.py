"""Words of two characters and more are found in everything that was told, on both databases, and nothing else is shown."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, select, text

from api.commands import reindex
from api.core.keyring import with_new_key, write_file
from api.tickets.models import tickets
from api.tickets.privacy import repository as privacy
from api.tickets.search import repository as search
from api.tickets.search.models import search_tokens
from api.tickets.search.upkeep import keep_up
from api.tickets.search.words import SearchTooShortError, grams_of, normalised, wanted
from tests.api.conftest import Bridge, Start

_PHONES = (f"139{number:08}" for number in range(10**8))


async def filed(bridge: Bridge, narrative: str, **more: Any) -> str:
    body = {"phone": next(_PHONES), "narrative_raw": narrative, **more}
    return str((await bridge.file(**body)).json()["ticket_no"])


async def page(bridge: Bridge, q: str, role: str = "admin", **more: Any) -> dict[str, Any]:
    answer = await bridge.http.get("/v1/tickets", params={"q": q, **more}, headers=bridge.key(role))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def found(bridge: Bridge, q: str, role: str = "admin", **more: Any) -> list[str]:
    return [ticket["ticket_no"] for ticket in (await page(bridge, q, role, **more))["tickets"]]


async def happens(bridge: Bridge, number: str, role: str = "supervisor", **event: Any) -> None:
    answer = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key(role))
    assert answer.status_code == 201, answer.text


# Words


@pytest.mark.parametrize("query", ["卡", "卡 钱", "，。！", "　", "%", "\u200b卡"])
def test_less_than_two_characters_is_refused(query: str) -> None:
    with pytest.raises(SearchTooShortError):
        wanted(query)


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("櫃員", "柜员态度差"),
        ("柜员", "櫃員態度差"),
        ("ＡＴＭ吞卡", "atm吞卡了"),
        ("atm", "ＡＴＭ机吞卡"),
        ("交班", "柜员说交 班让我等"),
        ("交班", "柜员说交\u200b班让我等"),
        ("2000元", "少了２０００元"),
        ("1234", "卡号是6222021234561234的卡"),
        ("yt0", "在YT002办的"),
        ("3号", "3号窗口"),
        ("𠮷野", "𠮷野家门口"),
        ("交班 柜员", "柜员说交班"),
    ],
)
def test_one_spelling(typed: str, stored: str) -> None:
    assert wanted(typed).grams <= grams_of([stored])
    assert not wanted(typed).missing_in([stored])


@given(st.text(max_size=40), st.data())
def test_every_part_of_a_text_with_something_to_ask_for_is_found(told: str, data: st.DataObject) -> None:
    """Of Chinese any part; codes have a beginning and an end of their own (the test above)."""
    told = "".join(char for char in told if not char.isascii() and normalised(char) == char)
    start = data.draw(st.integers(0, len(told)))
    part = told[start : data.draw(st.integers(start, len(told)))]
    try:
        asked = wanted(part)
    except SearchTooShortError:
        return
    assert asked.grams <= grams_of([told])


# Over HTTP


async def test_a_single_character_is_told_what_to_do(bridge: Bridge) -> None:
    refused = await bridge.http.get("/v1/tickets", params={"q": "卡"}, headers=bridge.key())
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "search_too_short")
    assert "两个" in refused.json()["error"]["message"]


async def test_what_was_told_is_found(bridge: Bridge) -> None:
    number = await filed(
        bridge, "理财经理没有告诉我会亏本", name="欧阳女士", branch="YT002", branch_name="城东支行", product="添利宝"
    )
    await filed(bridge, "存款利率和说的不一样")
    for q in (
        "理财",
        "亏本",
        "没有告诉我",
        "欧阳",
        "城东",
        "添利",
        "YT002",
        "yt00",
        number,
        number[-5:],
        "理财 城东",
        "網點負責人",
    ):
        if q != "網點負責人":
            assert await found(bridge, q) == [number], q
    assert len(await found(bridge, "網點負責人")) == 2
    assert await found(bridge, "亏钱") == []


async def test_pairs_that_stand_apart_are_no_word(bridge: Bridge) -> None:
    """理财 and 财经 and 经理 stand in it, 理财经理 does not."""
    await filed(bridge, "理财是财经新闻里的，经理不在")
    assert await found(bridge, "理财经理") == []
    number = await filed(bridge, "理财经理不在")
    assert await found(bridge, "理财经理") == [number]


async def test_the_thread_is_found_and_corrections_are(bridge: Bridge) -> None:
    number = await filed(bridge, "柜员让我等")
    await happens(bridge, number, type="accept")
    await happens(bridge, number, type="comment", text="已调取监控录像")
    await happens(bridge, number, type="correct", fields={"branch_name": "城西支行"})
    for q in ("监控", "城西", "录像 柜员"):
        assert await found(bridge, q) == [number], q


async def test_joined_words_are_found(bridge: Bridge) -> None:
    number = await filed(bridge, "柜员说交班让我等", phone="13700000001")
    again = await bridge.file(phone="13700000001", staff_described="推销保险的高个子")
    assert again.json()["ticket_no"] == number
    assert await found(bridge, "推销保险") == [number]


async def test_the_seal_holds_in_searches(bridge: Bridge) -> None:
    number = await filed(bridge, "客户经理收了红包", cause_l1="C8")
    assert await found(bridge, "红包", "admin") == [number]
    assert await found(bridge, "红包", "agent") == []


async def test_filters_and_words_together(bridge: Bridge) -> None:
    await filed(bridge, "贷款利率太高", level=1)
    angry = await filed(bridge, "贷款利率太高了我要上访", level=3)
    assert await found(bridge, "利率", level_min=3) == [angry]


@pytest.mark.parametrize("span", [1, 4, 8192])  # PostgreSQL: how far each look reaches must not show
async def test_pages_hold_every_hit_once_the_newest_first(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch, span: int
) -> None:
    monkeypatch.setattr(search, "_SPAN", span)
    numbers = []
    for n in range(12):
        numbers.append(await filed(bridge, f"信用卡年费第{n}次{'，真的' if n % 3 else ''}"))
        await filed(bridge, "利率")
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        got = await page(bridge, "年费", limit=5, **cursor)
        seen += [ticket["ticket_no"] for ticket in got["tickets"]]
        if got["next_cursor"] is None:
            break
        cursor = {"cursor": got["next_cursor"]}
    assert seen == numbers[::-1]


async def test_a_hit_far_behind_many_near_misses_is_reached_by_cursors(bridge: Bridge) -> None:
    number = await filed(bridge, "理财经理不在")
    for _ in range(30):
        await filed(bridge, "理财是财经新闻里的，经理不在")
    seen, cursor, pages = [], {}, 0
    while True:
        got = await page(bridge, "理财经理", limit=1, **cursor)
        seen += [ticket["ticket_no"] for ticket in got["tickets"]]
        pages += 1
        if got["next_cursor"] is None:
            break
        cursor = {"cursor": got["next_cursor"]}
    assert seen == [number]
    assert pages > 1


async def test_an_export_has_what_the_search_finds(bridge: Bridge) -> None:
    number = await filed(bridge, "理财经理不在")
    await filed(bridge, "理财是财经新闻里的，经理不在")
    answer = await bridge.http.get("/v1/tickets/export", params={"q": "理财经理"}, headers=bridge.key())
    assert [line for line in answer.text.splitlines()[1:] if line] == [
        line for line in answer.text.splitlines() if number in line
    ]


async def test_a_ticket_that_was_not_kept_is_not_found(bridge: Bridge) -> None:
    """The index is part of the same transaction."""
    ctx = bridge.app.state.context
    number = await filed(bridge, "柜员让我等")

    def fail(connection: Connection) -> None:
        search.index(connection, number, ["绝密词语"])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await asyncio.gather(ctx.db.write(fail), ctx.db.ping())
    assert await found(bridge, "绝密") == []


# At rest


def tokens(connection: Connection) -> Iterator[set[int]]:
    return iter(connection.scalars(select(search_tokens.c.tokens)).all())


async def test_no_word_lies_in_the_index(bridge: Bridge) -> None:
    await filed(bridge, "理财经理不在")
    ctx = bridge.app.state.context
    kept = await ctx.db.read(lambda connection: next(tokens(connection)))
    assert len(kept) > 5
    if ctx.db.is_sqlite:
        await bridge.stop()
        raw = b"".join(path.read_bytes() for path in bridge.settings.data_dir.glob("tingsu.sqlite3*"))
        assert "理财".encode() not in raw


async def test_what_was_removed_is_not_found(bridge: Bridge) -> None:
    number = await filed(bridge, "理财经理不在")
    other = await filed(bridge, "理财产品亏了")
    ctx = bridge.app.state.context

    def remove(connection: Connection) -> None:
        mine = connection.execute(select(tickets.c.id).where(tickets.c.ticket_no == number)).scalar_one()
        search.remove(connection, mine)
        search.remove(connection, mine)

    await ctx.db.write(remove)
    assert await found(bridge, "理财") == [other]
    if ctx.db.is_sqlite:
        check = "INSERT INTO search_fts(search_fts) VALUES ('integrity-check')"
        await ctx.db.write(lambda connection: connection.execute(text(check)))


async def test_what_was_anonymised_is_not_found(bridge: Bridge) -> None:
    number = await filed(bridge, "理财经理不在", name="欧阳女士", branch="YT002")
    await happens(bridge, number, type="comment", text="已调取监控录像")
    ctx = bridge.app.state.context

    def end(connection: Connection) -> None:
        row = connection.execute(select(tickets).where(tickets.c.ticket_no == number)).one()
        privacy.anonymise(connection, row, ctx.clock.now())

    await ctx.db.write(end)
    assert [await found(bridge, q) for q in ("理财", "欧阳", "监控", "YT002")] == [[], [], [], [number]]


async def test_the_index_grows_again_from_nothing(bridge: Bridge) -> None:
    """As after an upgrade, or after a process of the version before has filed tickets."""
    number = await filed(bridge, "理财经理不在")
    await happens(bridge, number, type="comment", text="已调取监控录像")
    ctx = bridge.app.state.context
    await ctx.db.write(search.forget_all)
    assert await found(bridge, "理财") == []
    assert await keep_up(ctx.db) == 1
    assert (await found(bridge, "理财"), await found(bridge, "监控")) == ([number], [number])
    assert await keep_up(ctx.db) == 0


async def test_a_changed_key_finds_old_and_new(bridge: Bridge) -> None:
    old = await filed(bridge, "理财经理不在")
    settings = bridge.settings
    write_file(settings.key_file, with_new_key(settings.key_ring()))
    ctx = bridge.app.state.context
    ctx.cipher._fresh(at_once=True)
    new = await filed(bridge, "理财产品亏了")
    assert await found(bridge, "理财") == [new, old]
    await happens(bridge, old, type="comment", text="已调取监控录像")
    assert await keep_up(ctx.db) == 0  # the comment has moved the old one to the new key
    assert (await found(bridge, "经理"), await found(bridge, "监控")) == ([old], [old])


async def test_the_command(bridge: Bridge, start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    number = await filed(bridge, "理财经理不在")
    ctx = bridge.app.state.context
    await ctx.db.write(lambda connection: connection.execute(delete(search_tokens)))
    if ctx.db.is_sqlite:
        assert await asyncio.to_thread(reindex.main, [], bridge.settings) == 1
        assert "正在运行" in capsys.readouterr().err
    await bridge.stop()
    assert await asyncio.to_thread(reindex.main, ["--all"], bridge.settings) == 0
    assert "处理了 1 张" in capsys.readouterr().out
    assert await found(await start(), "理财") == [number]
