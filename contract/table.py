"""Tables as people keep them in a spreadsheet: read with every mistake named by line and column, written without formulas."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

_M = TypeVar("_M", bound=BaseModel)

# How a mistake is told; without the column, which is named already.
Explain = Callable[[ErrorDetails], str]

# A spreadsheet runs a cell that begins with one of these as a formula (OWASP, CSV injection; full-width ones too where
# the input method writes them). The apostrophe itself is among them so that reading back gives exactly what was written.
_RISKY = frozenset("=+-@＝＋－＠\t\r\n'")
_NOTHING = "-"

# As people and as spreadsheets write it.
_YES_NO = {"是": True, "true": True, "1": True, "否": False, "false": False, "0": False, "": False}


class CellError(Exception):
    """A table cannot be used, and nothing of it was. `str()` is one sentence for whoever keeps it."""

    def __init__(self, line: int, column: str | None, reason: str) -> None:
        self.line = line
        self.column = column
        self.reason = reason
        super().__init__(f"第 {line} 行{f' {column} 列' if column else ''}：{reason}")


def read_rows(
    text: str, columns: Sequence[str], *, optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row by column, with the line on which it begins. Order of columns is free, empty lines are passed over."""
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    header: list[str] | None = None
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise CellError(line, None, "引号没有配对，或者有不能识别的字符") from error
        if cells is None:
            break
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _checked_header(line, cells, columns, optional)
            continue
        if len(cells) > len(header):
            raise CellError(line, None, f"有 {len(cells)} 格，标题只有 {len(header)} 格；文字里的逗号要放在双引号里")
        values = dict.fromkeys(columns, "") | dict(zip(header, map(_plain, cells), strict=False))
        yield line, values
    if header is None:
        raise CellError(1, None, f"没有内容，第一行应为列名：{','.join(columns)}")


def _checked_header(line: int, cells: list[str], columns: Sequence[str], optional: Sequence[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    for name in header:
        if name not in columns:
            raise CellError(line, name or None, f"没有这一列，请检查拼写；可用：{','.join(columns)}")
        if header.count(name) > 1:
            raise CellError(line, name, "这一列出现了两次")
    for name in columns:
        if name not in header and name not in optional:
            raise CellError(line, name, "缺少这一列")
    return header


def validated(model: type[_M], line: int, values: Mapping[str, object], explain: Explain) -> _M:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        column = str(first["loc"][0]) if first["loc"] else None
        raise CellError(line, column, explain(first)) from error


def write_rows(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """A byte order mark first: without it Excel reads Chinese wrongly."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([_harmless(row[column]) for column in columns] for row in rows)
    return "\ufeff" + out.getvalue()


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell[:1] in _RISKY and cell not in ("", _NOTHING) else cell


def _plain(cell: str) -> str:
    return (cell[1:] if cell[:1] == "'" and cell[1:2] in _RISKY and len(cell) > 1 else cell).strip()


def split_names(cell: str) -> list[str]:
    """`;` between names; a Chinese keyboard writes `；`."""
    return [part.strip() for part in re.split("[;；]", cell) if part.strip()]


def join_names(names: Iterable[str]) -> str:
    return ";".join(names)


def yes_no(cell: str) -> bool | str:
    """Empty is no; what is neither is left for the model to refuse."""
    return _YES_NO.get(cell.lower(), cell)


def number(cell: str) -> int | str | None:
    """Empty is unknown; what is no number is left for the model to refuse."""
    return int(cell) if re.fullmatch("-?[0-9]{1,9}", cell) else cell or None


def yes_no_text(value: bool) -> str:
    return "true" if value else "false"
