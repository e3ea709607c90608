"""Tickets as CSV or XLSX, page by page, so that a year of them needs no more memory than one page.

CSV touches no disk. A spreadsheet does: xlsxwriter keeps the rows in plain files until it has all of them (`constant_memory`;
100,000 rows of thirty columns: 22 MB of memory and 232 MB of files), while in memory alone the same rows take 1.2 GB and one
export could end the process. So they lie in a directory of the data directory for the process alone, which is gone with
the answer, or after a crash when the next process starts (api/core/workplace.py).

Text that a spreadsheet would run as a formula is kept from it: in CSV by an apostrophe, in XLSX by being written as text
under a format that stays text when somebody edits the cell. xlsxwriter, because it writes row by row in constant memory.
"""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import IO, Any

from sqlalchemy import ColumnElement
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from api.core.db import Database
from api.core.security import Principal
from api.core.workplace import workplace
from api.tickets import repository
from api.tickets.columns import Cell, Columns
from api.tickets.search.words import Wanted

_PAGE = 500
_CHUNK = 64 * 1024
_ROWS_PER_SHEET = 1_000_000  # a sheet ends at 1,048,576
_LONGEST_CELL = 32_767  # characters in a cell of XLSX; beyond it a file counts as damaged
_CUT = "……（全文见工单）"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tickets, as whom: `full` shows person fields unmasked."""

    columns: Columns
    conditions: list[ColumnElement[bool]]
    seen_by: Principal
    now: datetime
    # Told of each page's ticket numbers before it leaves.
    note: Callable[[list[str]], Awaitable[None]]
    full: bool = False
    wanted: Wanted | None = None

    async def rows(self, db: Database) -> AsyncIterator[list[list[Cell]]]:
        """Pages, the newest ticket first."""
        before: int | None = None
        while True:
            page = await db.read(
                partial(
                    repository.export_page,
                    columns=self.columns.read,
                    conditions=self.conditions,
                    seen_by=self.seen_by,
                    before=before,
                    limit=_PAGE,
                    wanted=self.wanted,
                )
            )
            await self.note([row.ticket_no for row in page.rows])
            yield [self.columns.cells(row, self.now, full=self.full) for row in page.rows]
            if (before := page.next) is None:
                return


async def csv_chunks(db: Database, selection: Selection) -> AsyncIterator[bytes]:
    """A byte order mark first: without it Excel reads Chinese wrongly."""
    yield "\ufeff".encode() + _lines([list(selection.columns.titles)])
    async for rows in selection.rows(db):
        yield _lines(rows)


def _lines(rows: list[list[Cell]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([[_harmless(cell) for cell in row] for row in rows])
    return out.getvalue().encode()


def _harmless(cell: Cell) -> Any:
    if isinstance(cell, datetime):
        return cell.isoformat(" ", "seconds")
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_DANGEROUS) else cell


async def xlsx_chunks(db: Database, selection: Selection, work: Path) -> AsyncIterator[bytes]:
    """The file is whole before its first byte leaves: a spreadsheet's table of contents stands at its end."""
    with workplace(work) as directory, (directory / "book.xlsx").open("w+b") as file:
        book = _Book(file, str(directory), selection.columns.titles)
        async for rows in selection.rows(db):
            await asyncio.to_thread(book.add, rows)
        await asyncio.to_thread(book.close)
        file.seek(0)
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            yield chunk


class _Book:
    """A workbook under way; rows beyond a sheet's end go to the next one."""

    def __init__(self, file: IO[bytes], directory: str, titles: list[str]) -> None:
        options = {
            "constant_memory": True,
            "tmpdir": directory,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        self._book = Workbook(file, options)
        self._titles = titles
        self._head = self._book.add_format({"bold": True, "quote_prefix": True})
        self._text = self._book.add_format({"num_format": "@"})
        self._quoted = self._book.add_format({"num_format": "@", "quote_prefix": True})
        self._moment = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet: Worksheet = self._new_sheet()

    def add(self, rows: list[list[Cell]]) -> None:
        for row in rows:
            if self._row > _ROWS_PER_SHEET:
                self._sheet = self._new_sheet()
            for column, cell in enumerate(row):
                self._write(column, cell)
            self._row += 1

    def close(self) -> None:
        self._book.close()

    def _new_sheet(self) -> Worksheet:
        sheet: Worksheet = self._book.add_worksheet()
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(self._titles) - 1, 16)
        for column, title in enumerate(self._titles):
            sheet.write_string(0, column, title, self._head)
        self._row = 1
        return sheet

    def _write(self, column: int, cell: Cell) -> None:
        if cell is None:
            return
        if isinstance(cell, datetime):
            self._sheet.write_datetime(self._row, column, cell, self._moment)
        elif isinstance(cell, int | float | Decimal):
            self._sheet.write_number(self._row, column, cell)
        else:
            self._sheet.write_string(self._row, column, _fitting(str(cell)), self._format(str(cell)))

    def _format(self, text: str) -> Format:
        return self._quoted if text.startswith(_DANGEROUS) else self._text


def _fitting(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - len(_CUT)] + _CUT
