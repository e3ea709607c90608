"""Commands for operators, one module each: `python -m api.commands.<name>`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, make_url, text

from api.core.crypto import Cipher
from api.core.db import Database
from api.core.errors import StorageUnavailableError
from api.core.rotation import prove_keys
from api.core.serving import alone
from api.core.settings import Settings
from api.migrations.run import all_metadata, script_location


class CannotOpenError(ValueError):
    """What is missing, and what to do, for the operator."""


def open_database(settings: Settings) -> Database:
    """The database of these settings, as the api opens it; close it when done.

    It has to be there, with the schema of this version and its own keys: a command makes none of them, since what is asked of
    an empty database or with another key is answered with "nobody". Raises CannotOpenError or WrongKeyError.
    """
    database = _there(settings)
    try:
        database.look(lambda connection: _check(connection, database.cipher))
    except BaseException as error:
        database.close_here()
        if isinstance(error, StorageUnavailableError):
            raise CannotOpenError("连不上数据库：请检查 DATABASE_URL，以及数据库服务是否在运行。") from error
        raise
    return database


@contextmanager
def of_any_schema(settings: Settings) -> Iterator[Database]:
    """The same for what changes the schema; closed in the end. Raises CannotOpenError."""
    database = _there(settings)
    try:
        yield database
    finally:
        database.close_here()


@contextmanager
def stopped(settings: Settings) -> Iterator[None]:
    """For what no server may see half done: none starts while the caller is inside. Raises CannotOpenError when one runs."""
    with alone(settings.data_dir) as nobody_serves:
        if not nobody_serves:
            raise CannotOpenError("服务正在使用这个数据目录：请先停止服务。")
        yield


def refuse_without_key(settings: Settings) -> None:
    """Raises CannotOpenError."""
    if not settings.has_key:
        raise CannotOpenError(
            f"{settings.data_dir} 里没有密钥文件（pii-key 或 {settings.key_file.name}），也没有设置 TINGSU_PII_KEY："
            "请检查 TINGSU_DATA_DIR，或放回原来的密钥。没有新造密钥。"
        )


def _there(settings: Settings) -> Database:
    file = Path(make_url(settings.sql_url).database or "")
    if settings.sql_url.startswith("sqlite") and not file.exists():
        raise CannotOpenError(f"没有数据库文件 {file}：请检查 TINGSU_DATA_DIR（或 DATABASE_URL）。什么也没有新建。")
    refuse_without_key(settings)
    return Database(settings.sql_url, Cipher(settings.key_ring))


def _check(connection: Connection, cipher: Cipher) -> None:
    if not inspect(connection).has_table("alembic_version"):
        raise CannotOpenError(
            "这个数据库里没有听诉的数据：请检查 DATABASE_URL 或 TINGSU_DATA_DIR；新装的请先启动一次服务。"
        )
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    scripts = ScriptDirectory(str(script_location()))
    if found not in {script.revision for script in scripts.walk_revisions()}:
        raise CannotOpenError(f"数据库的结构（{found}）比这个程序新：请用和服务同一版本的程序。")
    if found != scripts.get_current_head():
        raise CannotOpenError(f"数据库的结构（{found}）是旧版本的：请先启动一次这个版本的服务，它会升级数据库。")
    prove_keys(connection, cipher, all_metadata())
