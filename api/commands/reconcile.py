"""Did every change leave the house and arrive? `make reconcile` prints what the nightly reconciliation finds.

Exit code 0: nothing is missing; 1: something is; 2: not readable. With SQLite and a running server it only looks: that has
one writer, and the server heals by itself at night or by POST /v1/handoff/reconciliations.
"""

import asyncio
import sys

from pydantic_core import to_json
from sqlalchemy.exc import SQLAlchemyError

from api.commands import CannotOpenError, open_database
from api.core.clock import Clock
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.metrics import Metrics
from api.core.redis import Redis
from api.core.serving import alone
from api.core.settings import Settings
from api.tickets.handoff.reconciliation.service import Reconciler, Report
from api.tickets.handoff.stream import position_of, sieve_of


def main(settings: Settings | None = None) -> int:
    try:
        report = asyncio.run(_reconcile(settings or Settings()))
    except (WrongKeyError, CannotOpenError) as error:
        print(f"核对不了。{error}", file=sys.stderr)
        return 2
    except (SQLAlchemyError, ApiError) as error:
        print(f"核对不了（{type(error).__name__}）：请检查 DATABASE_URL 或 TINGSU_DATA_DIR。", file=sys.stderr)
        return 2
    print(to_json(report.shown(), indent=2).decode())
    print(_sentence(report))
    return 1 if report.missing else 0


def _sentence(report: Report) -> str:
    if not report.missing:
        return "没有缺失。"
    return f"缺 {report.missing} 项，已补 {report.healed} 项；推送失败的请在推送管理里重新投递。"


async def _reconcile(settings: Settings) -> Report:
    database = open_database(settings)
    redis = Redis(settings.redis_url, settings.redis_prefix, Metrics())
    clock = Clock(settings.clock, settings.clock_started)
    try:
        stream = await position_of(redis)
        reconciler = Reconciler(clock.now(), stream, sieve_of(settings))
        report = await database.read(reconciler.compare)
        with alone(settings.data_dir) as nobody_else:
            if nobody_else or not database.is_sqlite:
                await database.write(lambda connection: reconciler.heal(connection, report))
        return report
    finally:
        await redis.close()
        await database.close()


if __name__ == "__main__":
    sys.exit(main())
