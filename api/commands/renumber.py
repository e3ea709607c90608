"""Leaves a gap in everything that is counted: `make renumber`, with the server stopped.

What was given out after the backup is known outside: ticket numbers to customers, events and cursors to receivers. After
a restore none of it may be given a second time. `make restore` does this by itself; the command is for a database that was
taken back by other means (a physical backup with archived logs).
"""

import argparse
import getpass
import sys

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from api.commands import CannotOpenError, of_any_schema, open_database, stopped
from api.core import audit
from api.core.clock import Clock
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.settings import Settings
from api.migrations.run import LockedError, migrate
from api.tickets.handoff import repository as handoff
from api.tickets.repository import next_number

# More than can have happened since a backup of yesterday; only the numbers of today are still given out.
_TICKETS, _INCIDENTS, _VERSIONS, _POSITIONS = 10_000, 100, 1_000, 1_000_000


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: done; 1: the reason why not is on stderr, and nothing was changed."""
    parser = argparse.ArgumentParser(prog="make renumber", description="数据库退回旧状态之后错开编号（先停止服务）")
    parser.parse_args(arguments)
    settings = settings or Settings()
    try:
        with stopped(settings):
            leave_gap(settings, "renumber")
    except CannotOpenError as error:
        print(error, file=sys.stderr)
        return 1
    except (ApiError, LockedError, WrongKeyError, SQLAlchemyError, OSError) as error:
        print(f"没有改动（{error.__class__.__name__}：{error}）：请检查数据库和密钥。", file=sys.stderr)
        return 1
    print("编号已错开：工单号、事件编号、对接位置都跳过了一段，不会和恢复之前发出去的重复。")
    return 0


def leave_gap(settings: Settings, reason: str) -> None:
    """Brings the schema up to date first; then all at once, with its trace in the audit chain."""
    now = Clock(settings.clock, settings.clock_started).now()
    today, who = f"{now:%Y%m%d}", f"operator:{getpass.getuser()}"

    def write(connection: Connection) -> None:
        next_number(connection, f"ticket:{today}", _TICKETS)
        next_number(connection, f"incident:{today}", _INCIDENTS)
        handoff.leave_gap(connection, positions=_POSITIONS, versions=_VERSIONS)
        told = {"tickets": _TICKETS, "incidents": _INCIDENTS, "versions": _VERSIONS, "positions": _POSITIONS}
        changes = {name: (None, gap) for name, gap in told.items()}
        audit.note(
            connection, who=who, action="database.renumber", subject="*", now=now, changes=changes, reason=reason
        )

    _upgrade(settings)
    database = open_database(settings)
    try:
        database.setup(write)
    finally:
        database.close_here()


def _upgrade(settings: Settings) -> None:
    """What was made by a version before; the server must not do it, because it would begin to give out numbers."""
    with of_any_schema(settings) as database:
        database.migrate(migrate)


if __name__ == "__main__":
    sys.exit(main())
