"""Puts a backup in place: `make restore FILE=…`, with the server stopped.

Everything is unpacked and checked before anything is touched. What stood there before is moved aside (SQLite, evidence) or
refused; `FORCE=1` replaces a PostgreSQL database that has tables of ours.
"""

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from api.commands import archive, dumps
from api.commands.archive import FORMAT, CannotRestoreError, Manifest
from api.commands.dumps import CannotBackUpError
from api.core.keyring import fingerprint
from api.core.serving import alone
from api.core.settings import Settings
from api.migrations.run import script_location

_KINDS = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: the backup is in place; 1: the reason why not is on stderr, and nothing was changed."""
    parser = argparse.ArgumentParser(prog="make restore", description="恢复备份（先停止服务）")
    parser.add_argument("file", type=Path, help="make backup 做出的文件")
    parser.add_argument("--force", action="store_true", help="目标已有数据时也恢复；原来的数据会移开或被替换")
    given = parser.parse_args(arguments)
    settings = settings or Settings()
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        manifest = archive.read_manifest(given.file)
        check(manifest, settings)
        with alone(settings.data_dir) as nobody_serves:
            if not nobody_serves:
                raise CannotRestoreError("服务正在使用这个数据目录：请先停止服务。")
            _restore(given.file, manifest, settings, force=given.force)
    except (CannotRestoreError, CannotBackUpError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, SQLAlchemyError) as error:
        print(f"没有恢复（{error.__class__.__name__}：{error}）：请检查磁盘空间和数据库。", file=sys.stderr)
        return 1
    rows = manifest.rows
    print(f"已恢复 {manifest.made_at} 的备份：工单 {rows['tickets']} 张，经过 {rows['ticket_events']} 条。")
    print("请启动服务，再运行 make audit-verify 核对。备份之后发生的事不在其中。")
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
    kept = settings.key_file.exists() or (settings.data_dir / "pii-key").exists()
    ring = settings.key_ring().keys if settings.pii_key is not None or kept else {}
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
    put = _put_sqlite if manifest.kind == "sqlite" else _put_postgresql
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.data_dir) as scratch:
        archive.unpack(file, manifest, Path(scratch))
        put(Path(scratch) / manifest.database, settings, force=force)
        if manifest.evidence == "disk":
            _put_evidence(Path(scratch) / "evidence", settings.data_dir / "evidence")
    archive.sync(settings.data_dir)


def _put_sqlite(fresh: Path, settings: Settings, *, force: bool) -> None:
    target = dumps.sqlite_file(settings)
    dumps.check_sqlite(fresh)
    # The journal belongs to its file: left behind, it would be played into the new one.
    old = [
        path for path in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))) if path.exists()
    ]
    if old and not force:
        raise CannotRestoreError(f"{target} 已经有数据：要换成备份，请加 FORCE=1（原来的文件会改名留着）。")
    for path in old:
        path.rename(path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"))
    fresh.replace(target)
    archive.sync(target.parent)


def _put_postgresql(fresh: Path, settings: Settings, *, force: bool) -> None:
    engine = create_engine(settings.sql_url, poolclass=NullPool)
    with engine.connect() as connection:
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
            f"数据库里已经有 {len(tables)} 张表：请换一个空数据库，或加 FORCE=1（现有数据会被删除）。"
        )
    if tables:
        _empty(engine)
    dumps.restore_postgresql(settings, fresh)


def _empty(engine: Engine) -> None:
    with engine.begin() as connection:
        schema = connection.execute(text("SELECT current_schema()")).scalar_one()
        _drop(connection, str(schema))


def _drop(connection: Connection, schema: str) -> None:
    quoted = connection.dialect.identifier_preparer.quote(schema)
    connection.execute(text(f"DROP SCHEMA {quoted} CASCADE"))
    connection.execute(text(f"CREATE SCHEMA {quoted}"))


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
