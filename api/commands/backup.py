"""Makes a backup while the server runs: `make backup`, or `make backup TO=/some/directory`.

The database is as it was at one moment after the command began; files of evidence are copied afterwards, so that none that
the database names is missing, save what was erased meanwhile. Keys are not in it.
"""

import argparse
import re
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from api.commands import archive, dumps, refuse_without_key
from api.commands.archive import EVIDENCE, FORMAT, Manifest
from api.commands.dumps import CannotBackUpError
from api.core.clock import rfc3339
from api.core.crypto import Cipher, WrongKeyError
from api.core.keyring import fingerprint
from api.core.models import audit_head
from api.core.rotation import registered_keys
from api.core.settings import Settings
from api.migrations.run import all_metadata

_ADDRESS = re.compile(r"[0-9a-f]{64}")  # api/core/files/vault.py
_KEYS = "密钥不在备份里：请把 TINGSU_PII_KEY（或 {place}）另外存放，没有它这份备份打不开。"


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: the backup is whole and on the disk; 1: the reason why not is on stderr."""
    parser = argparse.ArgumentParser(prog="make backup", description="备份数据库和材料文件（服务可以照常运行）")
    parser.add_argument("--to", type=Path, help="放在哪个目录；默认是数据目录下的 backups")
    given = parser.parse_args(arguments)
    settings = settings or Settings()
    try:
        target = _make(settings, given.to or settings.data_dir / "backups")
    except (CannotBackUpError, WrongKeyError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, SQLAlchemyError) as error:
        print(f"备份没有做成（{error.__class__.__name__}：{error}）：请检查磁盘空间和数据库。", file=sys.stderr)
        return 1
    print(f"备份已完成：{target}（{target.stat().st_size / 1e6:.1f} MB）")
    if settings.pii_key is None:
        print(_KEYS.format(place=settings.key_file if settings.key_file.exists() else settings.data_dir / "pii-key"))
    if settings.evidence_s3_url:
        print(f"材料文件在 S3 桶 {settings.evidence_s3_bucket} 里，不在这份备份中：请用桶自己的版本或复制功能备份。")
    return 0


def _make(settings: Settings, directory: Path) -> Path:
    """The schema may be an older one, because a backup comes before an upgrade; the keys have to be those of the data."""
    refuse_without_key(settings)
    cipher = Cipher(settings.key_ring)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / f"tingsu-{datetime.now(UTC):%Y%m%dT%H%M%S}Z.tar"
    with tempfile.TemporaryDirectory(prefix=".backup-", dir=directory) as scratch, archive.new_archive(target) as out:
        made_at = datetime.now(UTC)
        kind = dumps.kind_of(settings)
        told = (_dump_sqlite if kind == "sqlite" else _dump_postgresql)(settings, Path(scratch), cipher)
        out.add(Path(scratch) / told["database"], told["database"])
        if settings.evidence_s3_url is None:
            _add_evidence(settings.data_dir / "evidence", out)
        out.finish(
            Manifest(
                format=FORMAT,
                made_at=rfc3339(made_at),
                kind=kind,
                keys={number: fingerprint(key) for number, key in cipher.ring.keys.items()},
                evidence=f"s3:{settings.evidence_s3_bucket}" if settings.evidence_s3_url else "disk",
                files=out.files,
                **told,
            )
        )
    return target


def _dump_sqlite(settings: Settings, scratch: Path, cipher: Cipher) -> dict[str, Any]:
    copy = scratch / dumps.SQLITE
    dumps.dump_sqlite(dumps.sqlite_file(settings), copy)
    with create_engine(f"sqlite:///{copy}", poolclass=NullPool).connect() as connection:
        return {"database": copy.name, **_contents(connection, cipher)}


def _dump_postgresql(settings: Settings, scratch: Path, cipher: Cipher) -> dict[str, Any]:
    """What is told of the dump is of the same moment: both see one snapshot."""
    engine = create_engine(settings.sql_url, poolclass=NullPool, isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        snapshot = connection.execute(text("SELECT pg_export_snapshot()")).scalar_one()
        dumps.dump_postgresql(settings, scratch / dumps.POSTGRESQL, str(snapshot))
        return {"database": dumps.POSTGRESQL, **_contents(connection, cipher)}


def _add_evidence(directory: Path, out: archive.Writer) -> None:
    """Only what is sealed, by the store's own addresses: beside it lie uploads on their way, in plain text."""
    for path in sorted(directory.glob("??/??/*")):
        if _ADDRESS.fullmatch(path.name):
            out.add(path, EVIDENCE + path.relative_to(directory).as_posix())


def _contents(connection: Connection, cipher: Cipher) -> dict[str, Any]:
    """Raises WrongKeyError: a backup that names another key than its own could never be restored."""
    registered_keys(connection, cipher)
    head = connection.execute(select(audit_head.c.seq, audit_head.c.hash)).one()
    counted = {
        table.name: int(connection.execute(select(func.count()).select_from(table)).scalar_one())
        for table in all_metadata().sorted_tables
        if table.name in ("tickets", "ticket_events", "conversations", "messages")
    }
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    return {"revision": str(revision), "audit": (head.seq, head.hash), "rows": counted}


if __name__ == "__main__":
    sys.exit(main())
