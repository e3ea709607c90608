"""Only what is missing is asked, one thing at a time."""

from actions import fields
from contract.playbook import Playbook
from contract.ticket import Request, TicketDraft

_STORY = "昨天中午去取钱柜台不给办"


def ask(draft: TicketDraft, playbook: Playbook, *skipped: str, **tries: int) -> str:
    return fields.next_field(draft, playbook=playbook, skipped=frozenset(skipped), tries=tries)


def test_a_cry_of_anger_is_asked_for_the_story(playbook: Playbook) -> None:
    assert ask(TicketDraft(narrative_raw="太差了", cause_l1="C99"), playbook) == "narrative"


def test_the_order_follows_the_cause(playbook: Playbook) -> None:
    draft = TicketDraft(narrative_raw=_STORY, cause_l1="C5", cause_l2="C5a")
    assert ask(draft, playbook) == "branch"
    assert ask(draft, playbook, "branch") == "event_time"


def test_what_is_known_is_not_asked(playbook: Playbook) -> None:
    draft = TicketDraft(narrative_raw=_STORY, cause_l1="C5", branch_name="城东支行", event_time_text="昨天")
    assert ask(draft, playbook) == "request"


def test_a_call_has_no_branch(playbook: Playbook) -> None:
    assert ask(TicketDraft(narrative_raw=_STORY, cause_l1="C3", cause_l2="C3d"), playbook) == "event_time"


def test_twice_is_enough(playbook: Playbook) -> None:
    draft = TicketDraft(narrative_raw=_STORY, cause_l1="C5")
    assert ask(draft, playbook, branch=2) == "event_time"


def test_the_end_is_the_read_back(playbook: Playbook) -> None:
    draft = TicketDraft(
        narrative_raw=_STORY, cause_l1="C99", request=Request.APOLOGY, name="周", phone="<PHONE_1>", amount="300"
    )
    assert ask(draft, playbook) == "confirm"
    card = fields.read_back_card(draft, playbook)
    values = {line.name: line.value for line in card.fields}
    assert values["amount"] == "300 元"
    assert values["request"] == "道歉"
    assert "branch" not in values


def test_a_complaint_without_a_phone_can_be_read_back(playbook: Playbook) -> None:
    card = fields.read_back_card(TicketDraft(narrative_raw=_STORY), playbook)
    assert next(line.value for line in card.fields if line.name == "phone").startswith("未留")
