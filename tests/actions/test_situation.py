"""What a text may rest on: conditions that hold, and facts that are known; an unknown fact has no slot at all."""

from datetime import date, datetime
from typing import Any

import pytest

from actions.situation import day_of, moment_of, situation
from contract.playbook import Playbook
from contract.script import PLACEHOLDERS
from contract.ticket import TicketDraft
from tests.actions.parts import NOW, branch, incident, memory, say, story, whole, world

# Open at noon on paper, and nobody at the window.
NOON = {"branch": "B1", "event_time": "2026-11-24T12:05", "event_time_text": "昨天12点"}
PHONE_BANK = {"cause_l1": "C6", "cause_l2": "C6c", "narrative_raw": "手机银行登不上"}


def found(playbook: Playbook, draft: TicketDraft, text: str = "你们不给办", **more: Any) -> Any:
    shown = world(
        playbook, branch(nearest=["B2", "南湖支行"]), branch("B2", "柳园支行"), incidents=more.pop("incidents", ())
    )
    return situation(say(text, "complain", level=1), memory(draft), shown, **more)


class TestConditions:
    @pytest.mark.parametrize(
        ("draft", "conditions"),
        [
            (story(), set()),
            (story(branch="B9", event_time="2026-11-24T12:05"), {"event_time_known"}),  # not in the directory
            (story(branch_name="菜市场那家"), set()),
            (story(branch="B1"), {"branch_known", "window_closed", "machines_known", "nearest_known"}),
            # A day without an hour says nothing about opening hours.
            (whole(), {"branch_known", "window_closed", "machines_known", "nearest_known"}),
            (
                story(**NOON),
                {
                    "branch_known",
                    "window_closed",
                    "machines_known",
                    "nearest_known",
                    "event_time_known",
                    "in_handover",
                    "published_open",
                },
            ),
            (story(amount="300"), {"amount_known"}),
            (story(customer_type="对公"), {"corporate"}),
            (story(tags=("资金正在被骗",)), {"fraud_now"}),
            (story(tags=("舆情",)), set()),
        ],
    )
    def test_only_what_is_known_holds(self, draft: TicketDraft, conditions: set[str], playbook: Playbook) -> None:
        assert found(playbook, draft).conditions == conditions

    @pytest.mark.parametrize(
        ("ends", "conditions"),
        [
            (None, {"incident_known", "incident_running"}),
            ("2026-11-25T18:00:00+08:00", {"incident_known", "incident_running"}),
            ("2026-11-25T12:00:00+08:00", {"incident_known", "incident_over", "event_time_known"}),
        ],
    )
    def test_an_incident(self, ends: str | None, conditions: set[str], playbook: Playbook) -> None:
        told = {"event_time": "2026-11-25T10:00"} if "event_time_known" in conditions else {}
        given = found(playbook, story(**PHONE_BANK, **told), incidents=[incident(to=ends)])
        assert given.conditions == conditions


class TestSlots:
    def test_what_is_not_known_has_no_slot(self, playbook: Playbook) -> None:
        slots = found(playbook, story(), text="气死").slots
        of_the_matter = {
            "heard",
            "amount",
            "product",
            "branch_name",
            "hours",
            "handover",
            "machines",
            "nearest",
            "windows",
        }
        assert not slots.keys() & of_the_matter
        assert not {
            name for name in slots if name.startswith("incident_") or name in ("workaround", "ticket_no", "state")
        }
        assert all(slots.values())

    def test_of_the_branch(self, playbook: Playbook) -> None:
        slots = found(playbook, story(**NOON)).slots
        assert {
            name: slots.get(name) for name in ("branch_name", "hours", "handover", "machines", "nearest", "windows")
        } == {
            "branch_name": "城东支行",
            "hours": "周一至周五09:00-17:00",
            "handover": "12:00到12:20",
            "machines": "大厅2台存取款一体机",
            "nearest": "柳园支行、南湖支行",
            "windows": None,
        }

    def test_of_the_matter_and_the_bank(self, playbook: Playbook) -> None:
        slots = found(playbook, story(amount="300", product="信用卡"), text="排了四十分钟队").slots
        told = {"heard": "排了四十分钟队", "amount": "300元", "product": "信用卡", "cause_name": "交班与营业时间"}
        assert told.items() <= slots.items()
        assert slots["hotline"] == playbook.organisation.hotline
        assert slots["decision_days"] == "15日"

    def test_numbers_that_are_not_sure_are_not_told(self, playbook: Playbook) -> None:
        assert not {"review_days", "leak_report"} & found(playbook, story()).slots.keys()

    def test_the_counters_figures_are_those_of_the_day_it_happened(self, playbook: Playbook) -> None:
        assert "cash_in_id" not in found(playbook, story(event_time="2022-02-28")).slots
        assert "loss_written" not in found(playbook, story(event_time="2011-01-07")).slots
        assert "loss_written" in found(playbook, story(event_time="2011-01-08")).slots

    def test_our_own_times_are_those_of_today(self, playbook: Playbook) -> None:
        assert found(playbook, story(event_time="2020-12-31")).slots["first_contact"] == "1个工作日"

    def test_of_the_incident(self, playbook: Playbook) -> None:
        announced = incident(
            to="2026-11-25T20:00:00+08:00", services=["手机银行", "网银"], workaround="用柜台或热线办理"
        )
        slots = found(playbook, story(**PHONE_BANK), incidents=[announced]).slots
        assert {
            name: value for name, value in slots.items() if name.startswith("incident_") or name == "workaround"
        } == {
            "incident_no": "SJ20261125001",
            "incident_title": "手机银行登录异常",
            "incident_from": "11月25日 09:00",
            "incident_to": "11月25日 20:00",
            "incident_services": "手机银行、网银",
            "workaround": "用柜台或热线办理",
        }

    @pytest.mark.parametrize(
        ("draft", "number"), [(TicketDraft(), "TS7"), (story(), None)]
    )  # in a new matter the old number is none
    def test_the_ticket_of_the_conversation(self, draft: TicketDraft, number: str | None, playbook: Playbook) -> None:
        told = situation(say("嗯", "inform"), memory(draft, ticket_no="TS7"), world(playbook))
        assert told.slots.get("ticket_no") == number

    def test_the_caller_knows_the_ticket(self, playbook: Playbook) -> None:
        assert found(playbook, story(), more={"ticket_no": "TS1"}).slots["ticket_no"] == "TS1"

    def test_every_name_is_one_that_texts_may_use(self, playbook: Playbook) -> None:
        slots = found(playbook, story(**NOON, amount="300"), incidents=[incident(services=[])]).slots
        public = {*playbook.organisation.facts, *playbook.sla.figures_on(NOW.date())}
        assert slots.keys() - PLACEHOLDERS - public == set()


class TestDay:
    @pytest.mark.parametrize(
        ("draft", "day"),
        [
            (story(event_time="2025-12-31"), date(2025, 12, 31)),
            (story(event_time="2025-12-31T23:59"), date(2025, 12, 31)),
            (story(event_time_text="那阵子"), NOW.date()),
            (story(event_time="那阵子"), NOW.date()),
            (story(), NOW.date()),
        ],
    )
    def test_the_day_it_happened_else_today(self, draft: TicketDraft, day: date, playbook: Playbook) -> None:
        assert found(playbook, draft).day == day

    @pytest.mark.parametrize(
        ("value", "moment", "day"),
        [
            (None, None, None),
            ("上周", None, None),
            ("Tuesday", None, None),
            ("2026-11-24", None, date(2026, 11, 24)),
            ("2026-11-24T12:05", datetime(2026, 11, 24, 12, 5), date(2026, 11, 24)),  # noqa: DTZ001 - as the customer says it
        ],
    )
    def test_moment_and_day(self, value: str | None, moment: datetime | None, day: date | None) -> None:
        assert (moment_of(story(event_time=value)), day_of(story(event_time=value))) == (moment, day)


class TestWording:
    def test_a_retried_turn_says_the_same(self, playbook: Playbook) -> None:
        assert found(playbook, story()).turn == found(playbook, story()).turn

    @pytest.mark.parametrize("changes", [{"draft": story(script_ids_used=("X00@1",))}, {"form_run": 2}])
    def test_the_next_time_says_it_in_another_way(self, changes: dict[str, Any], playbook: Playbook) -> None:
        turn, shown = say("你们不给办", "complain"), world(playbook)
        first = situation(turn, memory(story()), shown).turn
        later = situation(turn, memory(**({"draft": story()} | changes)), shown).turn
        assert later % 3 != first % 3

    def test_conversations_differ(self, playbook: Playbook) -> None:
        shown = world(playbook)
        turns = {situation(say("嗯", conversation_id=f"c{it}"), memory(story()), shown).turn % 3 for it in range(20)}
        assert turns == {0, 1, 2}


@pytest.mark.parametrize(("draft", "cause"), [(story(), "C5a"), (story(cause_l2=None), "C5"), (TicketDraft(), None)])
def test_the_finest_cause_known(draft: TicketDraft, cause: str | None, playbook: Playbook) -> None:
    assert found(playbook, draft).cause == cause
