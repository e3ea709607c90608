"""The export: the bank's own columns, dates as dates, numbers as numbers, nothing that runs, nobody's phone."""

import asyncio
import io
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from api.core.models import audit
from api.core.workplace import sweep
from api.tickets import export
from api.tickets.columns import ExportColumnError
from contract.playbook_loader import PlaybookError, load_playbook
from tests.api.conftest import ROOT, Bridge, Start

EXPORT = "/v1/tickets/export"


async def table(bridge: Bridge, role: str = "auditor", **params: Any) -> tuple[list[str], list[list[Any]]]:
    """Titles and rows of the XLSX, read by another library than the one that wrote it."""
    response = await bridge.http.get(EXPORT, params={"format": "xlsx", **params}, headers=bridge.key(role))
    assert response.status_code == 200, response.text
    sheet = load_workbook(io.BytesIO(response.content)).active
    head, *rows = [[cell for cell in row] for row in sheet.iter_rows()]
    return [cell.value for cell in head], rows


def playbook(directory: Path, before: str, after: str) -> Path:
    """A playbook with another export.yml."""
    copy = directory / "playbook"
    shutil.copytree(ROOT / "playbook", copy)
    path = copy / "export.yml"
    text = path.read_text("utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), "utf-8")
    return copy


# Refused


@pytest.mark.parametrize("role", ["agent", "handler"])
async def test_who_may_not_export(bridge: Bridge, role: str) -> None:
    assert (await bridge.http.get(EXPORT, headers=bridge.key(role))).status_code == 403


@pytest.mark.parametrize("role", ["supervisor", "auditor"])
async def test_only_administrators_export_whole_phones(bridge: Bridge, role: str) -> None:
    refused = await bridge.http.get(EXPORT, params={"personal": "full"}, headers=bridge.key(role))
    assert (refused.status_code, "personal=full" in refused.json()["error"]["message"]) == (403, True)


async def test_a_column_that_does_not_exist_stops_the_start(start: Start, tmp_path: Path) -> None:
    changed = playbook(tmp_path, "field: ticket_no", "field: ticket_number")
    with pytest.raises(ExportColumnError, match=r"ticket_number.*ticket_no"):
        await start(playbook=changed)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("title: 状态", "title: 工单号", "重复：工单号"),
        ("{name: 营业现场,", "{name: 大厅,", "缺少 taxonomy.yml 用到的：营业现场"),
        ("{name: 贷款,", "{name: 银行卡,", "重复：银行卡"),
        ('code: "", reliability: R', 'code: "", reliability: X', "第"),
    ],
)
def test_a_mistake_in_the_file_is_told_in_a_sentence(tmp_path: Path, before: str, after: str, told: str) -> None:
    with pytest.raises(PlaybookError, match=told):
        load_playbook(playbook(tmp_path, before, after))


# CSV


async def test_csv_is_for_excel_and_holds_no_formula(bridge: Bridge) -> None:
    for tail, text in enumerate(("=1+1", "+86", "-3", "@SUM(A1)", "\t=1", "\r=1")):
        await bridge.file(phone=f"1390000000{tail}", branch_name=text)
    export = await bridge.http.get(EXPORT, headers=bridge.key("auditor"))
    assert export.content.startswith("\ufeff工单号,状态,登记时间".encode())
    assert export.headers["content-disposition"].endswith('.csv"')
    assert export.text.count(",'=1+1,") == export.text.count(",'@SUM(A1),") == 1
    assert not any(f",{text}," in export.text for text in ("=1+1", "+86", "-3", "@SUM(A1)"))


async def test_nothing_is_a_table_with_titles_only(bridge: Bridge) -> None:
    export = await bridge.http.get(EXPORT, headers=bridge.key("auditor"))
    assert len(export.text.splitlines()) == 1
    assert (await table(bridge))[1] == []


# XLSX


async def test_cells_are_what_they_mean(bridge: Bridge) -> None:
    number = (await bridge.file(amount="1234.50", branch_name="=HYPERLINK(1)", name="王女士")).json()["ticket_no"]
    titles, (row,) = await table(bridge)
    cells = dict(zip(titles, row, strict=True))
    assert (cells["工单号"].value, cells["金额"].value) == (number, 1234.5)
    now = bridge.app.state.context.clock.now().replace(tzinfo=None)  # Beijing, as spreadsheets show it
    assert abs(cells["登记时间"].value - now) < timedelta(minutes=1)
    assert (cells["登记时间"].is_date, cells["重复次数"].value, cells["已超期"].value) == (True, 0, "否")
    assert (cells["网点"].value, cells["网点"].data_type, cells["网点"].quotePrefix) == ("=HYPERLINK(1)", "s", True)


async def test_phones_are_text_and_masked_unless_asked_for_by_an_administrator(bridge: Bridge) -> None:
    await bridge.file()
    titles, (row,) = await table(bridge)
    assert row[titles.index("电话")].value == "138****8000"
    _, (row,) = await table(bridge, "admin", personal="full")
    phone = row[titles.index("电话")]
    assert (phone.value, phone.data_type, phone.number_format) == ("13800138000", "s", "@")


async def test_all_pages_come_in_both_formats(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.tickets.export._PAGE", 7)
    numbers = [(await bridge.file(phone=f"139000000{tail:02}")).json()["ticket_no"] for tail in range(20)]
    _, rows = await table(bridge)
    assert [row[0].value for row in rows] == numbers[::-1]
    export = await bridge.http.get(EXPORT, headers=bridge.key("auditor"))
    assert [line.split(",")[0] for line in export.text.splitlines()[1:]] == numbers[::-1]


async def test_what_does_not_fit_a_sheet_goes_to_the_next(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.tickets.export._ROWS_PER_SHEET", 3)
    for tail in range(7):
        await bridge.file(phone=f"1390000000{tail}")
    response = await bridge.http.get(EXPORT, params={"format": "xlsx"}, headers=bridge.key())
    book = load_workbook(io.BytesIO(response.content))
    assert [sheet.max_row - 1 for sheet in book] == [3, 3, 1]


async def test_a_story_longer_than_a_cell_is_cut_and_says_so(start: Start, tmp_path: Path) -> None:
    changed = playbook(tmp_path, "field: state_label, title: 状态", "field: narrative_raw, title: 经过")
    bridge = await start(playbook=changed)
    await bridge.file(narrative_raw="柜员让我等，回电13900001111。" * 3000)
    titles, (row,) = await table(bridge)
    text = row[titles.index("经过")].value
    assert (len(text), text.endswith("（全文见工单）"), "13900001111" in text) == (32_767, True, False)


async def test_filters_and_seals_hold_for_the_export(bridge: Bridge) -> None:
    await bridge.file(cause_l1="C8")
    await bridge.file(phone="13900000002", cause_l1="C3")
    _, rows = await table(bridge, cause="C3")
    assert len(rows) == 1


# The faces of JR/T 0169


async def test_no_code_is_printed_as_official(bridge: Bridge) -> None:
    await bridge.file(business_channel="营业现场", business_category="银行卡")
    titles, (row,) = await table(bridge)
    cells = {title: cell.value for title, cell in zip(titles, row, strict=True)}
    assert (cells["业务办理渠道（A）"], cells["业务类别（B）"]) == ("营业现场", "银行卡")
    assert cells["投诉原因（C）"] == "管理制度、业务规则与流程"
    assert {cells[f"{name}代码"] for name in ("业务办理渠道", "业务类别", "投诉原因")} == {None}


async def test_a_bank_writes_its_own_codes(start: Start, tmp_path: Path) -> None:
    changed = playbook(tmp_path, '{name: 银行卡, code: ""', '{name: 银行卡, code: "02"')
    bridge = await start(playbook=changed)
    await bridge.file(business_category="银行卡")
    titles, (row,) = await table(bridge)
    code = row[titles.index("业务类别代码")]
    assert (code.value, code.data_type) == ("02", "s")


async def test_each_export_leaves_a_trace(bridge: Bridge) -> None:
    await table(bridge, "admin", personal="full", cause="C5")
    rows = await bridge.app.state.context.db.read(
        lambda connection: connection.execute(audit.select().where(audit.c.action == "ticket.export")).all()
    )
    told = {name: new for name, (_, new) in rows[-1].changes.items()}
    assert (rows[-1].who, told["personal"], told["format"], told["cause"]) == ("key:admin", "full", "xlsx", "C5")


async def test_a_spreadsheet_leaves_nothing_on_the_disk(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is made it lies where only we may look."""
    await bridge.file(narrative_raw="柜员说交班让我等")
    modes: list[int] = []

    class Watching(export._Book):
        def close(self) -> None:
            (place,) = bridge.settings.exports_dir.iterdir()
            assert list(place.iterdir())
            modes.append(place.stat().st_mode & 0o777)
            super().close()

    monkeypatch.setattr(export, "_Book", Watching)
    await table(bridge)
    assert modes == [0o700]
    assert list(bridge.settings.exports_dir.iterdir()) == []


async def test_what_a_killed_export_left_goes_at_the_next_start(start: Start) -> None:
    bridge: Bridge = await start()
    place = bridge.settings.exports_dir
    program = (
        "import os, pathlib, sys; from api.core.workplace import workplace\n"
        "with workplace(pathlib.Path(sys.argv[1])) as made:\n"
        "    (made / 'rows').write_text('王小明'); print('ready', flush=True); sys.stdin.read()"
    )
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, str(place), cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )  # fmt: skip
    assert killed.stdout is not None
    assert await killed.stdout.readline() == b"ready\n"
    assert sweep(place) == 0  # somebody works in it
    killed.kill()
    await killed.wait()
    assert len(list(place.rglob("rows"))) == 1
    await bridge.stop()
    await start()
    assert list(place.iterdir()) == []
