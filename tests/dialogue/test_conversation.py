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


COMPLAINT = "我姓李，昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，电话{phone}"


@pytest.mark.parametrize("yes", ["確認", "可以提交了", "没问题，提交吧"])
def test_a_yes_in_own_words_files(base_url: str, yes: str) -> None:
    customer = Customer(base_url)
    customer.say(COMPLAINT.format(phone=f"137{uuid.uuid4().int % 10**8:08d}"))
    customer.say(yes)
    assert customer.ticket_no, customer.transcript


def test_a_correction_while_something_else_is_asked(customer: Customer) -> None:
    customer.say("昨天上午在解放路支行排队排了两个小时")
    customer.say("不对，是柳园支行")
    customer.say("给我道歉")
    customer.say("姓周")
    card = joined(customer.say("不留"))
    assert "柳园支行" in card
    # The assistant may itself ask "哪里不对": only the customer's words must not stand there.
    assert "不对，是" not in card


def test_what_is_said_after_an_alarm_stays_with_its_ticket(customer: Customer, staff: httpx.Client) -> None:
    customer.say("我不想活了")
    number = customer.ticket_no
    assert number
    for words in ("我现在在解放路支行楼顶", "你们把我妈的钱骗光了"):
        customer.say(words)
        assert customer.ticket_no == number
    thread = staff.get(f"/v1/tickets/{number}").text
    assert "解放路支行楼顶" in thread
    assert "骗光" in thread


def test_who_leaves_no_phone_is_promised_no_call(customer: Customer) -> None:
    customer.say("昨天下午三点在南湖支行，柜员把我存的5000块记成了500块，要你们给我改正，我姓李")
    customer.say("不留")
    customer.pick("确认提交")
    receipt = customer.messages[-1]
    assert [field["name"] for field in receipt["card"]["fields"]] == ["ticket_no", "decision_due"]
    assert "电话后四位" not in receipt["text"]


def test_the_supervisors_number_is_given_inside_the_form(customer: Customer) -> None:
    customer.say("昨天上午在柳园支行排队排了两个小时")
    assert "12378" in joined(customer.say("请问12378是什么电话"))
