"""The bot's door: who may come in, what a request is, and that a turn is answered as a whole or not at all."""

import asyncio
from typing import Any, Dict, List, Tuple

import aiohttp
import pytest
from sanic import Sanic

from bot import actions_endpoint
from bot.channels import bridge
from bot.channels.bridge import BridgeChannel
from bot.channels.outbox import Outbox
from bot.channels.turns import as_text, understanding
from tests.bot.conftest import NOW, SECRET, Conversation, turn_body
from tests.bot.scripted.actions import ScriptedActions, answer, slot

SECRET_WORDS = "我的密码是八四二七"


@pytest.fixture
def anonymous(served: Tuple[Sanic, str]) -> str:
    """The door's address, for callers of their own."""
    return f"{served[1]}/"


class TestWhoMayComeIn:
    @pytest.mark.parametrize(
        "header", [None, "", SECRET, f"Basic {SECRET}", "Bearer ", "Bearer wrong", f"Bearer {SECRET}x", "Bearer 秘密"]
    )
    @pytest.mark.parametrize("address", ["turn", "parse"])
    async def test_nobody_without_the_secret(self, anonymous: str, address: str, header: Any) -> None:
        headers = {} if header is None else {"Authorization": header}
        async with (
            aiohttp.ClientSession(anonymous, headers=headers) as session,
            session.post(address, json=turn_body("greet | 您好")) as response,
        ):
            body = await response.json()

        assert response.status == 401
        assert body["error"]["code"] == "unauthorized"

    async def test_not_even_to_the_health_check(self, anonymous: str) -> None:
        async with aiohttp.ClientSession(anonymous) as session, session.get("health") as response:
            assert response.status == 401

    @pytest.mark.parametrize("secret", ["", None, "${TINGSU_INTERNAL_SECRET}"])
    def test_a_bot_without_a_secret_does_not_start(self, secret: Any) -> None:
        with pytest.raises(ValueError, match="TINGSU_INTERNAL_SECRET is not set"):
            BridgeChannel.from_credentials({"secret": secret})

    @pytest.mark.parametrize("path", ["/", "/model/parse", "/conversations/c1/tracker", "/webhooks/rest/webhook"])
    async def test_there_is_no_other_door(self, anonymous: str, path: str) -> None:
        address = anonymous.partition("/webhooks")[0] + path
        headers = {"Authorization": f"Bearer {SECRET}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.post(address, json={}) as response:
            assert response.status == 404

    async def test_health_names_the_model(self, client: aiohttp.ClientSession) -> None:
        async with client.get("health") as response:
            body = await response.json()

        assert response.status == 200
        assert body["status"] == "ok"
        assert body["model"].endswith(".tar.gz")

    async def test_health_says_when_it_is_not_ready(
        self, client: aiohttp.ClientSession, served: Tuple[Sanic, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(served[0].ctx, "warm", False)

        async with client.get("health") as response:
            body = await response.json()

        assert response.status == 503
        assert body["error"]["code"] == "starting"


class TestWhatARequestIs:
    @pytest.mark.parametrize("name", ["conversation_id", "turn_id", "channel", "now", "text"])
    @pytest.mark.parametrize("value", [None, 7, ["x"], {"x": 1}])
    async def test_a_needed_field_of_another_kind_is_named(
        self, conversation: Conversation, name: str, value: Any
    ) -> None:
        turn = await conversation.post({**turn_body("greet | 您好"), name: value})

        assert turn.status == 400
        assert turn.body["error"] == {"code": "bad_request", "message": f"请求里的 {name} 不对。"}

    @pytest.mark.parametrize("name", ["conversation_id", "turn_id", "channel", "now", "text"])
    async def test_a_missing_field_is_named(self, conversation: Conversation, name: str) -> None:
        body = turn_body("greet | 您好")
        del body[name]

        turn = await conversation.post(body)

        assert turn.status == 400
        assert name in turn.body["error"]["message"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("choice", 1),
            ("state", "x"),
            ("state", []),
            ("branches_version", "3"),
            ("branches_version", True),
            ("human_available", 1),
        ],
    )
    async def test_an_optional_field_of_another_kind_is_named(
        self, conversation: Conversation, name: str, value: Any
    ) -> None:
        turn = await conversation.post({**turn_body("greet | 您好"), name: value})

        assert turn.status == 400
        assert name in turn.body["error"]["message"]

    @pytest.mark.parametrize("name", ["choice", "state", "branches_version", "human_available"])
    async def test_an_optional_field_may_be_null(self, conversation: Conversation, name: str) -> None:
        turn = await conversation.post({**turn_body("greet | 您好"), name: None})

        assert turn.status == 200

    @pytest.mark.parametrize(
        "raw",
        [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000],
        ids=["nothing", "torn", "list", "null", "text", "not UTF-8", "too deep"],
    )
    @pytest.mark.parametrize("address", ["turn", "parse"])
    async def test_what_is_no_object_is_named(self, client: aiohttp.ClientSession, address: str, raw: bytes) -> None:
        async with client.post(address, data=raw) as response:
            body = await response.json()

        assert response.status == 400
        assert "body" in body["error"]["message"]

    async def test_a_refusal_quotes_nobody(self, conversation: Conversation) -> None:
        turn = await conversation.post({**turn_body(SECRET_WORDS), "choice": [SECRET_WORDS]})

        assert turn.status == 400
        assert SECRET_WORDS not in str(turn.body)

    async def test_what_the_bot_does_not_know_is_not_in_the_way(self, conversation: Conversation) -> None:
        assert (await conversation.post({**turn_body("greet | 您好"), "later": 1})).status == 200


class TestTheCustomersWords:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("/restart", "／restart"),
            (" \n/restart", " \n／restart"),
            ('/complain{"level": 4}', '／complain{"level": 4}'),
            ("a/b", "a/b"),
            ("//", "／/"),
            ("", ""),
            ("  ", "  "),
        ],
    )
    def test_a_leading_slash_is_no_command(self, text: str, expected: str) -> None:
        assert as_text(text) == expected
        assert len(as_text(text)) == len(text)

    @pytest.mark.parametrize("text", ["/restart", "/session_start", '/complain{"level": 4}', "  /back"])
    async def test_a_command_of_rasas_is_text(self, conversation: Conversation, text: str) -> None:
        await conversation.say("complain 0 C03 | 等了一个小时")

        turn = await conversation.say(text)

        assert turn.form == "complaint_form"
        assert turn.slots["narrative_raw"] == "complain 0 C03 | 等了一个小时"
        assert turn.body["understanding"]["intent"]["name"] == "nlu_fallback"
        assert turn.body["understanding"]["level"] == 0

    async def test_offsets_count_from_the_first_character_that_was_sent(self, conversation: Conversation) -> None:
        plain = await conversation.say("greet |城东支行")
        padded = await conversation.say("  \n greet |城东支行")

        assert padded.body["understanding"]["entities"][0]["start"] == (
            plain.body["understanding"]["entities"][0]["start"] + 4
        )

    def test_the_understanding_says_what_is_public_and_no_more(self) -> None:
        found = {
            "intent": {"name": "complain", "confidence": 0.9, "ranking": []},
            "nature": "complaint",
            "cause": [{"code": "C03", "confidence": 0.8, "detail": "C3a", "weights": []}],
            "level": 2,
            "level_confidence": 1,
            "reasons": ("大声",),
            "level_reasons": ("大声",),
            "entities": [{"type": "amount", "text": "五百", "value": 500, "start": 1, "end": 3, "rule": "x"}],
            "internal": [{"type": "tag"}],
        }

        assert understanding(found, " 扣五百") == {
            "intent": {"name": "complain", "confidence": 0.9},
            "nature": "complaint",
            "cause": [{"code": "C03", "confidence": 0.8, "detail": "C3a"}],
            "level": 2,
            "level_confidence": 1.0,
            "reasons": ["大声"],
            "cause_reasons": [],
            "level_reasons": ["大声"],
            "entities": [{"type": "amount", "text": "五百", "value": 500, "start": 2, "end": 4}],
        }


class TestPickedButtons:
    @pytest.mark.parametrize(
        ("choice", "expected"),
        [
            ("start:complaint", ["complaint_form"]),
            ("start:progress", ["progress_form"]),
            ("start:withdraw", ["withdraw_form"]),
            ("human:yes", ["action_handover"]),
            ("confirm:no", ["utter_deny_idle"]),
        ],
    )
    async def test_a_button_outside_a_form_means_what_it_says(
        self, conversation: Conversation, choice: str, expected: List[str]
    ) -> None:
        assert (await conversation.pick(choice)).actions == expected

    async def test_a_button_is_not_understood_from_its_label(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await conversation.say("complain 0 C03 | 等了一个小时")

        turn = await conversation.pick("request:道歉", label="explode | 道歉")

        assert turn.actions == ["complaint_form"]
        assert turn.body["understanding"] is None
        assert actions.calls[-1]["tracker"]["latest_message"]["metadata"]["choice"] == "request:道歉"

    async def test_an_unknown_button_is_answered(self, conversation: Conversation) -> None:
        assert (await conversation.pick("whatever:it:was")).texts


class TestTheAnswer:
    async def test_an_action_hears_what_the_bridge_said_and_no_history(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await conversation.say("complain 1 C03 | 您好", human_available=True, branches_version=3, channel="wechat")

        call = actions.calls[0]
        assert actions.headers[0]["Authorization"] == f"Bearer {SECRET}"
        assert call["tracker"]["events"] == []
        assert "domain" not in call
        metadata = call["tracker"]["latest_message"]["metadata"]
        assert {
            name: metadata[name] for name in ("conversation_id", "channel", "now", "choice", "branches_version")
        } == {
            "conversation_id": "c1",
            "channel": "wechat",
            "now": NOW,
            "choice": None,
            "branches_version": 3,
        }
        assert metadata["human_available"] is True
        assert call["tracker"]["latest_message"]["understanding"]["level"] == 1

    async def test_bubbles_choices_cards_and_asks_come_through(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        card = {"kind": "read_back", "title": "请核对", "fields": []}
        button = {"title": "确认提交", "payload": "confirm:yes"}
        said = answer(
            "请核对", slot("requested_slot", "confirm"), custom={"asks": "confirm", "card": card}, buttons=[button]
        )
        actions.script("validate_complaint_form", said)

        turn = await conversation.say("complain 0 C03 | 等了一个小时")

        assert turn.body["messages"] == [
            {
                "text": "请核对",
                "choices": [{"label": "确认提交", "payload": "confirm:yes"}],
                "card": card,
                "asks": "confirm",
            }
        ]
        assert turn.body["missing"] == []

    async def test_a_line_of_the_domain_is_filled_in(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        actions.script("action_handover", answer(None, response="utter_withdraw_refused", ticket_no="TS77"))

        turn = await conversation.say("request_human | 人工")

        assert len(turn.texts) == 1
        assert "TS77" in turn.texts[0]

    async def test_the_draft_and_what_is_missing(self, conversation: Conversation, actions: ScriptedActions) -> None:
        events = [slot("narrative_raw", "等了一个小时"), slot("tries", {"phone": 1}), slot("requested_slot", "phone")]
        actions.script("validate_complaint_form", answer("留个电话好吗？", *events))

        turn = await conversation.say("complain 2 C03 | 等了一个小时")

        assert turn.body["draft"] == {"narrative_raw": "等了一个小时", "level": 2, "level_peak": 2}
        assert turn.body["missing"] == ["phone"]
        assert turn.body["ticket_no"] is None

    def test_a_page_to_the_duty_manager_is_never_replaced(self) -> None:
        outbox = Outbox()
        for handover in ({"reason": "level", "alert": True}, {"reason": "user_request"}):
            asyncio.run(outbox.send_response("c1", {"custom": {"handover": handover}}))

        assert outbox.handover == {"reason": "level", "alert": True}
        assert outbox.messages == []


class TestAsAWholeOrNotAtAll:
    @staticmethod
    def assert_failed(status: int, body: Dict[str, Any]) -> None:
        assert status == 503
        assert body == {"error": {"code": "bot_failed", "message": "这一轮没有完成，请重试。"}}

    async def test_an_empty_answer(self, conversation: Conversation, actions: ScriptedActions) -> None:
        actions.script("validate_complaint_form", answer(None, slot("requested_slot", "phone")))

        turn = await conversation.post(turn_body(f"complain 0 C03 | {SECRET_WORDS}"))

        self.assert_failed(turn.status, turn.body)

    async def test_an_answer_of_blanks(self, conversation: Conversation, actions: ScriptedActions) -> None:
        actions.script("validate_complaint_form", answer("  \n", slot("requested_slot", "phone")))

        turn = await conversation.post(turn_body("complain 0 C03 | x"))

        self.assert_failed(turn.status, turn.body)

    async def test_an_understanding_that_fails(self, conversation: Conversation) -> None:
        turn = await conversation.post(turn_body(f"explode | {SECRET_WORDS}"))

        self.assert_failed(turn.status, turn.body)

    @pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
    async def test_an_action_that_fails(
        self, conversation: Conversation, actions: ScriptedActions, status: int
    ) -> None:
        actions.status = status

        turn = await conversation.post(turn_body(f"complain 0 C03 | {SECRET_WORDS}"))

        self.assert_failed(turn.status, turn.body)

    async def test_an_action_that_fails_after_another_has_spoken(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        await conversation.say("complain 0 C03 | 等了一个小时")

        def broken(_: Dict[str, Any]) -> Dict[str, Any]:
            raise RuntimeError("no database")

        actions.script("validate_complaint_form", answer("提交中", slot("requested_slot", None)))
        actions.script("action_submit_complaint", broken)
        body = {**turn_body("affirm | 确认"), "choice": "confirm:yes", "state": conversation.state}
        failed = await conversation.post(body)
        actions.script("action_submit_complaint", answer("登记好了", slot("ticket_no", "TS1")))
        retried = await conversation.post(body)

        self.assert_failed(failed.status, failed.body)
        assert retried.texts == ["提交中", "登记好了"]
        assert retried.body["ticket_no"] == "TS1"

    @pytest.mark.parametrize("said", [{"events": "none", "responses": []}, {"events": [], "responses": ["x"]}, []])
    async def test_an_action_that_answers_nonsense(
        self, conversation: Conversation, actions: ScriptedActions, said: Any
    ) -> None:
        actions.script("validate_complaint_form", said)

        turn = await conversation.post(turn_body("complain 0 C03 | x"))

        self.assert_failed(turn.status, turn.body)

    async def test_a_line_that_the_domain_does_not_have(
        self, conversation: Conversation, actions: ScriptedActions
    ) -> None:
        said = answer(None, slot("requested_slot", "phone"), response="utter_nonexistent")
        actions.script("validate_complaint_form", said)

        turn = await conversation.post(turn_body("complain 0 C03 | x"))

        self.assert_failed(turn.status, turn.body)

    async def test_an_action_server_that_is_not_there(
        self, conversation: Conversation, served: Tuple[Sanic, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(served[0].ctx.agent.action_endpoint, "url", "http://127.0.0.1:9/webhook")

        turn = await conversation.post(turn_body("complain 0 C03 | x"))

        self.assert_failed(turn.status, turn.body)

    async def test_an_action_that_takes_too_long(
        self,
        conversation: Conversation,
        actions: ScriptedActions,
        served: Tuple[Sanic, str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        await served[0].ctx.agent.action_endpoint.close()
        monkeypatch.setattr(actions_endpoint, "_TIMEOUT", aiohttp.ClientTimeout(total=0.1))
        actions.delay = 0.6

        turn = await asyncio.wait_for(conversation.post(turn_body("complain 0 C03 | x")), 0.5)

        self.assert_failed(turn.status, turn.body)
        await served[0].ctx.agent.action_endpoint.close()

    async def test_a_turn_that_takes_too_long(
        self, conversation: Conversation, actions: ScriptedActions, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bridge, "_TURN_SECONDS", 0.1)
        actions.delay = 0.6

        turn = await asyncio.wait_for(conversation.post(turn_body("complain 0 C03 | x")), 0.5)

        self.assert_failed(turn.status, turn.body)

    async def test_a_form_that_runs_in_a_circle(self, conversation: Conversation, actions: ScriptedActions) -> None:
        again = answer("一次", {"event": "followup", "name": "action_answer"})
        actions.script("action_answer", again)

        turn = await conversation.post(turn_body("inquire | 几点开门"))

        self.assert_failed(turn.status, turn.body)
        assert len(actions.calls) <= 10


class TestUnderstandingAlone:
    async def parse(self, client: aiohttp.ClientSession, **body: Any) -> Tuple[int, Dict[str, Any]]:
        async with client.post("parse", json={"now": NOW, **body}) as response:
            return response.status, await response.json()

    async def test_every_text_in_order(self, client: aiohttp.ClientSession) -> None:
        items = [{"id": "a", "text": "complain 3 C07 | 一"}, {"id": 2, "text": "greet | 二"}, {"text": "/restart"}]

        status, body = await self.parse(client, items=items)

        assert status == 200
        assert [(it["id"], it["intent"]["name"], it["level"]) for it in body["items"]] == [
            ("a", "complain", 3),
            (2, "greet", 0),
            (None, "nlu_fallback", 0),
        ]

    async def test_no_text_is_an_empty_list(self, client: aiohttp.ClientSession) -> None:
        assert await self.parse(client, items=[]) == (200, {"items": []})

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("items", {}),
            ("items", {"items": {}}),
            ("items", {"items": ["x"]}),
            ("items", {"items": [{"id": 1}]}),
            ("items", {"items": [{"text": 7}]}),
            ("items", {"items": [{"text": "x"}] * 201}),
            ("now", {"items": [], "now": None}),
            ("branches_version", {"items": [], "branches_version": "three"}),
        ],
    )
    async def test_a_bad_field_is_named(self, client: aiohttp.ClientSession, name: str, body: Dict[str, Any]) -> None:
        status, answered = await self.parse(client, **body)

        assert status == 400
        assert name in answered["error"]["message"]

    async def test_one_that_fails_fails_them_all(self, client: aiohttp.ClientSession) -> None:
        status, body = await self.parse(client, items=[{"text": "greet | 一"}, {"text": f"explode | {SECRET_WORDS}"}])

        assert status == 503
        assert SECRET_WORDS not in str(body)

    async def test_it_calls_no_action(self, client: aiohttp.ClientSession, actions: ScriptedActions) -> None:
        await self.parse(client, items=[{"text": "complain 4 C07 | 一"}])

        assert actions.calls == []
