"""Whether a known incident is behind a complaint: cause, branch and time must all fit."""

from typing import Any

import pytest

from actions.incidents import behind
from contract.incident import Incident
from contract.ticket import TicketDraft
from tests.actions.parts import NOW, incident, story

PHONE = {"cause_l1": "C6", "cause_l2": "C6c", "narrative_raw": "手机银行登不上"}
MACHINE = {"cause_l1": "C6", "cause_l2": "C6b", "narrative_raw": "吞了我的卡"}
QUEUE = {"cause_l1": "C3", "cause_l2": "C3a", "narrative_raw": "等了两个小时"}
CROWD = {"kind": "crowd", "services": [], "title": "发放社保卡排队"}
# Yesterday from nine to noon.
OVER = {"from": "2026-11-24T09:00:00+08:00", "to": "2026-11-24T12:00:00+08:00"}


@pytest.mark.parametrize(
    ("draft", "announced"),
    [
        # Another matter.
        (story(), {}),
        (story(narrative_raw="系统不行，柜员也不行"), {}),  # no service of the incident is named
        (story(narrative_raw="手机银行的客服骂人"), {}),  # nothing broke
        (story(**QUEUE), {}),
        (story(**PHONE), CROWD),
        (story(**MACHINE), {}),
        (story(**MACHINE), {"kind": "cluster", "services": []}),  # many complain, and nobody knows yet why
        (story(cause_l1="C6", cause_l2="C6d", narrative_raw="空调坏了"), {}),
        # Another branch, or none that is known.
        (story(**PHONE), {"branches": ["B1"]}),
        (story(**PHONE, branch_name="城东支行"), {"branches": ["B1"]}),
        (story(**PHONE, branch="B2"), {"branches": ["B1"]}),
        # Another time.
        (story(**PHONE), OVER),
        (story(**PHONE), {"from": "2026-11-25T20:00:00+08:00"}),  # announced for tonight
        (story(**PHONE, event_time="2026-11-24T12:00"), OVER),  # the closing minute
        (story(**PHONE, event_time="2026-11-23"), OVER),
        (story(**PHONE, event_time="2026-11-25"), OVER),
        (story(**PHONE, event_time="那阵子"), OVER),
        (story(**PHONE, event_time="2026-11-25T08:59"), {}),
    ],
)
def test_is_not_behind(draft: TicketDraft, announced: dict[str, Any]) -> None:
    assert behind(draft, [incident(**announced)], NOW) is None


@pytest.mark.parametrize(
    ("draft", "announced"),
    [
        (story(**PHONE), {}),
        (story(**PHONE), {"services": ["电子银行"]}),  # another word for it
        (story(**MACHINE), {"services": ["存取款一体机"]}),
        (story(**MACHINE), {"services": []}),
        (story(cause_l1="C6", cause_l2="C6a", narrative_raw="什么都办不了"), {"services": ["柜面"]}),
        (story(cause_l1="C6", cause_l2=None, narrative_raw="手机银行打不开"), {}),
        (story(cause_l1="C2", narrative_raw="说手机银行系统升级，柜台又说没有"), {}),
        (story(cause_l1="C1", narrative_raw="系统乱了", product="手机银行"), {}),
        (story(**QUEUE, branch="B1"), CROWD | {"branches": ["B1"]}),
        (story(**PHONE, branch="B1"), {"branches": ["B1", "B2"]}),
        (story(**PHONE, event_time="那阵子"), {}),
        (story(**PHONE, event_time="2026-11-24"), OVER),
        (story(**PHONE, event_time="2026-11-24T09:00"), OVER),
        (story(**PHONE, event_time="2026-11-24T11:59"), OVER),
        (story(**PHONE, event_time="2026-11-25"), {}),
    ],
)
def test_is_behind(draft: TicketDraft, announced: dict[str, Any]) -> None:
    assert behind(draft, [incident(**announced)], NOW) is not None


def test_of_several_the_newest() -> None:
    def announced(number: int, hour: int) -> Incident:
        return incident(incident_no=f"SJ2026112500{number}", **{"from": f"2026-11-25T{hour:02d}:00:00+08:00"})

    known = [announced(1, 9), announced(3, 14), announced(2, 12), announced(4, 20)]
    found = behind(story(**PHONE), known, NOW)
    assert found is not None
    assert found.incident_no == "SJ20261125003"


def test_without_incidents_there_is_none() -> None:
    assert behind(story(**PHONE), [], NOW) is None
