"""A ticket full of words in every field, a talk, a file: when the person's data has ended, none of them is left anywhere."""

from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from api.tickets.search.models import search_tokens
from api.tickets.search.words import grams_of, hashed
from tests.api import stores
from tests.api.conftest import Bridge, Start
from tests.api.files.samples import pdf
from tests.api.receiver import eventually
from tests.api.test_privacy import YEARS, delete, event, everything, pass_time

STORY = "在城东支行取钱，柜员说交班让我等了一个小时"
PHONE, OTHER_PHONE = "13712340001", "13712340002"


class Seeds:
    """Words that nobody else says, each with the name of the place it was put."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {"phone": PHONE, "corrected phone": OTHER_PHONE}
        self._next = count(0x7300, 4)

    def __call__(self, place: str) -> str:
        first = next(self._next)
        word = self.words[place] = "".join(chr(first + number) for number in range(4))
        return word

    def left_in(self, kept: str | bytes) -> list[str]:
        if isinstance(kept, str):
            return [place for place, word in self.words.items() if word in kept or repr(word)[1:-1] in kept]
        escaped = {place: word.encode("unicode_escape") for place, word in self.words.items()}
        return [place for place, word in self.words.items() if word.encode() in kept or escaped[place] in kept]


async def talked(bridge: Bridge, seed: Seeds) -> Any:
    body = {"channel": "web", "consent": True, "metadata": {"page": seed("metadata of the conversation")}}
    talk = await bridge.talk()
    made = await bridge.http.post("/v1/conversations", json=body)
    assert made.status_code == 201, made.text
    talk.id, talk.token = made.json()["conversation_id"], made.json()["token"]
    await talk.answered(await talk.say(f"我叫{seed('said')}，电话{PHONE}"))
    return talk


async def filed(bridge: Bridge, seed: Seeds, conversation_id: str) -> str:
    lists = ("tags", "trigger_phrases", "special_group")
    names = (
        "name", "summary", "branch_name", "event_time", "event_time_text", "product", "customer_quote", "staff_described",
    )  # fmt: skip
    body: dict[str, Any] = {name: seed(name) for name in names} | {name: [seed(name)] for name in lists}
    told = {"narrative_raw": f"{STORY}{seed('narrative_raw')}", "phone": PHONE, "cause_l1": "C5", "card_tail": "3446"}
    number = (await bridge.file(**body, **told, conversation_id=conversation_id)).json()["ticket_no"]
    again = {"narrative_raw": f"{STORY}{seed('told again')}", "staff_described": seed("new fact"), "phone": PHONE}
    assert (await bridge.file(**again, cause_l1="C5", product=body["product"], branch_name=body["branch_name"])).json()[
        "ticket_no"
    ] == number
    return str(number)


async def handled(bridge: Bridge, seed: Seeds, number: str) -> None:
    """Every kind of entry with words of somebody's in it, to the end."""
    await event(bridge, number, type="correct", fields={"name": seed("corrected name"), "phone": OTHER_PHONE})
    await event(bridge, number, type="recuse", unit="网点负责人", reason=seed("reason of a recusal"))
    await event(bridge, number, type="accept")
    await event(bridge, number, type="comment", text=seed("comment"))
    await event(bridge, number, type="comment", text=seed("customer's comment"), from_customer=True)
    await event(bridge, number, type="contact", text=seed("contact"), notice=seed("notice of a contact"))
    await event(bridge, number, type="urge", text=seed("urge"), from_customer=True)
    await event(bridge, number, type="classify", complexity="complex", reason=seed("reason of a class"))
    await event(
        bridge, number, type="extend", days=5, approver="行长", reason=seed("reason of an extension"),
        notice=seed("notice of an extension"), customer_notified=True,
    )  # fmt: skip
    await event(bridge, number, type="investigate")
    await event(bridge, number, type="wait", reason=seed("awaited"), **{"for": "customer"})
    await event(bridge, number, type="resume", reason=seed("reason of going on"))
    answer = {"root_cause": seed("root cause"), "corrective_action": seed("corrective action")}
    await event(bridge, number, type="resolve", outcome="道歉", text=seed("answer"), **answer)
    await event(bridge, number, type="close", text=seed("closing words"))
    await event(bridge, number, type="reopen", reason=seed("reason of opening again"))
    await event(bridge, number, type="resolve", outcome="道歉", text=seed("second answer"), **answer)
    await event(bridge, number, type="close", text=seed("last words"))


async def asked_about(bridge: Bridge, seed: Seeds, number: str, talk: Any) -> None:
    """What goes beside the thread: files, a rating, a withdrawal, a hold, a look-up."""
    content = pdf(b"<< /Title (" + seed("content of a file").encode("utf-8") + b") >>")
    files = {"file": (f"{seed('name of a file')}.pdf", content)}
    url = f"/v1/tickets/{number}/attachments"
    assert (await bridge.http.post(url, files=files, headers=bridge.key("supervisor"))).status_code == 201
    for what, body in (
        ("satisfaction", {"score": 2, "resolved": False, "comment": seed("comment of a rating")}),
        ("consent/withdraw", {"reason": seed("reason of a withdrawal")}),
    ):
        told = await bridge.http.post(f"/v1/conversations/{talk.id}/{what}", json=body, headers=talk.headers)
        assert told.status_code < 300, told.text
    hold = {"ticket_no": number, "reason": "诉讼"}
    assert (await bridge.http.post("/v1/privacy/holds", json=hold, headers=bridge.key())).status_code == 201
    assert (await bridge.http.delete(f"/v1/privacy/holds/{number}", headers=bridge.key())).status_code == 204
    for q in (PHONE, seed.words["name"], seed.words["narrative_raw"]):
        assert (await bridge.http.get("/v1/tickets", params={"q": q}, headers=bridge.key())).status_code == 200


async def in_redis(bridge: Bridge) -> str:
    client, kept = bridge.app.state.context.redis.client, ""
    for key in await client.keys("*"):
        kept += f"{key!r}{await client.dump(key)!r}"
        if await client.type(key) == b"stream":
            kept += str(
                [{name: value.decode() for name, value in fields.items()} for _, fields in await client.xrange(key)]
            )
    return kept


def found_by(connection: Any, seed: Seeds, keys: dict[int, bytes]) -> list[str]:
    """Seeds of which a keyed hash is still in the search index."""
    hashes = {
        place: set().union(*(hashed(key, grams_of([word])) for key in keys.values()))
        for place, word in seed.words.items()
    }
    kept: set[int] = set().union(*(row.tokens for row in connection.execute(search_tokens.select())))
    if connection.dialect.name == "sqlite":
        for numbers in hashes.values():
            for number in numbers:
                query = text("SELECT count(*) FROM search_fts WHERE search_fts MATCH :word")
                if connection.execute(query, {"word": f"{number & 0xFFFFFFFF:08x}"}).scalar_one():
                    kept.add(number)
    return [place for place, numbers in hashes.items() if numbers & kept]


async def test_nothing_of_a_person_is_left_anywhere(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.tickets.evidence.upkeep._GRACE", -1.0)
    bridge: Bridge = await start(handoff_stream_personal="full")
    seed, ctx = Seeds(), bridge.app.state.context
    talk = await talked(bridge, seed)
    number = await filed(bridge, seed, talk.id)
    await handled(bridge, seed, number)
    await asked_about(bridge, seed, number, talk)
    index = ctx.cipher.blind_index(OTHER_PHONE)
    assert index in await everything(bridge)
    assert {"name", "comment", "reason of an extension"} <= set(
        await ctx.db.read(lambda c: found_by(c, seed, ctx.cipher.search_keys))
    )
    assert "comment" in seed.left_in(await in_redis(bridge))
    addresses = [path for path in (bridge.settings.data_dir / "evidence").rglob("*") if path.is_file()]
    assert len(addresses) == 1

    pass_time(bridge, YEARS)
    assert (await delete(bridge, phone=OTHER_PHONE))["removed"] == [number]

    assert seed.left_in(await everything(bridge)) == []
    assert index not in await everything(bridge)
    assert await ctx.db.read(lambda c: found_by(c, seed, ctx.cipher.search_keys)) == []
    assert [path for path in addresses if path.exists()] == []

    async def redis_is_clean() -> bool:
        return seed.left_in(await in_redis(bridge)) == []

    await eventually(redis_is_clean)
    await bridge.stop()
    assert seed.left_in(stores.written(bridge.settings)) == []
