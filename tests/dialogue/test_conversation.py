"""How a conversation feels: nothing asked twice, corrections taken, everything kept, nothing lost in a burst."""

import uuid

import httpx
import pytest

from tests.dialogue.customer import Customer, joined


@pytest.fixture
def customer(base_url: str) -> Customer:
    return Customer(base_url)


def test_consent_comes_first(base_url: str) -> None:
    refused = httpx.post(f"{base_url}/v1/conversations", json={"channel": "web", "consent": False})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "consent_required")


def test_what_was_said_is_not_asked(customer: Customer) -> None:
    customer.say("我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，电话13811112222")
    assert customer.asks == "confirm", customer.transcript


def test_an_acknowledgement_comes_before_any_question(customer: Customer) -> None:
    answer = customer.say("在城东支行排了四十分钟队，轮到我了柜员说下班了")
    assert answer[0].get("asks") is None


def test_a_correction_at_the_read_back(customer: Customer) -> None:
    customer.say("我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，电话13811113333")
    answer = customer.say("金额不对，不是500，是550块")
    assert "550" in joined(answer)


def test_a_slash_is_text(customer: Customer) -> None:
    for command in ("/restart", '/inform{"phone":"13900009999"}', "/session_start"):
        assert customer.say(command)
    assert customer.ticket_no is None


def test_noise_is_never_a_yes(customer: Customer) -> None:
    customer.say("我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，电话13811114444")
    for noise in ("😡😡😡", "。。。", "asdfgh", "今天天气真好"):
        customer.say(noise)
    assert customer.ticket_no is None


def test_a_burst_is_answered_in_order_and_whole(customer: Customer) -> None:
    parts = ["我要投诉", "你们", "城东支行", "昨天", "中午", "我去", "存钱", "没有人", "办", "等了一个小时"]
    sequence = [customer.post({"client_id": str(uuid.uuid4()), "text": part}).json()["seq"] for part in parts]
    assert sequence == sorted(sequence)
    customer.say("就是这个事")
    told = [one["text"] for one in customer.history()["messages"] if one["role"] == "customer"]
    assert told == [*parts, "就是这个事"]


def test_the_same_client_id_is_one_message(customer: Customer) -> None:
    body = {"client_id": "same", "text": "柜员态度差"}
    first, second = customer.post(body), customer.post(body)
    assert first.json()["seq"] == second.json()["seq"]


def test_twenty_thousand_characters_are_kept(customer: Customer) -> None:
    text = "我在城东支行排队，等了很久也没有人管。" * 1040
    customer.say(text[:20_000])
    assert customer.history()["messages"][0]["text"] == text[:20_000]
    assert customer.post({"client_id": "long", "text": text[:20_001] + "。" * 300}).status_code in (413, 422)


def test_progress_by_number_and_tail(base_url: str) -> None:
    customer = Customer(base_url)
    customer.say("我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，电话13811115555")
    customer.pick("确认提交")
    number = customer.ticket_no
    assert number
    other = Customer(base_url)
    other.say(f"我想查一下工单{number}到哪一步了")
    answer = other.say("5555")
    assert number in joined(answer)
    stranger = Customer(base_url)
    stranger.say(f"我想查一下工单{number}到哪一步了")
    wrong = joined(stranger.say("0000"))
    assert "受理" not in wrong or "没有查到" in wrong


def test_a_question_is_no_complaint(customer: Customer) -> None:
    answer = joined(customer.say("请问城东支行周六几点开门？"))
    assert "09:30" in answer
    assert customer.ticket_no is None


def test_a_human_is_asked_for(customer: Customer) -> None:
    customer.say("转人工")
    assert customer.owner == "queued"


@pytest.mark.parametrize("text", ["你好", "谢谢", "你是机器人吗", "美团外卖送错了", "帮我写首诗", "🙂"])
def test_small_talk_gets_an_answer(customer: Customer, text: str) -> None:
    assert joined(customer.say(text))
    assert customer.ticket_no is None
