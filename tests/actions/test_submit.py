"""Filing: the body of the ticket, the receipt, and what stays for the next matter. Nothing is filed without a yes."""

from dataclasses import replace
from typing import Any

import pytest
from rasa_sdk.executor import CollectingDispatcher

from actions.bridge import Directory, FiledTicket, TicketRefusedError
from actions.picked import CONFIRMED
from actions.submit import ActionSubmitComplaint, after_filing, summary
from actions.tracker import Memory, Turn
from contract.playbook import Playbook
from contract.ticket import Channel, FieldSource, Nature, Request, TicketCreate, TicketDraft
from tests.actions.parts import (
    NOW,
    STORY,
    TICKET,
    FakeBridge,
    Spoken,
    branch,
    follows,
    incident,
    memory,
    pressed,
    receipt,
    say,
    slots_of,
    story,
    tracker,
    whole,
)

YES = pressed("confirm:yes", "确认提交")
KNOWN = FieldSource(source="known", confidence=1.0)


def confirmed(draft: TicketDraft | None = None, **more: Any) -> Memory:
    return replace(memory(draft or whole(), **more), asked=("phone", CONFIRMED), form_active=False)


class RefusesDetails(FakeBridge):
    """Takes no amount."""

    async def file_ticket(self, ticket: TicketCreate, key: str) -> FiledTicket:
        answer = await super().file_ticket(ticket, key)
        if ticket.amount is not None:
            raise TicketRefusedError
        return answer


async def submit(playbook: Playbook, before: Memory, bridge: FakeBridge, turn: Turn = YES) -> tuple[Spoken, list[Any]]:
    spoken = Spoken()
    events = await ActionSubmitComplaint(bridge, playbook).run(spoken, tracker(turn, before), {})
    return spoken, events


async def filed(
    playbook: Playbook, before: Memory, turn: Turn = YES, directory: Directory | None = None
) -> TicketCreate:
    await submit(playbook, before, bridge := FakeBridge(directory=directory), turn)
    ((ticket, _),) = bridge.tickets
    return ticket


class TestNotFiled:
    @pytest.mark.parametrize("asked", [(), ("phone",), ("phone", "confirm")])
    async def test_without_a_yes(self, asked: tuple[str, ...], playbook: Playbook) -> None:
        before, bridge = replace(confirmed(), asked=asked), FakeBridge()
        spoken, events = await submit(playbook, before, bridge)
        assert (bridge.tickets, spoken.said, events) == ([], [], [])

    def test_the_dispatcher_is_rasas(self) -> None:
        """`Spoken` stands for it."""
        assert hasattr(CollectingDispatcher(), "utter_message")


class TestTicket:
    async def test_everything_said_is_in_it(self, playbook: Playbook) -> None:
        draft = whole(
            amount="300", tags=("舆情",), trigger_phrases=("曝光",), level_course=(1, 3), script_ids_used=("X00@1",)
        )
        ticket = await filed(playbook, confirmed(draft))
        kept = draft.model_dump(exclude={"level", "summary", "business_category", "business_channel"})
        assert ticket.model_dump(include=set(kept)) == kept

    async def test_what_the_bank_adds(self, playbook: Playbook) -> None:
        ticket = await filed(playbook, confirmed(), replace(YES, channel="wechat", conversation_id="c7"))
        assert ticket.conversation_id == "c7"
        assert ticket.intake_channel is Channel.WECHAT
        assert ticket.created_at == NOW
        assert ticket.summary == f"2026年11月24日（昨天），城东支行；交班与营业时间；诉求：核实；{STORY}"
        assert (ticket.business_category, ticket.business_channel) == ("人民币储蓄", "营业现场")
        assert (ticket.incident_id, ticket.missing_fields) == (None, ())

    @pytest.mark.parametrize("run", [1, 3])
    async def test_the_key_is_conversation_and_form_run(self, run: int, playbook: Playbook) -> None:
        bridge = FakeBridge()
        await submit(playbook, confirmed(form_run=run), bridge)
        await submit(playbook, confirmed(form_run=run), bridge)
        assert {key for _, key in bridge.tickets} == {f"c1:{run}"}

    async def test_the_level_does_not_fall_with_a_button(self, playbook: Playbook) -> None:
        ticket = await filed(playbook, confirmed(whole(level=0, level_peak=3)))
        assert (ticket.level, ticket.level_peak) == (3, 3)

    async def test_a_known_incident(self, playbook: Playbook) -> None:
        draft = whole(cause_l1="C6", cause_l2="C6c", narrative_raw="手机银行登不上去", event_time="2026-11-25")
        ticket = await filed(playbook, confirmed(draft), directory=Directory({"B1": branch()}, (incident(),)))
        assert ticket.incident_id == "SJ20261125001"

    @pytest.mark.parametrize(
        ("draft", "skipped", "missing"),
        [
            (whole(), "", ()),
            (whole(phone=None), "phone", ("phone",)),
            (whole(phone=None, name=None, anonymous=True), "name phone", ()),  # a right, not a gap
            (story(request=Request.VERIFY), "branch", ("branch", "event_time", "name", "phone")),
            (whole(amount=None), "amount", ("amount",)),
            (whole(), "branch", ()),  # skipped, and told after all
        ],
    )
    async def test_missing_fields(
        self, draft: TicketDraft, skipped: str, missing: tuple[str, ...], playbook: Playbook
    ) -> None:
        ticket = await filed(playbook, confirmed(draft, skipped=frozenset(skipped.split())))
        assert ticket.missing_fields == missing

    async def test_a_detail_that_is_refused_costs_no_ticket(self, playbook: Playbook) -> None:
        draft = whole(amount="300", cause_secondary="C7", tags=("舆情",), level_peak=2)
        await submit(playbook, confirmed(draft), bridge := RefusesDetails())
        (_, first), (ticket, again) = bridge.tickets
        assert (first, again) == ("c1:1", "c1:1")
        assert ticket.model_dump(exclude_unset=True).keys() == {
            "nature", "narrative_raw", "summary", "phone", "name", "anonymous", "cause_l1", "cause_l2", "level", "level_peak",
            "tags", "conversation_id", "intake_channel", "created_at",
        }  # fmt: skip
        assert (ticket.narrative_raw, ticket.phone, ticket.level, ticket.tags) == (STORY, "<PHONE_1>", 2, ("舆情",))

    async def test_who_tips_off_wants_it_looked_into(self, playbook: Playbook) -> None:
        ticket = await filed(playbook, confirmed(whole(nature=Nature.TIP_OFF, request=None)))
        assert ticket.request is Request.VERIFY
        assert ticket.sources["request"].source == "inferred"

    async def test_a_wish_that_was_told_is_not_inferred(self, playbook: Playbook) -> None:
        ticket = await filed(playbook, confirmed(whole(nature=Nature.TIP_OFF, request=Request.STAFF)))
        assert ticket.request is Request.STAFF
        assert not ticket.sources

    async def test_nobody_else_is_said_to_want_something(self, playbook: Playbook) -> None:
        assert (await filed(playbook, confirmed(whole(nature=Nature.PRAISE, request=None)))).request is None


class TestReceipt:
    @pytest.mark.parametrize(
        ("draft", "answer", "line"),
        [
            (whole(), receipt(), "utter_filed"),
            (whole(phone=None), receipt(), "utter_filed_without_phone"),
            (whole(nature=Nature.PRAISE), receipt(), "utter_filed_praise"),
            (whole(nature=Nature.SUGGESTION), receipt(), "utter_filed_suggestion"),
            (whole(nature=Nature.TIP_OFF), receipt(), "utter_filed_tip_off"),
            (whole(tags=("外语",)), receipt(), "utter_filed_foreign"),
            (whole(), receipt(merged=True), "utter_merged"),
            (whole(), receipt(merged=True, clock_restarted=True), "utter_merged_restarted"),
            (whole(tags=("外语",)), receipt(merged=True), "utter_merged"),
        ],
    )
    async def test_of_every_nature(
        self, draft: TicketDraft, answer: FiledTicket, line: str, playbook: Playbook
    ) -> None:
        spoken, _ = await submit(playbook, confirmed(draft), FakeBridge(filed=answer))
        assert spoken.lines == [line]
        assert spoken.line(line)["ticket_no"] == TICKET

    @pytest.mark.parametrize(
        ("draft", "answer", "promised"),
        [
            (whole(phone=None), receipt(), {"decision_due": "2026年12月10日前"}),  # nobody can call
            (whole(nature=Nature.PRAISE, phone=None), receipt(), {}),
            (whole(), receipt(first_contact_due=None, decision_due=None), {}),
            (whole(), receipt(), {"first_contact_due": "11月26日 23:59 前", "decision_due": "2026年12月10日前"}),
        ],
    )
    async def test_promises_only_the_clocks_of_the_ticket(
        self, draft: TicketDraft, answer: FiledTicket, promised: dict[str, str], playbook: Playbook
    ) -> None:
        spoken, _ = await submit(playbook, confirmed(draft), FakeBridge(filed=answer))
        assert spoken.card(spoken.lines[0]) == {"ticket_no": TICKET} | promised


class TestWhatStays:
    BEFORE = confirmed(
        whole(
            anonymous=True,
            customer_type="对公",
            level_peak=3,
            tags=("监管", "共同投诉", "重复投诉"),
            special_group=("老人",),
            amount="300",
            is_agent=True,
            agent_kind="agent",
        ),
        tries={"branch": 1},
        skipped=frozenset({"amount"}),
        told=frozenset({"X02"}),
        clarified=True,
        correcting=True,
        human_offered=True,
        rights_told=True,
    )

    def test_nobody_is_asked_twice_who_they_are(self) -> None:
        draft = after_filing(self.BEFORE, receipt()).draft
        assert draft.model_dump(exclude_defaults=True) == {
            "name": "周女士",
            "phone": "<PHONE_1>",
            "anonymous": True,
            "customer_type": "对公",
            "level_peak": 3,
            "tags": ("监管",),
            "special_group": ("老人",),
            "sources": {"name": KNOWN.model_dump(), "phone": KNOWN.model_dump()},
        }

    def test_the_form_is_as_new(self) -> None:
        now = after_filing(self.BEFORE, receipt())
        assert (now.requested, now.asked, dict(now.tries), now.later) == (None, (), {}, None)
        assert (now.skipped, now.told, now.clarified, now.correcting) == (frozenset(), frozenset(), False, False)
        assert now.form_run == 2

    def test_who_would_not_say_it_is_not_asked_again(self) -> None:
        before = replace(self.BEFORE, skipped=frozenset({"amount", "phone", "name"}))
        assert after_filing(before, receipt()).skipped == {"phone", "name"}

    def test_of_the_conversation_nothing_is_forgotten(self) -> None:
        now = after_filing(self.BEFORE, receipt())
        assert (now.human_offered, now.rights_told) == (True, True)

    @pytest.mark.parametrize(
        ("draft", "place"),
        [(whole(), "B1"), (whole(branch=None, branch_name="菜市场那家"), "菜市场那家"), (story(), None)],
    )
    def test_the_ticket_is_known(self, draft: TicketDraft, place: str | None) -> None:
        now = after_filing(confirmed(draft), receipt())
        assert (now.ticket_no, now.ticket_cause, now.ticket_branch) == (TICKET, "C5", place)
        assert now.ticket_phone_tail == draft.phone

    async def test_its_slots(self, playbook: Playbook) -> None:
        _, events = await submit(playbook, confirmed(), FakeBridge())
        slots = slots_of(events)
        assert (slots["ticket_no"], slots["form_run"], slots["narrative_raw"], slots["asked"]) == (TICKET, 2, None, [])
        assert "phone" not in slots  # unchanged
        assert follows(events) == []


class TestSecondMatter:
    LATER = story(narrative_raw="手机银行也登不上去", cause_l1="C6", cause_l2="C6c").model_dump(mode="json")

    async def test_follows_at_once(self, playbook: Playbook) -> None:
        spoken, events = await submit(playbook, confirmed(later=self.LATER), FakeBridge())
        assert spoken.lines == ["utter_filed", "utter_later_now"]
        assert follows(events) == ["complaint_form"]

    async def test_starts_from_what_was_told_and_who_the_customer_is(self, playbook: Playbook) -> None:
        _, events = await submit(playbook, confirmed(later=self.LATER), FakeBridge())
        slots = slots_of(events)
        assert (slots["narrative_raw"], slots["cause_l2"], slots["later"]) == ("手机银行也登不上去", "C6c", None)
        assert (slots["branch"], slots["event_time"], slots["request"]) == (None, None, None)
        assert not {"name", "phone"} & slots.keys()  # as they were
        assert slots["sources"]["phone"]["source"] == "known"

    async def test_is_a_ticket_of_its_own(self, playbook: Playbook) -> None:
        _, events = await submit(playbook, confirmed(later=self.LATER), FakeBridge())
        assert slots_of(events)["form_run"] == 2


@pytest.mark.parametrize(
    ("draft", "line"),
    [
        (TicketDraft(), "投诉"),
        (story(cause_l1=None, cause_l2=None), f"投诉；{STORY}"),
        (whole(nature=Nature.PRAISE, request=None), f"2026年11月24日（昨天），城东支行；表扬；{STORY}"),
        (story(narrative_raw="第一句\n第二句"), "交班与营业时间；第一句"),
        (story(narrative_raw="长" * 70), f"交班与营业时间；{'长' * 59}…"),
    ],
)
def test_summary(draft: TicketDraft, line: str, playbook: Playbook) -> None:
    assert summary(draft, playbook) == line


async def test_a_typed_yes_files_like_a_button(playbook: Playbook) -> None:
    ticket = await filed(playbook, confirmed(), say("确认提交", "affirm"))
    assert ticket.narrative_raw == STORY
