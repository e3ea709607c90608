"""Puts a backup in place: `make restore FILE=…`, with the server stopped.

Everything is unpacked and checked before anything is touched. What stood there is moved aside with `FORCE=1` (a SQLite file or
PostgreSQL's schema gets another name) and put back when the rest fails. Numbers go on after a gap (api/commands/renumber.py).
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from api.commands import archive, dumps, renumber, stopped
from api.commands.archive import FORMAT, CannotRestoreError, Manifest
from api.commands.dumps import CannotBackUpError
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.keyring import fingerprint
from api.core.settings import Settings
from api.migrations.run import LockedError, script_location

_KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: the backup is in place; 1: the reason why not is on stderr, and the database is the one that was there."""
    parser = argparse.ArgumentParser(prog="make restore", description="恢复备份（先停止服务）")
    parser.add_argument("file", type=Path, help="make backup 做出的文件")
    parser.add_argument("--force", action="store_true", help="目标已有数据时也恢复；原来的数据会移开或被替换")
    given = parser.parse_args(arguments)
    settings = settings or Settings()
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        manifest = archive.read_manifest(given.file)
        check(manifest, settings)
        with stopped(settings):
            _restore(given.file, manifest, settings, force=given.force)
    except (CannotRestoreError, CannotBackUpError, LockedError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except (ApiError, WrongKeyError, OSError, SQLAlchemyError) as error:
        print(f"没有恢复（{error.__class__.__name__}：{error}）：请检查磁盘空间和数据库。", file=sys.stderr)
        return 1
    rows = manifest.rows
    print(f"已恢复 {manifest.made_at} 的备份：工单 {rows['tickets']} 张，经过 {rows['ticket_events']} 条。")
    print(
        "请启动服务，再运行 make audit-verify 核对。备份之后发生的事不在其中；编号跳过了一段，不会和那时发出去的重复。"
    )
    return 0


def check(manifest: Manifest, settings: Settings) -> None:
    """Raises CannotRestoreError when this program, this database or these keys do not fit the backup."""
    if manifest.format != FORMAT:
        raise CannotRestoreError("备份的格式比这个程序新：请用做备份时的版本（或更新的）恢复。")
    scripts = ScriptDirectory(str(script_location()))
    if manifest.revision not in {script.revision for script in scripts.walk_revisions()}:
        raise CannotRestoreError(f"备份的数据库版本（{manifest.revision}）比这个程序新：请先升级程序，再恢复。")
    kind = dumps.kind_of(settings)
    if manifest.kind != kind:
        wanted, here = _KINDS[manifest.kind], _KINDS[kind]
        raise CannotRestoreError(f"备份是 {wanted} 的，这里配置的是 {here}：请按备份的种类设置 DATABASE_URL。")
    _check_keys(manifest, settings)


def _check_keys(manifest: Manifest, settings: Settings) -> None:
    """Without making a key: a data directory that is new has none, and one made now would never fit."""
    ring = settings.key_ring().keys if settings.has_key else {}
    missing = sorted(number for number in manifest.keys if number not in ring)
    if missing:
        numbers = "、".join(map(str, missing))
        raise CannotRestoreError(
            f"这里没有备份所用的 {numbers} 号密钥：请先把密钥文件放回数据目录，或设置 TINGSU_PII_KEY。"
        )
    wrong = sorted(number for number, print_ in manifest.keys.items() if fingerprint(ring[number]) != print_)
    if wrong:
        numbers = "、".join(map(str, wrong))
        raise CannotRestoreError(
            f"这里的 {numbers} 号密钥不是做备份时的那一把：恢复后什么也读不出来。请找回原来的密钥。"
        )


def _restore(file: Path, manifest: Manifest, settings: Settings, *, force: bool) -> None:
    sqlite = manifest.kind == "sqlite"
    (_refuse_sqlite if sqlite else _refuse_postgresql)(settings, force=force)
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.data_dir) as scratch:
        archive.unpack(file, manifest, Path(scratch))
        fresh, reason = Path(scratch) / manifest.database, f"restore {manifest.made_at}"
        dumps.check_sqlite(fresh) if sqlite else dumps.check_postgresql(settings, fresh)
        if manifest.evidence == "disk":
            # First: more sealed files than the database knows do no harm, fewer would.
            _put_evidence(Path(scratch) / "evidence", settings.data_dir / "evidence")
        (_put_sqlite if sqlite else _put_postgresql)(settings, fresh, reason)
    archive.sync(settings.data_dir)


def _sqlite_files(target: Path) -> list[Path]:
    """The journal belongs to its file: left behind, it would be played into the new one."""
    names = (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm")))
    return [path for path in names if path.exists()]


def _refuse_sqlite(settings: Settings, *, force: bool) -> None:
    target = dumps.sqlite_file(settings)
    if _sqlite_files(target) and not force:
        raise CannotRestoreError(f"{target} 已经有数据：要换成备份，请加 FORCE=1（原来的文件会改名留着）。")


def _put_sqlite(settings: Settings, fresh: Path, reason: str) -> None:
    renumber.leave_gap(settings.model_copy(update={"database_url": f"sqlite:///{fresh}"}), reason)
    target = dumps.sqlite_file(settings)
    staged = target.with_name(f".{target.name}.restoring")
    shutil.move(fresh, staged)  # which may be another disk's
    stamp = _stamp()
    moved = [(path, path.with_name(f"{path.name}.before-{stamp}")) for path in _sqlite_files(target)]
    try:
        for path, aside in moved:
            path.rename(aside)
        staged.replace(target)
    except OSError:
        staged.unlink(missing_ok=True)
        for path, aside in moved:
            if aside.exists():
                aside.rename(path)
        raise
    archive.sync(target.parent)


def _refuse_postgresql(settings: Settings, *, force: bool) -> None:
    with create_engine(settings.sql_url, poolclass=NullPool).connect() as connection:
        others = connection.execute(
            text(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        ).scalar_one()
        tables = inspect(connection).get_table_names()
    if others:
        raise CannotRestoreError(f"还有 {others} 个连接在用这个数据库：请先停止所有服务进程。")
    if tables and not force:
        raise CannotRestoreError(
            f"数据库里已经有 {len(tables)} 张表：请换一个空数据库，或加 FORCE=1（现有数据会改名留着）。"
        )


def _put_postgresql(settings: Settings, fresh: Path, reason: str) -> None:
    """A failure anywhere puts back what stood there; it is never deleted here."""
    engine = create_engine(settings.sql_url, poolclass=NullPool)
    schema, aside = _move_aside(engine)
    try:
        dumps.restore_postgresql(settings, fresh)
        renumber.leave_gap(settings, reason)
    except BaseException:
        with _told_where(schema, aside), engine.begin() as connection:
            _rename(connection, aside, schema)
        print("没有恢复成功，原来的数据已经放回原处。", file=sys.stderr)
        raise
    try:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {_quoted(connection, aside)} RESTRICT"))  # there was nothing
    except SQLAlchemyError:
        print(f"原来的数据留在模式 {aside} 里；确认恢复无误后请删除：DROP SCHEMA {aside} CASCADE")


def _move_aside(engine: Engine) -> tuple[str, str]:
    with engine.begin() as connection:
        schema = str(connection.execute(text("SELECT current_schema()")).scalar_one())
        aside = f"{schema}{dumps.ASIDE}{_stamp().lower()}"
        connection.execute(text(f"ALTER SCHEMA {_quoted(connection, schema)} RENAME TO {_quoted(connection, aside)}"))
        if schema == "public":  # any other is made by the dump itself
            connection.execute(text("CREATE SCHEMA public"))
    print(f"现有内容先移到模式 {aside}。")
    return schema, aside


def _rename(connection: Connection, aside: str, schema: str) -> None:
    """The half that was restored goes, what stood there before has its name again."""
    connection.execute(text(f"DROP SCHEMA IF EXISTS {_quoted(connection, schema)} CASCADE"))
    connection.execute(text(f"ALTER SCHEMA {_quoted(connection, aside)} RENAME TO {_quoted(connection, schema)}"))


@contextmanager
def _told_where(schema: str, aside: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise CannotRestoreError(
            f"没有恢复成功，也没能放回原处（{error.__class__.__name__}）。原来的数据都在模式 {aside} 里，请在数据库里运行："
            f"DROP SCHEMA IF EXISTS {schema} CASCADE; ALTER SCHEMA {aside} RENAME TO {schema};"
        ) from error


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote(name)


def _stamp() -> str:
    """To the microsecond: two restores of one second must not meet."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S_%fZ}"


def _put_evidence(fresh: Path, target: Path) -> None:
    """Addresses are hashes of contents: what is there already is the same."""
    for path in sorted(fresh.rglob("*")) if fresh.exists() else ():
        if path.is_file():
            place = target / path.relative_to(fresh)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.replace(place)
            archive.sync(place.parent)


if __name__ == "__main__":
    sys.exit(main())
