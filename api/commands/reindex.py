"""Rebuilds the search index of tickets while the server runs: `make reindex`. Killed in the middle: run it again, it goes on.

With SQLite and a running server the server does it by itself (one writer), within the hour.
"""

import argparse
import asyncio
import sys

from sqlalchemy.exc import SQLAlchemyError

from api.commands import open_database
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.serving import alone
from api.core.settings import Settings
from api.tickets.search.repository import forget_all
from api.tickets.search.upkeep import keep_up

_SERVING = "服务正在运行，SQLite 只能有一个写入者：请先停止服务再运行，或等服务每小时自动补齐。"


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: every ticket is in the index under the current key; 1: the reason why not is on stderr."""
    parser = argparse.ArgumentParser(prog="make reindex", description="补齐或重建工单的检索索引")
    parser.add_argument("--all", action="store_true", help="丢掉现有索引，全部重建（期间只搜得到已重建的工单）")
    given = parser.parse_args(arguments)
    settings = settings or Settings()
    try:
        with alone(settings.data_dir) as nobody_serves:
            if not nobody_serves and not settings.database_url:
                print(_SERVING, file=sys.stderr)
                return 1
            done = asyncio.run(_run(settings, everything=given.all))
    except (WrongKeyError, ApiError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except (SQLAlchemyError, OSError) as error:
        print(f"数据库用不了（{type(error).__name__}）：请检查 DATABASE_URL 或 TINGSU_DATA_DIR。", file=sys.stderr)
        return 1
    print(f"检索索引已补齐，处理了 {done} 张工单。")
    return 0


async def _run(settings: Settings, *, everything: bool) -> int:
    database = open_database(settings)
    try:
        if everything:
            await database.write(forget_all)
        return await keep_up(database, lambda done: print(f"  已处理 {done} 张", flush=True))
    finally:
        await database.close()


if __name__ == "__main__":
    sys.exit(main())
