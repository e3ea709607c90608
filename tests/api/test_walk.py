"""The customer's path once: conversation, bot, reply, stream, ticket."""

from tests.api.conftest import Bridge


async def test_a_message_is_answered_and_pushed(bridge: Bridge) -> None:
    talk = await bridge.talk()
    seq = await talk.say("柜员说交班让我等会再来")
    page = await talk.answered(seq)
    assert [(m["seq"], m["role"]) for m in page["messages"]] == [(1, "customer"), (2, "bot")]
    assert page["messages"][1]["text"] == "收到：柜员说交班让我等会再来"
    assert page["owner"] == "bot"
    events = await talk.events(lambda found: len(found) >= 3)
    assert [(name, number) for name, number, _ in events] == [("message", 1), ("message", 2), ("owner", None)]


async def test_a_ticket_is_filed_and_read(bridge: Bridge) -> None:
    filed = await bridge.file()
    assert filed.status_code == 201, filed.text
    ticket = (await bridge.http.get(f"/v1/tickets/{filed.json()['ticket_no']}", headers=bridge.key("handler"))).json()
    assert ticket["narrative_raw"] == "柜员说交班让我等"
    assert ticket["route"] == "网点负责人"
    assert [event["type"] for event in ticket["events"]] == ["create"]
