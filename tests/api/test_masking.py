"""What is personal among numbers: a table of strings that were written to get past the masking, or to be masked wrongly."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from api.core.files.names import scrub_filename
from api.core.personal_numbers import digits_of, shortened
from api.core.redaction import mask_for_log, scrub, scrub_all, scrub_split
from api.dialogue.models import conversations
from tests.api.conftest import Bridge

TABLE = Path(__file__).with_name("masking_table.txt")
RECALL, PRECISION = 0.995, 0.98
_SIGNS = str.maketrans({"⏎": "\n", "␣": "\u00a0", "‖": "\u200b"})
_MARK = re.compile(r"⟦(.*?)⟧", re.S)

CARD = "6222020200112233446"
IDENTITY = "310101199003071230"


@dataclass(frozen=True)
class Case:
    """A text, and what must become of it."""

    text: str
    expected: str


def cases() -> list[Case]:
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    marked = [line.translate(_SIGNS) for line in lines]
    return [Case(_MARK.sub(r"\1", one), _MARK.sub(lambda found: shortened(bare(found[1])), one)) for one in marked]


def bare(text: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", digits_of(text).upper().replace("×", "X"))


def masks(text: str) -> Counter[str]:
    return Counter(re.findall(r"[0-9A-Z]+\*+[0-9X]+", text))


def test_the_table_is_large_enough() -> None:
    assert len(cases()) >= 200
    assert len({case.text for case in cases()}) == len(cases())


@pytest.mark.parametrize("case", cases(), ids=[case.text for case in cases()])
def test_each_string_is_masked_as_expected(case: Case) -> None:
    assert scrub(case.text) == case.expected


def test_recall_and_precision_reach_the_target() -> None:
    """By number: found of those that are there, and right of those that are found."""
    there = found = right = 0
    for case in cases():
        before, expected, got = masks(case.text), masks(case.expected), masks(scrub(case.text))
        there += (expected - before).total()
        found += (got - before).total()
        right += ((expected - before) & (got - before)).total()
    print(f"{there} numbers in {len(cases())} strings: recall {right / there:.4f}, precision {right / found:.4f}")
    assert right / there >= RECALL
    assert right / found >= PRECISION


@pytest.mark.parametrize("case", cases(), ids=[case.text for case in cases()])
def test_masking_twice_is_masking_once(case: Case) -> None:
    masked = scrub(case.text)
    assert scrub(masked) == masked


@pytest.mark.parametrize(
    "pieces",
    [
        ["62220202", "00112233446"],
        ["卡号6222 0202", "0011 2233 446"],
        ["6222", "0202", "0011", "2233446"],
        ["我的卡是6222", "0202", "0011", "2233446，请查"],
        ["310101", "19900307", "1230"],
        ["身份证31010119", "9003071230"],
        ["６２２２０２０２", "００１１２２３３４４６"],
        ["六二二二零二零二", "零零一一二二三三四四六"],
    ],
)
def test_a_number_in_pieces_is_hidden_in_each(pieces: list[str]) -> None:
    hidden = scrub_split(pieces[:-1], pieces[-1])
    number = bare("".join(pieces))
    left = bare("".join(hidden))
    assert number not in left
    assert len(left) <= 10
    assert [len(one) for one in hidden] == [len(one) for one in pieces]


@pytest.mark.parametrize(
    "pieces", [["等了30", "分钟"], ["13912345678", "13800138000"], ["扣了300", "200"], ["95588", "13912345678"]]
)
def test_other_numbers_in_pieces_stay(pieces: list[str]) -> None:
    assert scrub_split(pieces[:-1], pieces[-1]) == pieces


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"身份证{IDENTITY}.jpg", "身份证310101********1230.jpg"),
        (f"{CARD}_正面.png", "622202*********3446_正面.png"),
        ("IMG_20261125_143000.jpg", "IMG_20261125_143000.jpg"),
        ("mmexport1764052200000.jpg", "mmexport1764052200000.jpg"),
        ("微信图片_20261125143000.png", "微信图片_20261125143000.png"),
        ("6222-0202-0011-2233-446.pdf", "622202*********3446.pdf"),
    ],
)
def test_file_names(name: str, expected: str) -> None:
    assert scrub_filename(name) == expected


def test_every_text_of_a_value_is_masked_and_its_shape_kept() -> None:
    value = {"a": [CARD, 5, None, True], "b": (IDENTITY,), CARD: {"c": f"卡{CARD}"}, "d": 1.5}
    masked = scrub_all(value)
    assert CARD not in str(masked)
    assert IDENTITY not in str(masked)
    assert isinstance(masked["b"], tuple)
    assert masked["a"][1:] == [5, None, True]


@pytest.mark.parametrize("number", [CARD, "6222021234567890123", IDENTITY])
def test_a_password_that_is_a_number_too_is_deleted(number: str) -> None:
    assert scrub(f"密码是{number}") == "密码是[已删除]"


@pytest.mark.parametrize("number", ["110004199003071237", "110004180003071237"])
def test_an_identity_number_of_a_county_that_nobody_knows_harms_nothing(number: str) -> None:
    """The library has the province of 110004 and no county, and stumbles."""
    assert scrub(f"身份证号{number}") in (f"身份证号{shortened(number)}", f"身份证号{number}")


@pytest.mark.parametrize("digits", ["⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉"])
def test_raised_and_lowered_digits_are_digits(digits: str) -> None:
    assert scrub("卡" + CARD.translate(str.maketrans("0123456789", digits))) == f"卡{shortened(CARD)}"


def test_the_log_shows_no_phone_either() -> None:
    assert mask_for_log(f"打13912345678，卡{CARD}") == "打139****5678，卡622202*********3446"


# Through the real doors


FIELDS = (
    "narrative_raw",
    "name",
    "branch_name",
    "event_time_text",
    "product",
    "staff_described",
    "customer_quote",
    "summary",
)


@pytest.mark.parametrize("field", FIELDS)
async def test_a_card_in_any_field_of_a_ticket(bridge: Bridge, field: str) -> None:
    filed = await bridge.file(**{field: f"见{CARD}"})
    assert filed.status_code == 201, filed.text
    ticket = await bridge.http.get(f"/v1/tickets/{filed.json()['ticket_no']}", headers=bridge.key())
    assert CARD not in ticket.text
    assert "622202*********3446" in ticket.text


async def test_a_card_in_lists_of_a_ticket(bridge: Bridge) -> None:
    filed = await bridge.file(trigger_phrases=[f"卡{CARD}"], tags=[IDENTITY], special_group=[CARD])
    ticket = await bridge.http.get(f"/v1/tickets/{filed.json()['ticket_no']}", headers=bridge.key())
    assert CARD not in ticket.text
    assert IDENTITY not in ticket.text


EVENTS: list[dict[str, Any]] = [
    {"type": "comment", "text": f"卡{CARD}"},
    {"type": "comment", "text": "补充", "from_customer": True, "facts": {"staff_described": f"卡{CARD}"}},
    {"type": "correct", "fields": {"name": CARD}},
    {"type": "correct", "fields": {"branch_name": f"卡{CARD}"}},
    {"type": "contact", "text": f"卡{CARD}"},
    {"type": "reject", "reason": f"卡{CARD}不归我们"},
    {"type": "extend", "days": 5, "reason": f"卡{CARD}要核", "approver": f"{IDENTITY}"},
    {"type": "withdraw", "reason": f"卡{CARD}"},
    {"type": "urge", "text": f"卡{CARD}"},
]


@pytest.mark.parametrize("event", EVENTS, ids=[event["type"] for event in EVENTS])
async def test_a_card_in_any_event(bridge: Bridge, event: dict[str, Any]) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    told = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("supervisor"))
    assert told.status_code == 201, told.text
    assert CARD not in told.text
    assert IDENTITY not in told.text


async def test_a_card_in_what_was_found_and_done(bridge: Bridge) -> None:
    number = (await bridge.file()).json()["ticket_no"]
    for event in (
        {"type": "accept"},
        {
            "type": "resolve",
            "outcome": "解释",
            "root_cause": CARD,
            "corrective_action": f"卡{CARD}",
            "text": f"卡{CARD}",
        },
    ):
        told = await bridge.http.post(f"/v1/tickets/{number}/events", json=event, headers=bridge.key("supervisor"))
        assert told.status_code == 201, told.text
    assert CARD not in told.text


async def test_a_card_in_pieces_over_messages(bridge: Bridge) -> None:
    """Four groups, four messages: what was kept of the first ones is hidden too."""
    talk = await bridge.talk()
    for piece in ("卡号是6225", "8801", "2345", "6783"):
        seq = await talk.say(piece)
    await talk.answered(seq)
    said = [m["text"] for m in (await talk.history())["messages"] if m["role"] == "customer"]
    assert said == ["卡号是6225", "88**", "****", "6783"]


async def test_a_card_in_the_metadata_of_a_conversation(bridge: Bridge) -> None:
    body = {"consent": True, "metadata": {"page": f"https://example.com/?card={CARD}", "more": [{"id": IDENTITY}]}}
    made = await bridge.http.post("/v1/conversations", json=body)
    assert made.status_code == 201
    kept = await bridge.app.state.context.db.read(
        lambda connection: connection.execute(select(conversations.c.metadata)).scalar_one()
    )
    assert CARD not in str(kept)
    assert IDENTITY not in str(kept)
