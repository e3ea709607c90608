"""One number in many spellings, put wherever somebody may type it, and looked for wherever it could come out."""

import re

import pytest

from api.core.personal_numbers import digits_of
from tests.api.conftest import Bridge
from tests.api.files.samples import pdf
from tests.api.test_privacy import everything


@pytest.mark.parametrize(
    "number",
    ["6222 0202 0011 2233 446", "６２２２０２０２００１１２２３３４４６", "六二二二零二零二零零一一二二三三四四六", "11010519491231002X", "1101 0519 4912 3100 2x", "一一零一零五一九四九一二三一零零二Ｘ"],
    ids=["card spaced", "card wide", "card in words", "id", "id spaced", "id in words"],
)  # fmt: skip
async def test_however_it_is_typed_it_stands_nowhere(
    bridge: Bridge, number: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """Told, commented, named as a file, asked for, given as a reason, refused; then every table, way out, answer and log."""
    key, said = bridge.key(), f"我的号码{number}，柜员让我等"
    ticket = (await bridge.file(narrative_raw=said, name=said, product=said)).json()["ticket_no"]
    place = f"/v1/tickets/{ticket}"
    answers = [
        await bridge.http.post(f"{place}/events", json={"type": "comment", "text": said}, headers=key),
        await bridge.http.post(f"{place}/events", json={"type": "urge", "reason": said}, headers=key),
        await bridge.http.post(f"{place}/events", json={"type": "extend", "days": said, "reason": said}, headers=key),
        await bridge.http.post(f"{place}/attachments", files={"file": (f"{said}.pdf", pdf())}, headers=key),
        await bridge.http.post(f"{place}/attachments", files={"file": (f"{said}.exe", b"MZ")}, headers=key),
        await bridge.http.post("/v1/privacy/holds", json={"ticket_no": ticket, "reason": said}, headers=key),
        await bridge.http.get("/v1/tickets", params={"q": number}, headers=key),
        await bridge.http.get("/v1/tickets", params={"q": "柜员让我"}, headers=key),
        await bridge.http.get(place, headers=key),
        await bridge.http.get("/v1/tickets/export", params={"personal": "full"}, headers=key),
        await bridge.http.get("/v1/handoff/events", params={"personal": "full"}, headers=key),
        await bridge.http.get("/v1/audit", headers=key),
    ]
    assert answers[6].json()["tickets"] == []
    assert len(answers[7].json()["tickets"]) == 1
    told = "\n".join(answer.text for answer in answers) + await everything(bridge)
    await bridge.stop()
    told += "".join(capfd.readouterr())
    digits, kept = (re.sub(r"\W", "", digits_of(text)).upper() for text in (number, told))
    assert digits not in kept
    assert digits[:6] + digits[-4:] in kept  # it was there, masked
    assert number not in told
