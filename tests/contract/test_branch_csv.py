"""Branches as a table: what is written reads back as the same, and nothing in it runs as a formula."""

import pytest

from contract.branch import Branch
from contract.branch_csv import COLUMNS, read_branches, write_branches
from contract.table import CellError

_BRANCH = Branch.model_validate(
    {
        "code": "B1",
        "name": "城东支行",
        "aliases": ["东门网点", "城东"],
        "hours": [
            {"days": "1-5", "open": "09:00", "close": "12:00"},
            {"days": "1-5", "open": "13:30", "close": "17:00"},
            {"days": "6,7", "open": "09:30", "close": "16:00"},
        ],
        "holiday_hours": [{"open": "10:00", "close": "12:00"}, {"open": "13:00", "close": "15:00"}],
        "handover": [{"start": "12:00", "end": "12:20"}],
        "window_open_in_handover": True,
        "windows": 0,
    }
)


def read(text: str) -> tuple[Branch, ...]:
    return read_branches(text, lambda error: error["type"])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"holiday_hours": ()},  # closed
        {"holiday_hours": None},  # like a Sunday
        {"windows": None, "handover": (), "aliases": ()},
        {"address": '东大街"老邮局"旁，\n二楼'},
        # What a spreadsheet would run, and what only looks as if it had been made harmless before.
        {"address": "=HYPERLINK(1)", "machines": "'=1", "name": "＝城东"},
        {"address": "-", "machines": "+1", "nearest": ("@B2",)},
    ],
)
def test_what_is_written_reads_back(changes: dict[str, object]) -> None:
    branch = _BRANCH.model_copy(update=changes)
    assert read(write_branches([branch])) == (branch,)


def test_no_cell_is_a_formula() -> None:
    text = write_branches([_BRANCH.model_copy(update={"address": "=1+1", "machines": "@SUM(A1)"})])
    assert ",'=1+1," in text
    assert ",'@SUM(A1)," in text


def test_columns_may_stand_in_any_order_and_old_tables_have_no_holidays() -> None:
    old = [column for column in reversed(COLUMNS) if column != "holiday_hours"]
    cells = {"code": "B1", "name": "城东支行", "hours": "1-5 09:00-17:00"}
    (branch,) = read(f"{','.join(old)}\n{','.join(cells.get(column, '') for column in old)}\n")
    assert (branch.code, branch.name, branch.holiday_hours) == ("B1", "城东支行", None)


@pytest.mark.parametrize(
    ("cell", "open_"), [("true", True), ("是", True), ("否", False), ("", False), ("FALSE", False)]
)
def test_yes_and_no(cell: str, open_: bool) -> None:
    cells = {"code": "B1", "name": "城东支行", "hours": "1-5 09:00-17:00", "window_open_in_handover": cell}
    (branch,) = read(f"{','.join(COLUMNS)}\n{','.join(cells.get(column, '') for column in COLUMNS)}")
    assert branch.window_open_in_handover is open_


def test_a_mistake_is_named_by_line_and_column() -> None:
    text = write_branches([_BRANCH]) + "B2,城西支行,,,1-5 09:00-九点,,,,,,\n"
    with pytest.raises(CellError, match=r"^第 3 行 hours 列：time_parsing$") as raised:
        read(text)
    assert (raised.value.line, raised.value.column) == (3, "hours")
