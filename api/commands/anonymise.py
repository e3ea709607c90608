"""Ends personal data whose time is over, as the nightly job does: `python -m api.commands.anonymise [--dry-run]`."""

import argparse
import asyncio
import sys

from sqlalchemy.exc import SQLAlchemyError

from api.app import make_ending
from api.commands import open_database
from api.core.clock import Clock
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.serving import alone
from api.core.settings import Settings
from api.tickets.privacy.retention import Report
from contract.playbook_loader import PlaybookError, load_playbook


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make anonymise", description="按保存期限去除个人信息")
    parser.add_argument("--dry-run", action="store_true", help="只数，不改")
    given = parser.parse_args(arguments)
    try:
        report = asyncio.run(_run(settings or Settings(), dry=given.dry_run))
    except (WrongKeyError, PlaybookError, ApiError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        print(f"数据库用不了（{type(error).__name__}）：请先启动一次服务。", file=sys.stderr)
        return 1
    print("\n".join(report.lines()))
    return 0


async def _run(settings: Settings, *, dry: bool) -> Report:
    database = open_database(settings)
    clock = Clock(settings.clock, settings.clock_started)
    try:
        with alone(settings.data_dir) as nobody_else:
            if database.is_sqlite and not nobody_else and not dry:
                raise ValueError("服务正在运行：它每晚会自己做（SQLite 只有一个写入者）。要现在做，请先停下服务。")
            ending = make_ending(database, clock, load_playbook(settings.playbook))
            return await ending.run(dry=dry)
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main())
