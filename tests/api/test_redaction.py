"""Personal numbers never reach the bot or the log, are never stored in the clear, and come back where they belong."""

import asyncio
import json
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from stdnum import luhn

from api.core.redaction import mask
from tests.api import stores
from tests.api.conftest import ROOT, Bridge
from tests.api.fake_bot import FakeBot, Server, answer
from tests.api.redis_server import free_port

PHONE = "13912345678"
CARD = "622202020011223344" + luhn.calc_check_digit("622202020011223344")
IDENTITY = "11010519491231002X"
NUMBERS = (PHONE, CARD, IDENTITY)

WAYS_TO_WRITE = {
    "phone": "我的电话13912345678请回电",
    "phone in groups": "电话139 1234 5678",
    "phone with dashes": "电话139-1234-5678",
    "phone with country code": "电话+86 13912345678",
    "phone full width": "电话１３９１２３４５６７８",
    "phone in Chinese digits": "电话幺三九一二三四五六七八",
    "landline": "座机010-66225588",
    "card": f"卡号{CARD}被吞了",
    "card in groups": "卡号" + " ".join(re.findall(".{1,4}", CARD)),
    "card full width": "卡号" + CARD.translate({ord(d): ord(d) + 0xFEE0 for d in "0123456789"}),
    "identity": f"身份证{IDENTITY}",
    "identity small x": f"身份证{IDENTITY.lower()}",
    "password": "密码是135790",
    "one-time code": "验证码：135790",
    "everything at once": f"我{PHONE}，卡{CARD}，身份证{IDENTITY}",
}

_ASCII = str.maketrans(
    {
        **{chr(ord(d) + 0xFEE0): d for d in "0123456789"},
        **dict(zip("零一二三四五六七八九幺", "01234567891", strict=True)),
    }
)


def digits(text: str) -> str:
    """Digits alone, however they are written."""
    return re.sub(r"[^\dX]", "", text.translate(_ASCII).upper())


@pytest.mark.parametrize("text", WAYS_TO_WRITE.values(), ids=WAYS_TO_WRITE)
async def test_the_bot_never_sees_a_personal_number(bridge: Bridge, text: str) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say(text))
    seen = digits(re.sub(r"<(?:PHONE|CARD|ID)_\d>", "", bridge.bot.turns[0]["text"]))
    assert seen == ""


async def test_placeholders_say_what_stood_there(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"我{PHONE}，卡{CARD}，身份证{IDENTITY}"))
    assert bridge.bot.turns[0]["text"] == "我<PHONE_1>，卡<CARD_1>，身份证<ID_1>"


async def test_the_same_number_keeps_its_placeholder(bridge: Bridge) -> None:
    talk = await bridge.talk()
    for text in (f"打{PHONE}", f"不是13700000000，是{PHONE}"):
        await talk.answered(await talk.say(text))
    assert [turn["text"] for turn in bridge.bot.turns] == ["打<PHONE_1>", "不是<PHONE_2>，是<PHONE_1>"]


@pytest.mark.parametrize(
    "text", ["扣了1234567.89元", "排队排到A108号", "2026年11月25日14:30", "密码错误3次", "等了30分钟"]
)
async def test_other_numbers_stay(bridge: Bridge, text: str) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say(text))
    assert bridge.bot.turns[0]["text"] == text


async def test_the_customer_reads_the_phone_again(bridge: Bridge) -> None:
    bridge.bot.respond = lambda turn: answer("我们会打<PHONE_1>联系您，<PHONE_9>不认识")
    talk = await bridge.talk()
    page = await talk.answered(await talk.say(PHONE))
    assert page["messages"][-1]["text"] == f"我们会打{PHONE}联系您，<PHONE_9>不认识"


async def test_a_card_is_kept_with_six_and_four_digits_only(bridge: Bridge) -> None:
    talk = await bridge.talk()
    page = await talk.answered(await talk.say(f"卡号{CARD}"))
    assert page["messages"][0]["text"] == f"卡号{CARD[:6]}{'*' * 9}{CARD[-4:]}"


async def test_a_password_is_not_kept(bridge: Bridge) -> None:
    talk = await bridge.talk()
    page = await talk.answered(await talk.say("密码是135790"))
    assert page["messages"][0]["text"] == "密码是[已删除]"


async def test_a_ticket_gets_the_values_behind_the_placeholders(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"我{PHONE}，卡{CARD}"))
    filed = await bridge.file(narrative_raw="我<PHONE_1>，卡<CARD_1>", phone="<PHONE_1>", conversation_id=talk.id)
    ticket = (await bridge.http.get(f"/v1/tickets/{filed.json()['ticket_no']}", headers=bridge.key())).json()
    assert (ticket["phone"], ticket["card_tail"]) == (PHONE, CARD[-4:])
    assert ticket["narrative_raw"] == f"我{PHONE}，卡{CARD[:6]}{'*' * 9}{CARD[-4:]}"


async def test_one_conversation_cannot_read_anothers_values(bridge: Bridge) -> None:
    bridge.bot.respond = lambda turn: answer("<PHONE_1>")
    other, mine = await bridge.talk(), await bridge.talk()
    await other.answered(await other.say(PHONE))
    page = await mine.answered(await mine.say("我的电话是<PHONE_1>"))
    assert PHONE not in str(page)


async def test_a_card_in_a_staff_comment_is_masked(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    event = {"type": "comment", "text": f"客户卡号{CARD}"}
    told = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("agent"))
    assert CARD not in told.text


async def test_understanding_masks_and_gives_back_the_original_place(bridge: Bridge) -> None:
    text = "请打１３９１２３４５６７８，城东让我等"
    body = {"items": [{"id": "a", "text": text}]}
    told = await bridge.http.post("/v1/understand", json=body, headers=bridge.key("agent"))
    entities = told.json()["items"][0]["entities"]
    assert bridge.bot.parsed[0]["text"] == "请打<PHONE_1>，城东让我等"
    assert (
        [text[e["start"] : e["end"]] for e in entities]
        == [e["text"] for e in entities]
        == ["１３９１２３４５６７８", "城东"]
    )


async def test_nothing_of_it_stands_in_the_files(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"我{PHONE}，卡{CARD}，身份证{IDENTITY}，柜员很凶"))
    await bridge.file(phone=PHONE, name="王小明", narrative_raw="柜员很凶")
    await bridge.stop()
    stored = stores.written(bridge.settings)
    assert len(stored) > 10_000
    for secret in (*NUMBERS, "王小明", "柜员很凶"):
        assert secret.encode() not in stored


async def test_the_logs_of_the_libraries_stay_clean_too(
    bridge: Bridge, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    bridge.bot.failures, bridge.bot.body = 1, f"broken by {PHONE}".encode()
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"我{PHONE}，卡{CARD}，身份证{IDENTITY}"))
    out, err = capfd.readouterr()
    assert "turn_failed" in out
    for number in NUMBERS:
        assert number not in out + err + caplog.text


async def test_the_log_of_the_process_names_nobody(redis_url: str, tmp_path: Path) -> None:
    """`python -m api` with its own logging, through everything that may go wrong."""
    bot = FakeBot()
    bot.failures, bot.body = 1, f"broken by {PHONE}".encode()
    server = Server(bot.app)
    bot_url, port = await server.start(), free_port()
    log = tmp_path / "api.log"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("TINGSU_")},
        "TINGSU_PORT": str(port),
        "TINGSU_DATA_DIR": str(tmp_path / "process"),
        "TINGSU_PLAYBOOK": str(ROOT / "playbook"),
        "TINGSU_BOT_URL": bot_url,
        "TINGSU_ACTIONS_URL": bot_url,
        "TINGSU_API_KEYS": "k:admin:the-key",
        "REDIS_URL": redis_url,
    }
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api", cwd=ROOT, env=environment, stdout=file, stderr=file
        )
    try:
        await _everything_that_may_be_logged(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        await process.wait()
        await server.stop()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"started", "turn_failed", "stopped"} <= {line["event"] for line in lines}
    for secret in (*NUMBERS, "王小明", "柜员很凶", "wrong-password"):
        assert secret not in log.read_text()


async def _everything_that_may_be_logged(url: str) -> None:
    words: dict[str, Any] = {"text": f"柜员很凶，我{PHONE}，卡{CARD}，身份证{IDENTITY}"}
    async with httpx.AsyncClient(base_url=url, timeout=15) as http:
        await _up(http)
        opened = (await http.post("/v1/conversations", json={"consent": True})).json()
        place = f"/v1/conversations/{opened['conversation_id']}/messages"
        token = {"Authorization": f"Bearer {opened['token']}"}
        await http.post(place, json={"client_id": "1", **words}, headers=token)
        await http.post(place, json={"client_id": 7, **words}, headers=token)
        await http.post(place, content=b"{" + words["text"].encode(), headers=token)
        await http.post("/v1/staff/login", json={"username": PHONE, "password": "wrong-password"})
        key = {"X-API-Key": "the-key", "Idempotency-Key": "1"}
        ticket = {"narrative_raw": words["text"], "name": "王小明", "phone": PHONE}
        assert (await http.post("/v1/tickets", json=ticket, headers=key)).status_code == 201
        await http.get("/v1/tickets", params={"q": PHONE}, headers=key)
        await http.get(f"/{PHONE}")
        async with asyncio.timeout(10):
            while len((await http.get(place, headers=token)).json()["messages"]) < 2:  # noqa: ASYNC110 - polls over HTTP
                await asyncio.sleep(0.05)


async def _up(http: httpx.AsyncClient) -> None:
    for _ in range(400):
        try:
            await http.get("/healthz")
        except httpx.ConnectError:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the bridge did not start")


def test_a_placeholder_that_somebody_typed_is_none() -> None:
    """Or it would read another person's number back."""
    assert mask("打<PHONE_1>找我", {"<PHONE_1>": "13800138000"}).text == "打‹PHONE_1>找我"
