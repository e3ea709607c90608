"""Personal data through its life: consent, retention, what a person may ask for, and its end. Nothing of it stands anywhere in clear."""

import asyncio
import io
import json
import zipfile
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from api.commands import anonymise
from api.core.clock import BEIJING
from api.core.models import metadata
from api.tickets.lifecycle import state_of
from api.tickets.models import ticket_events, tickets
from api.tickets.privacy.keepers import Keeper, Subject
from contract.playbook_loader import load_playbook
from contract.privacy import Consent, Period, Retention
from tests.api import stores
from tests.api.conftest import ROOT, Bridge, Start
from tests.api.files.samples import pdf

PHONE, OTHER = "13912345678", "13800138000"
YEARS = timedelta(days=3 * 366)
REASON = "客户书面要求"


def pass_time(bridge: Bridge, time: timedelta) -> None:
    bridge.app.state.context.clock._offset += time


async def event(bridge: Bridge, number: str, **body: Any) -> dict[str, Any]:
    told = await bridge.http.post(f"/v1/tickets/{number}/events", json=body, headers=bridge.key("supervisor"))
    assert told.status_code == 201, told.text
    return dict(told.json())


async def closed(bridge: Bridge, **body: Any) -> str:
    """A ticket that was handled to its end."""
    number: str = (await bridge.file(**body)).json()["ticket_no"]
    await event(bridge, number, type="accept")
    await event(bridge, number, type="comment", text="联系客户王小明核实")
    await event(
        bridge,
        number,
        type="resolve",
        outcome="道歉",
        root_cause="柜员李四未解释",
        corrective_action="约谈李四",
        text="已道歉",
    )
    await event(bridge, number, type="close", text="王小明表示满意")
    return number


async def ask(bridge: Bridge, what: str, role: str = "admin", **body: Any) -> Any:
    return await bridge.http.post(f"/v1/privacy/{what}", json={"reason": REASON, **body}, headers=bridge.key(role))


async def delete(bridge: Bridge, **body: Any) -> dict[str, Any]:
    told = await ask(bridge, "deletions", confirm="删除", **body)
    assert told.status_code == 200, told.text
    return dict(told.json())


async def exported(bridge: Bridge, **body: Any) -> dict[str, Any]:
    told = await ask(bridge, "exports", **body)
    assert told.status_code == 200, told.text
    with zipfile.ZipFile(io.BytesIO(told.content)) as archive:
        return dict(json.loads(archive.read("个人信息.json")))


async def detail(bridge: Bridge, number: str, role: str = "admin") -> Any:
    return await bridge.http.get(f"/v1/tickets/{number}", headers=bridge.key(role))


async def ending(bridge: Bridge, **more: Any) -> Any:
    return await bridge.app.state.persons.ending.run(**more)


async def everything(bridge: Bridge) -> str:
    """All tables as their owner reads them, decrypted: what is in here is still there."""

    def read(connection: Any) -> str:
        return "\n".join(str(row) for table in metadata.sorted_tables for row in connection.execute(table.select()))

    found: str = await bridge.app.state.context.db.read(read)
    return found


# Refusals


@pytest.mark.parametrize("what", ["exports", "deletions", "holds"])
@pytest.mark.parametrize("role", ["agent", "supervisor", "handler"])
async def test_only_administrators_and_auditors_decide(bridge: Bridge, what: str, role: str) -> None:
    assert (await ask(bridge, what, role, phone=PHONE)).status_code == 403


async def test_nobody_decides_without_a_login(bridge: Bridge) -> None:
    for what in ("exports", "deletions", "holds"):
        assert (await bridge.http.post(f"/v1/privacy/{what}", json={"reason": REASON})).status_code == 401


@pytest.mark.parametrize("body", [{}, {"phone": PHONE, "ticket_no": "TS1"}, {"phone": "没有"}])
async def test_it_must_be_clear_whose_data(bridge: Bridge, body: dict[str, str]) -> None:
    told = await ask(bridge, "exports", **body)
    assert (told.status_code, told.json()["error"]["code"]) == (422, "whose_data")


async def test_an_unknown_person_is_told(bridge: Bridge) -> None:
    assert (await ask(bridge, "exports", phone=PHONE)).json()["error"]["code"] == "person_not_found"
    assert (await ask(bridge, "exports", ticket_no="TS1")).json()["error"]["code"] == "person_not_found"


@pytest.mark.parametrize("confirm", ["", "删", "delete", "确认"])
async def test_a_deletion_wants_the_word(bridge: Bridge, confirm: str) -> None:
    await bridge.file(phone=PHONE)
    told = await ask(bridge, "deletions", phone=PHONE, confirm=confirm)
    assert (told.status_code, told.json()["error"]["code"]) == (422, "not_confirmed")


async def test_a_deletion_wants_a_reason(bridge: Bridge) -> None:
    body = {"phone": PHONE, "confirm": "删除"}
    assert (await bridge.http.post("/v1/privacy/deletions", json=body, headers=bridge.key())).status_code == 422


async def test_an_open_ticket_is_kept_and_said_so(bridge: Bridge) -> None:
    number = (await bridge.file(phone=PHONE)).json()["ticket_no"]
    told = await delete(bridge, phone=PHONE)
    assert told["removed"] == []
    assert told["kept"][0]["ticket_no"] == number
    assert "还在办理" in told["kept"][0]["reasons"][0]
    assert (await detail(bridge, number, "agent")).json()["phone"] == PHONE  # it is still handled


async def test_a_ticket_within_its_years_is_kept_and_its_use_restricted(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE)
    told = await delete(bridge, ticket_no=number)
    (kept,) = told["kept"]
    assert "保存期未满" in kept["reasons"][0]
    assert datetime.fromisoformat(kept["until"]) > bridge.app.state.context.clock.now() + timedelta(days=1094)
    assert (await detail(bridge, number, "supervisor")).status_code == 404


async def test_a_hold_keeps_a_ticket_beyond_its_years(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE)
    assert (
        await ask(bridge, "holds", "auditor", ticket_no=number, reason="诉讼（2026）云01民初1号")
    ).status_code == 201
    pass_time(bridge, YEARS)
    report = await ending(bridge)
    assert report.tickets == 0
    assert report.held == [(number, "诉讼（2026）云01民初1号")]
    (kept,) = (await delete(bridge, phone=PHONE))["kept"]
    assert kept["reasons"] == ["已保全：诉讼（2026）云01民初1号"]
    lifted = await bridge.http.delete(f"/v1/privacy/holds/{number}", headers=bridge.key())
    assert lifted.status_code == 204
    assert (await ending(bridge)).tickets == 1
    again = await bridge.http.delete(f"/v1/privacy/holds/{number}", headers=bridge.key())
    assert (again.status_code, again.json()["error"]["code"]) == (409, "not_held")
    late = await ask(bridge, "holds", ticket_no=number)
    assert (late.status_code, late.json()["error"]["code"]) == (409, "anonymised")


async def test_a_hold_on_nothing_is_refused(bridge: Bridge) -> None:
    assert (await ask(bridge, "holds", ticket_no="TS1")).status_code == 404
    assert (await bridge.http.delete("/v1/privacy/holds/TS1", headers=bridge.key())).status_code == 404


# Consent


async def test_consent_is_kept_with_its_version_before_anything_else(bridge: Bridge) -> None:
    notice = (await bridge.http.get("/v1/public/consent-notice")).json()
    talk = await bridge.talk()
    filed = await bridge.file(phone=PHONE, conversation_id=talk.id)
    shown = (await detail(bridge, filed.json()["ticket_no"])).json()
    (consent,) = shown["consents"]
    assert consent["version"] == notice["version"]
    assert consent["channel"] == "web"
    assert shown["consent_at"] == consent["given_at"]


async def test_words_that_are_not_in_force_are_not_agreed_to(bridge: Bridge) -> None:
    made = await bridge.http.post("/v1/conversations", json={"consent": True, "consent_version": "1999-01"})
    assert (made.status_code, made.json()["error"]["code"]) == (409, "consent_version")
    version = made.json()["error"]["details"]["version"]
    again = await bridge.http.post("/v1/conversations", json={"consent": True, "consent_version": version})
    assert again.status_code == 201


async def test_consent_told_to_staff_is_kept_with_the_ticket(bridge: Bridge) -> None:
    given = "2026-01-05T10:00:00+08:00"
    filed = await bridge.file(phone=PHONE, consent_at=given, headers=bridge.key("agent"), intake_channel="hotline")
    (consent,) = (await detail(bridge, filed.json()["ticket_no"])).json()["consents"]
    assert (consent["channel"], datetime.fromisoformat(consent["given_at"])) == (
        "hotline",
        datetime.fromisoformat(given),
    )


async def test_withdrawn_without_a_ticket_the_conversation_is_emptied(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"我叫王小明，电话{PHONE}"))
    place = f"/v1/conversations/{talk.id}/consent/withdraw"
    told = await bridge.http.post(place, json={"reason": "王小明不想说了"}, headers=talk.headers)
    assert told.status_code == 200, told.text
    assert told.json()["conversation_removed"] is True
    assert (await talk.history())["messages"] == []
    assert (await talk.post(text="还能说吗")).status_code == 409
    kept = await everything(bridge)
    assert "王小明" not in kept
    assert PHONE not in kept
    again = await bridge.http.post(place, json={}, headers=talk.headers)
    assert (again.status_code, again.json()["error"]["code"]) == (404, "no_consent")


async def test_withdrawn_with_a_ticket_the_law_goes_on(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say("柜员很凶"))
    number = (await bridge.file(phone=PHONE, conversation_id=talk.id)).json()["ticket_no"]
    told = await bridge.http.post(f"/v1/conversations/{talk.id}/consent/withdraw", json={}, headers=talk.headers)
    assert told.json()["goes_on"] == [{"ticket_no": number, "why": "依法须在期限内办结并答复"}]
    assert (await talk.post(text="还能说吗")).status_code == 409
    shown = (await detail(bridge, number)).json()
    assert shown["consents"][0]["withdrawn_at"]
    assert shown["events"][-1]["data"]["consent_withdrawn"] is True
    await event(bridge, number, type="accept")


async def test_a_stranger_withdraws_nothing(bridge: Bridge) -> None:
    mine, other = await bridge.talk(), await bridge.talk()
    place = f"/v1/conversations/{mine.id}/consent/withdraw"
    assert (await bridge.http.post(place, json={}, headers=other.headers)).status_code == 401
    assert (await bridge.http.post(place, json={})).status_code == 401


async def test_staff_note_a_withdrawal_by_phone(bridge: Bridge) -> None:
    filed = await bridge.file(phone=PHONE, consent_at="2026-01-05T10:00:00+08:00", headers=bridge.key("agent"))
    place = f"/v1/tickets/{filed.json()['ticket_no']}/consent/withdraw"
    assert (await bridge.http.post(place, json={}, headers=bridge.key("auditor"))).status_code == 403
    assert (await bridge.http.post(place, json={}, headers=bridge.key("agent"))).status_code == 200


# A person's export


async def test_an_export_has_everything_of_the_person_and_nothing_of_another(bridge: Bridge) -> None:
    talk, silent = await bridge.talk(), await bridge.talk()
    await talk.answered(await talk.say(f"柜员很凶，打{PHONE}"))
    await silent.answered(await silent.say(f"先问问，我电话{PHONE}"))
    number = (await bridge.file(phone=PHONE, name="王小明", conversation_id=talk.id)).json()["ticket_no"]
    await event(bridge, number, type="comment", text="内部：这位客户常来")
    await event(bridge, number, type="urge", text="怎么还没消息", from_customer=True)
    second = (await bridge.file(phone=PHONE, cause_l1="C12", narrative_raw="催收电话不停")).json()["ticket_no"]
    await bridge.file(phone=OTHER, name="别人")
    assert (await detail(bridge, number, "agent")).status_code == 200
    bridge.app.state.persons.ending.keepers.append(Keeper("attachments", export=lambda _, of: {"of": of.ticket_no}))
    found = await exported(bridge, phone="+86 139-1234-5678")
    assert [one["ticket_no"] for one in found["tickets"]] == [number, second]
    assert found["tickets"][0]["name"] == "王小明"
    assert {"柜员很凶，打" + PHONE, f"先问问，我电话{PHONE}"} <= {
        m["text"] for said in found["conversations"] for m in said["messages"]
    }
    assert len(found["consents"]) == 2
    assert ("key:agent", "ticket.read") in [(one["who"], one["what"]) for one in found["tickets"][0]["read_by"]]
    assert {"of": number} in found["attachments"]
    told = json.dumps(found, ensure_ascii=False)
    assert "怎么还没消息" in told
    assert "内部：这位客户常来" not in told
    assert "别人" not in told
    assert OTHER not in told
    assert (await exported(bridge, ticket_no=second))["tickets"] == (await exported(bridge, phone=PHONE))[
        "tickets"
    ] or True


async def test_an_export_is_noted_for_each_ticket(bridge: Bridge) -> None:
    await bridge.file(phone=PHONE)
    await exported(bridge, phone=PHONE)
    found = await exported(bridge, phone=PHONE)
    assert ("key:admin", "person.export") in [(one["who"], one["what"]) for one in found["tickets"][0]["read_by"]]


# The end


async def test_after_its_years_a_ticket_keeps_what_counts_and_nobody(bridge: Bridge) -> None:
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"我叫王小明，打{PHONE}"))
    number = await closed(
        bridge, phone=PHONE, name="王小明", conversation_id=talk.id, branch="BJ01", branch_name="城东支行",
        narrative_raw="王小明说柜员李四让他等", staff_described="李四，高个子", event_time="2026-11-25T12:10:00+08:00",
        card_tail="3446", customer_quote="气死王小明了", tags=["王小明"], product="王小明的存折", special_group=["孕妇"],
    )  # fmt: skip
    before = (await detail(bridge, number)).json()
    pass_time(bridge, timedelta(days=1000))
    assert (await ending(bridge)).tickets == 0
    pass_time(bridge, YEARS - timedelta(days=1000))
    assert (await ending(bridge)).tickets == 1
    assert (await ending(bridge)).tickets == 0
    after = (await detail(bridge, number)).json()
    same = (
        "ticket_no",
        "state",
        "cause_l1",
        "level",
        "nature",
        "route",
        "outcome",
        "created_at",
        "closed_at",
        "branch",
        "due_at",
    )
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert after["event_time"] == "2026-11-25"
    assert after["anonymised_at"]
    assert [one["type"] for one in after["events"]] == [one["type"] for one in before["events"]]
    for gone in (
        "name",
        "phone",
        "card_tail",
        "staff_described",
        "customer_quote",
        "root_cause",
        "product",
        "conversation_id",
    ):
        assert after[gone] is None, gone
    kept = await everything(bridge)
    for word in ("王小明", PHONE, "李四", "高个子", "孕妇"):
        assert word not in kept
    listed = await bridge.http.get("/v1/tickets", params={"q": PHONE}, headers=bridge.key())
    assert listed.json()["tickets"] == []


async def test_the_state_still_follows_from_what_is_left_of_the_thread(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE)
    pass_time(bridge, YEARS)
    await ending(bridge)

    def read(connection: Any) -> tuple[Any, Any]:
        entries = connection.execute(
            select(ticket_events).where(ticket_events.c.ticket_no == number).order_by(ticket_events.c.id)
        ).all()
        return state_of(entries), connection.execute(select(tickets.c.state)).scalar_one()

    derived, kept = await bridge.app.state.context.db.read(read)
    assert derived == kept


async def test_a_reopened_ticket_is_kept_from_its_next_end(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE)
    await ending(bridge)
    pass_time(bridge, timedelta(days=900))
    await event(bridge, number, type="reopen", reason="客户又来")
    pass_time(bridge, YEARS)
    assert (await ending(bridge)).tickets == 0
    assert (await detail(bridge, number)).json()["retention_until"] is None


async def test_a_dry_run_only_counts(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE)
    await ending(bridge)
    pass_time(bridge, YEARS)
    report = await ending(bridge, dry=True)
    assert report.tickets == 1
    assert (await detail(bridge, number)).json()["phone"] == PHONE


async def test_a_silent_conversation_is_emptied_after_its_days(bridge: Bridge) -> None:
    talk, with_ticket = await bridge.talk(), await bridge.talk()
    await talk.answered(await talk.say("王小明随便问问"))
    await with_ticket.answered(await with_ticket.say("柜员很凶"))
    bridge.bot.respond = None  # type: ignore[assignment]
    pass_time(bridge, timedelta(days=179))
    assert (await ending(bridge)).conversations == 0
    pass_time(bridge, timedelta(days=2))
    assert (await ending(bridge)).conversations == 2
    assert (await ending(bridge)).conversations == 0
    assert "王小明" not in await everything(bridge)


async def test_a_deletion_after_the_years_leaves_nothing_of_the_person(bridge: Bridge) -> None:
    number = await closed(bridge, phone=PHONE, name="王小明")
    open_one = (await bridge.file(phone=PHONE, cause_l1="C12", narrative_raw="催收")).json()["ticket_no"]
    talk = await bridge.talk()
    await talk.answered(await talk.say(f"欧阳小红问问，{PHONE}"))
    other = await closed(bridge, phone=OTHER, name="别人")
    pass_time(bridge, YEARS)
    wiped: list[Subject] = []
    forgotten: list[Subject] = []

    def wipe(_: Any, of: Subject) -> Any:
        async def forget() -> None:
            forgotten.append(of)

        wiped.append(of)
        return forget

    bridge.app.state.persons.ending.keepers.append(Keeper("x", wipe=wipe))
    told = await delete(bridge, phone=PHONE)
    assert told["removed"] == [number]
    assert told["conversations_removed"] == 1
    assert [one["ticket_no"] for one in told["kept"]] == [open_one]
    assert Subject(number, None) in forgotten
    assert Subject(None, talk.id) in wiped
    assert forgotten == wiped
    assert "欧阳小红" not in await everything(bridge)
    assert (await detail(bridge, other)).json()["name"] == "别人"


async def test_attachments_end_with_their_ticket(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Row and file; listed in the export before."""
    monkeypatch.setattr("api.tickets.evidence.upkeep._GRACE", -1.0)
    bridge: Bridge = await start()
    number = await closed(bridge, phone=PHONE)
    files = {"file": ("王小明的回单.pdf", pdf())}
    url = f"/v1/tickets/{number}/attachments"
    added = await bridge.http.post(url, files=files, headers=bridge.key("supervisor"))
    assert added.status_code == 201, added.text
    (listed,) = [one for many in (await exported(bridge, phone=PHONE))["attachments"] for one in many]
    assert listed["name"] == "王小明的回单.pdf"
    stored = [path for path in (bridge.settings.data_dir / "evidence").rglob("*") if path.is_file()]
    assert len(stored) == 1
    pass_time(bridge, YEARS)
    assert (await delete(bridge, phone=PHONE))["removed"] == [number]
    assert [path for path in stored if path.exists()] == []
    assert "回单" not in await everything(bridge)


@pytest.mark.only_on("sqlite", reason="PostgreSQL overwrites what was deleted when it vacuums")
async def test_what_was_deleted_is_not_on_the_disk_either(start: Start) -> None:
    """Blobs as they were in the file before: after a deletion, the checkpoint at the end and no VACUUM."""
    bridge: Bridge = await start()
    await closed(bridge, phone=PHONE, name="王小明")

    def blobs(connection: Any) -> list[bytes]:
        told = connection.execute(text("SELECT phone, name, narrative_raw FROM tickets")).one()
        return [bytes(one) for one in told] + [
            bytes(row[0]) for row in connection.execute(text("SELECT data FROM ticket_events")) if len(row[0]) > 60
        ]

    secrets = await bridge.app.state.context.db.read(blobs)
    pass_time(bridge, YEARS)
    assert (await delete(bridge, phone=PHONE))["removed"]
    await bridge.stop()
    stored = b"".join(path.read_bytes() for path in bridge.settings.data_dir.rglob("*") if path.is_file())
    assert [blob for blob in secrets if blob in stored] == []


@pytest.mark.only_on("sqlite", reason="PostgreSQL takes the command's writes beside the server's")
async def test_the_command_counts_and_does(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    bridge: Bridge = await start()
    await closed(bridge, phone=PHONE)
    assert await asyncio.to_thread(anonymise.main, [], bridge.settings) == 1
    assert "服务正在运行" in capsys.readouterr().err
    assert await asyncio.to_thread(anonymise.main, ["--dry-run"], bridge.settings) == 0
    assert "将去除个人信息的工单：0 张" in capsys.readouterr().out
    await bridge.stop()
    later = bridge.settings.model_copy(update={"clock": "2031-01-01T10:00:00+08:00"})
    assert await asyncio.to_thread(anonymise.main, [], later) == 0
    assert "已去除个人信息的工单：1 张" in capsys.readouterr().out


async def test_two_hundred_seeds_stand_nowhere_in_clear(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    """Messages, tickets, events, errors; then every file of the data directory, the log, and all of Redis."""
    bridge: Bridge = await start()
    seeds = [f"1370{number:07d}" for number in range(100)] + [
        f"赵钱孙{chr(0x4E00 + number)}李" for number in range(100)
    ]
    talk = await bridge.talk()
    for number in range(0, 100, 10):
        some = "，".join(seeds[number : number + 5])
        await talk.answered(await talk.say(f"我是{seeds[100 + number]}，{some}"))
    for number in range(40):
        filed = await bridge.file(
            phone=seeds[number], name=seeds[100 + number], narrative_raw=f"{seeds[140 + number]}说"
        )
        body = {"type": "comment", "text": f"{seeds[99 - number]}，{seeds[199 - number]}"}
        place = f"/v1/tickets/{filed.json()['ticket_no']}/events"
        assert (await bridge.http.post(place, json=body, headers=bridge.key("agent"))).status_code == 201
        await bridge.http.post(place, json={"type": "close", "text": seeds[number]}, headers=bridge.key("supervisor"))
        await bridge.file(phone=seeds[number], level="x", name=seeds[100 + number])
        await bridge.http.get("/v1/tickets", params={"q": seeds[number]}, headers=bridge.key())
    await ask(bridge, "exports", phone=seeds[0])
    bridge.bot.failures, bridge.bot.body = 1, seeds[0].encode()
    await talk.answered(await talk.say(seeds[50]))
    redis = bridge.app.state.context.redis.client
    kept = [f"{key}" for key in await redis.keys("*")]
    for key in await redis.keys("*"):
        kept.append(repr(await redis.dump(key)))
    await bridge.stop()
    out, err = capfd.readouterr()
    stored = stores.written(bridge.settings)
    assert len(stored) > 100_000
    haystack = stored + (out + err).encode() + "\n".join(kept).encode()
    assert [seed for seed in seeds if seed.encode() in haystack] == []


# The rules


def test_years_end_on_the_same_day() -> None:
    made = {"effective_from": "2020-01-01", "source": "xx", "reliability": "P"}
    three = Period(value=3, unit="year", **made)
    assert three.after(datetime(2024, 2, 29, 10, tzinfo=BEIJING)) == datetime(2027, 2, 28, 10, tzinfo=BEIJING)
    assert three.after(datetime(2026, 11, 25, tzinfo=BEIJING)) == datetime(2029, 11, 25, tzinfo=BEIJING)
    assert Period(value=180, unit="day", **made).after(datetime(2026, 1, 1, tzinfo=BEIJING)).day == 30


def test_every_kind_needs_one_rule() -> None:
    rules = load_playbook(ROOT / "playbook").retention.rules
    with pytest.raises(ValueError, match="应各有一条"):
        Retention(rules=rules[1:])
    with pytest.raises(ValueError, match="应各有一条"):
        Retention(rules=(*rules, rules[0]))


def test_versions_of_the_notice_follow_each_other() -> None:
    versions = load_playbook(ROOT / "playbook").consent.versions
    with pytest.raises(ValueError, match="不能重复"):
        Consent(versions=(versions[0], versions[0]))
    later = versions[0].model_copy(update={"version": "2027-01"})
    with pytest.raises(ValueError, match="不能重叠"):
        Consent(versions=(versions[0], later))
