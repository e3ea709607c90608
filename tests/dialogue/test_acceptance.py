"""The eleven acceptance checks of domain.md 6.8, against the real bot and api."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.playbook import Playbook
from launcher.run import Stack
from tests.dialogue.customer import Customer, joined
from tests.running_stack import running_stack, staff_client

# What a customer never hears from the bot (domain.md 6.8, check 10).
_NEVER_SAID = ("有效投诉", "无效投诉", "处分", "赔偿您", "罚款", "全额", "保证", "一定会退", "开除")
_ANSWERS = {
    "narrative": "柜员一直不给办，问他也不说原因",
    "branch": "城东支行",
    "event_time": "昨天中午12点多",
    "product": "信用卡",
    "amount": "三百块",
    "request": "给我道歉",
    "name": "我姓周",
    "phone": "13900001234",
}

Filed = Callable[[Customer], dict[str, Any]]


@pytest.fixture
def customer(base_url: str) -> Customer:
    return Customer(base_url)


@pytest.fixture
def filed(staff: httpx.Client) -> Filed:
    """The ticket of a conversation as the back office reads it."""

    def read(customer: Customer) -> dict[str, Any]:
        number = customer.ticket_no
        assert number, customer.transcript
        answer = staff.get(f"/v1/tickets/{number}")
        answer.raise_for_status()
        return dict(answer.json())

    return read


def phone() -> str:
    """A number nobody used before, so that tickets of different tests never merge."""
    return f"139{uuid.uuid4().int % 10**8:08d}"


def assert_proper(customer: Customer, playbook: Playbook) -> None:
    """Nothing forbidden was said in the whole conversation."""
    assert playbook.phrases.violations(customer.transcript) == ()
    assert not [word for word in _NEVER_SAID if word in customer.transcript]


def test_01_handover_with_rudeness(customer: Customer, filed: Filed, playbook: Playbook) -> None:
    first = customer.say("12点去存钱柜员说交班让我等会再来, 态度很差")
    assert len(first) >= 2, joined(first)
    customer.answer_until_filed({**_ANSWERS, "branch": "解放路支行", "phone": phone()})
    ticket = filed(customer)
    assert (ticket["cause_l1"], ticket["cause_l2"]) == ("C5", "C5a")
    assert str(ticket["cause_secondary"]).startswith("C7")
    assert ticket["level_peak"] == 1
    used = [script.partition("@")[0] for script in ticket["script_ids_used"]]
    assert used.index("X00") < used.index("X02")
    assert ticket["branch_name"] == "解放路支行"
    assert ticket["event_time"] or ticket["event_time_text"]
    assert_proper(customer, playbook)


def test_02_published_hours_make_it_our_fault(customer: Customer, filed: Filed, playbook: Playbook) -> None:
    customer.say("昨天中午12点05分去城东支行存钱，柜员说交班不办，一个窗口都没开")
    customer.answer_until_filed({**_ANSWERS, "phone": phone()})
    assert filed(customer)["hours_fault"] is True
    assert "不理解" not in customer.transcript
    assert_proper(customer, playbook)


def test_03_two_answers_from_one_bank(customer: Customer, filed: Filed, playbook: Playbook) -> None:
    customer.say("大堂说带卡就行, 柜台又要身份证")
    customer.answer_until_filed({**_ANSWERS, "phone": phone()})
    ticket = filed(customer)
    assert (ticket["cause_l1"], ticket["cause_l2"]) == ("C2", "C2a")
    assert "大堂" in ticket["narrative_raw"]
    assert "柜台" in ticket["narrative_raw"]
    assert_proper(customer, playbook)


def test_04_swearing_and_the_regulator(customer: Customer, playbook: Playbook) -> None:
    answer = joined(customer.say("他妈的你们城东支行柜员骂人，我现在就去12378告你们"))
    assert "12378" in answer
    assert "权利" in answer
    labels = [choice["label"] for message in customer.messages for choice in message.get("choices") or ()]
    assert "转人工" in labels
    customer.pick("转人工")
    assert customer.owner == "queued"
    assert_proper(customer, playbook)


def test_05_self_harm_gets_a_person_and_no_form(customer: Customer, staff: httpx.Client, playbook: Playbook) -> None:
    answer = customer.say("我不想活了")
    assert "120" in joined(answer) or "110" in joined(answer)
    assert all(message.get("asks") is None for message in answer)
    assert customer.owner == "queued"
    again = customer.say("没意思，真的没意思了")
    assert all(message.get("asks") is None for message in again)
    urgent = staff.get("/v1/tickets", params={"level_min": 4}).json()["tickets"]
    assert urgent, "an urgent ticket is filed without asking"
    assert_proper(customer, playbook)


def test_06_twenty_people(customer: Customer, staff: httpx.Client, playbook: Playbook) -> None:
    customer.say("我们二十多个人都在你们南湖支行门口站着，今天不给说法都不走")
    number = customer.ticket_no
    assert number
    ticket = staff.get(f"/v1/tickets/{number}").json()
    assert ticket["level_peak"] == 4
    assert ticket["representative_count"] >= 20
    assert "应急" in ticket["route"]
    assert_proper(customer, playbook)


def test_07_the_same_matter_again_is_merged(base_url: str, staff: httpx.Client) -> None:
    mine = phone()
    first, second = Customer(base_url), Customer(base_url)
    first.say("昨天上午在柳园支行取号排了两个小时，就开一个窗口")
    first.answer_until_filed({**_ANSWERS, "branch": "柳园支行", "phone": mine})
    before = staff.get(f"/v1/tickets/{first.ticket_no}").json()
    second.say("柳园支行昨天排队排了两个多钟头，只有一个窗口在办，我要再反映一次")
    second.answer_until_filed({**_ANSWERS, "branch": "柳园支行", "phone": mine})
    assert second.ticket_no == first.ticket_no
    after = staff.get(f"/v1/tickets/{first.ticket_no}").json()
    assert after["due_at"] == before["due_at"]
    assert after["repeat_count"] == before["repeat_count"] + 1


def test_08_withdrawal_ends_today(customer: Customer, staff: httpx.Client, playbook: Playbook) -> None:
    customer.say("上周五在大学城支行排队排了一个半小时还没轮到我")
    customer.answer_until_filed({**_ANSWERS, "branch": "大学城支行", "phone": phone()})
    number = customer.ticket_no
    customer.say("算了，我要撤回投诉")
    ticket = staff.get(f"/v1/tickets/{number}").json()
    assert ticket["state"] == "withdrawn"
    assert ticket["withdrawn_at"][:10] == "2026-11-25"
    assert_proper(customer, playbook)


@pytest.mark.parametrize(
    ("clock", "said", "not_said"),
    [
        ("2025-12-31T10:00:00+08:00", "登记资金的来源或用途", "不再一律询问"),
        ("2026-01-01T10:00:00+08:00", "不再一律询问资金来源", "登记资金的来源或用途"),
    ],
)
def test_09_a_rule_changes_on_its_date(tmp_path: Path, clock: str, said: str, not_said: str) -> None:
    with running_stack(tmp_path, TINGSU_CLOCK=clock) as stack:
        customer = Customer(stack.settings.url)
        customer.say("存六万现金，柜员非要我出示身份证还要登记，凭什么")
        customer.say("城东支行")
        assert said in customer.transcript
        assert not_said not in customer.transcript


def test_10_no_verdicts_no_promises(base_url: str, playbook: Playbook) -> None:
    for opening in (
        "理财经理说保本保息，现在亏了两万，你们必须全额赔我",
        "那个柜员必须开除，你说会不会处分他",
        "你就告诉我我这个投诉算不算有效投诉，几点之前能给我钱",
    ):
        customer = Customer(base_url)
        customer.say(opening)
        customer.say("你先告诉我赔多少")
        assert_proper(customer, playbook)


def test_11_a_card_number_is_masked_everywhere(customer: Customer, filed: Filed, stack: Stack) -> None:
    number = "6222021234567890128"
    customer.say(f"我卡号{number}昨天在城东支行被多扣了三百块手续费，没人跟我说过")
    customer.answer_until_filed({**_ANSWERS, "phone": phone()})
    ticket = filed(customer)
    assert number not in str(ticket)
    assert number not in str(customer.history())
    for log in stack.settings.log_dir.glob("*.log"):
        content = log.read_text(encoding="utf-8", errors="replace")
        assert number not in content, log.name
        assert "多扣了三百块" not in content, log.name


def test_staff_need_a_login(base_url: str) -> None:
    assert httpx.get(f"{base_url}/v1/tickets").status_code == 401
    with staff_client(base_url) as client:
        assert client.get("/v1/tickets").status_code == 200


def test_stack_names_its_demonstration_clock(stack: Stack) -> None:
    assert "2026-11-25" in httpx.get(f"{stack.settings.url}/readyz").text
