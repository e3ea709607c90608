"""The two databases as files, and back.

SQLite: one read transaction of its backup interface on a read-only connection. It neither writes nor checkpoints, so the
server's stays the only connection that does (api/core/db.py); writers go on meanwhile. PostgreSQL: its own pg_dump and
pg_restore, because they know their server best; the password goes by the environment, where `ps` does not show it.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url

from api.commands.archive import CannotRestoreError
from api.core.settings import Settings

SQLITE, POSTGRESQL = "database.sqlite3", "database.pgdump"
ASIDE = "_before_"  # in the name of a schema that a restore has moved aside
_BINARIES = Path("/usr/lib/postgresql")


class CannotBackUpError(Exception):
    """Why not, and what to do, for the operator."""


def kind_of(settings: Settings) -> str:
    return "postgresql" if settings.database_url and not settings.sql_url.startswith("sqlite") else "sqlite"


def sqlite_file(settings: Settings) -> Path:
    return Path(make_url(settings.sql_url).database or "")


def dump_sqlite(source: Path, target: Path) -> None:
    if not source.exists():
        raise CannotBackUpError(f"没有数据库文件 {source}：请检查 TINGSU_DATA_DIR。")
    with (
        closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as reading,
        closing(sqlite3.connect(target)) as copy,
    ):
        reading.backup(copy)
        faults = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if faults != "ok":
        raise CannotBackUpError(f"数据库文件有损坏（{faults}）：不要删旧备份，见 docs/operations.md。")


def check_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        faults = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if faults != "ok":
        raise CannotRestoreError(f"备份里的数据库有损坏（{faults}），请换一份。")


def dump_postgresql(settings: Settings, target: Path, snapshot: str) -> None:
    aside = f"--exclude-schema=*{ASIDE}*"  # what an earlier restore has left
    options = ("--format=custom", "--no-owner", "--no-privileges", aside, f"--snapshot={snapshot}")
    try:
        _run(settings, "pg_dump", *options, f"--file={target}")
    except subprocess.CalledProcessError as error:
        raise CannotBackUpError(f"pg_dump 失败：{error.stderr.strip()}") from error


def check_postgresql(settings: Settings, source: Path) -> None:
    """Whether the program is there and reads this dump; nothing is written anywhere."""
    try:
        _run(settings, "pg_restore", "--list", str(source))
    except subprocess.CalledProcessError as error:
        raise CannotRestoreError(f"pg_restore 读不了这份备份，什么也没有改动：{error.stderr.strip()}") from error


def restore_postgresql(settings: Settings, source: Path) -> None:
    """All or nothing: one transaction."""
    try:
        _run(
            settings, "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
            f"--dbname={_name(settings)}", str(source),
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        raise CannotRestoreError(f"pg_restore 失败：{error.stderr.strip()}") from error


def _run(settings: Settings, program: str, *arguments: str) -> None:
    url = make_url(settings.sql_url)
    environment = {**os.environ, "PGDATABASE": _name(settings), "PGCONNECT_TIMEOUT": "10"}
    given = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGPASSWORD": url.password}
    environment |= {name: str(value) for name, value in given.items() if value}
    environment |= {f"PG{name.upper()}": str(value) for name, value in url.query.items() if name.startswith("ssl")}
    subprocess.run([_program(program), *arguments], env=environment, check=True, text=True, capture_output=True)


def _name(settings: Settings) -> str:
    return make_url(settings.sql_url).database or ""


def _program(name: str) -> str:
    newest = sorted(_BINARIES.glob(f"*/bin/{name}"), key=lambda path: float(path.parent.parent.name))
    found = shutil.which(name) or (str(newest[-1]) if newest else None)
    if found is None:
        raise CannotBackUpError(f"找不到 {name}：请安装和数据库服务器同版本（或更新）的 PostgreSQL 客户端。")
    return found
