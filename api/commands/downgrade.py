"""Takes the schema back to an older revision, for a version before: `make downgrade TO=0020`, with every process stopped.

What only the newer version kept is lost: make a backup first. On SQLite it is one transaction, at whose end every reference must
lead somewhere.
"""

import argparse
import sys
from functools import partial

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from api.commands import CannotOpenError, of_any_schema, stopped
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.settings import Settings
from api.migrations.run import LockedError, migrate


class BrokenReferencesError(Exception):
    """`tables`: those with rows that name a row which there is not."""

    def __init__(self, tables: set[str]) -> None:
        super().__init__(
            f"没有退回，什么也没有改：{'、'.join(sorted(tables))} 里有记录指向不存在的记录。请恢复备份，或者先改正这些记录"
            "（PRAGMA foreign_key_check 列出它们）。"
        )


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: the schema is at that revision; 1: the reason why not is on stderr."""
    parser = argparse.ArgumentParser(prog="make downgrade", description="把数据库结构退回旧版本（先停止服务、先备份）")
    parser.add_argument("to", help="退到哪个版本，四位数字，例如 0020")
    given = parser.parse_args(arguments)
    settings = settings or Settings()
    try:
        with stopped(settings), of_any_schema(settings) as database:
            now = database.look(_revision)
            if not given.to.isdigit() or given.to >= now:
                print(f"现在的版本是 {now}，只能退到比它小的版本。", file=sys.stderr)
                return 1
            database.migrate(partial(migrate, revision=given.to, move=_back))
    except (CannotOpenError, BrokenReferencesError) as error:
        print(error, file=sys.stderr)
        return 1
    except (ApiError, SQLAlchemyError, LockedError, WrongKeyError, CommandError, OSError) as error:
        print(f"没有退回（{error.__class__.__name__}：{error}）。", file=sys.stderr)
        return 1
    print(f"数据库结构已从 {now} 退到 {given.to}：请启动那个版本的程序。")
    return 0


def _revision(connection: Connection) -> str:
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())


def _back(config: Config, revision: str) -> None:
    command.downgrade(config, revision)
    connection: Connection = config.attributes["connection"]
    if connection.dialect.name == "sqlite" and (broken := connection.execute(text("PRAGMA foreign_key_check")).all()):
        raise BrokenReferencesError({row.table for row in broken})


if __name__ == "__main__":
    sys.exit(main())
