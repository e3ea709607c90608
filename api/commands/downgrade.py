"""Takes the schema back to an older revision, for a version before: `make downgrade TO=0020`, with every process stopped.

What only the newer version kept is lost: make a backup first.
"""

import argparse
import sys

from alembic import command
from alembic.util import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from api.commands import CannotOpenError, stopped
from api.core.settings import Settings
from api.migrations.run import LockedError, migrate


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: the schema is at that revision; 1: the reason why not is on stderr."""
    parser = argparse.ArgumentParser(prog="make downgrade", description="把数据库结构退回旧版本（先停止服务、先备份）")
    parser.add_argument("to", help="退到哪个版本，四位数字，例如 0020")
    given = parser.parse_args(arguments)
    settings = settings or Settings()
    try:
        with stopped(settings):
            engine = create_engine(settings.sql_url, poolclass=NullPool)
            with engine.connect() as connection:
                now = str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one())
            if not given.to.isdigit() or given.to >= now:
                print(f"现在的版本是 {now}，只能退到比它小的版本。", file=sys.stderr)
                return 1
            migrate(engine, given.to, command.downgrade)
    except CannotOpenError as error:
        print(error, file=sys.stderr)
        return 1
    except (SQLAlchemyError, LockedError, CommandError, OSError) as error:
        print(f"没有退回（{error.__class__.__name__}：{error}）。", file=sys.stderr)
        return 1
    print(f"数据库结构已从 {now} 退到 {given.to}：请启动那个版本的程序。")
    return 0


if __name__ == "__main__":
    sys.exit(main())
