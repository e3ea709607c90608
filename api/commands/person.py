"""What one person may ask for, when there is nobody at the desk: `make person-export`, `make person-delete`.

The same functions as over HTTP, with the same entries in the audit chain. A phone is asked for and never stands in the
command line, where others would read it; a ticket's number may.
"""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from api.app import make_context, make_ending
from api.commands import open_database
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.security import Principal, Role
from api.core.serving import alone
from api.core.settings import Settings
from api.tickets.privacy.person import Persons
from api.tickets.privacy.schemas import CONFIRM, DeletionIn, PersonIn
from contract.playbook_loader import PlaybookError, load_playbook

_SERVING = "服务正在运行，SQLite 只能有一个写入者：请用 POST /v1/privacy/exports（或 deletions），或先停下服务再运行。"


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: done; 1: the reason why not is on stderr."""
    given = _parser().parse_args(arguments)
    try:
        asked = {
            "reason": given.reason or _ask("理由（留在审计记录里，不要写客户姓名）："),
            **_whose(given.ticket),
            "only": given.only,
        }
        done = _delete(asked) if given.what == "delete" else _export(asked, given.out)
        print(asyncio.run(_run(settings or Settings(), done)))
    except (WrongKeyError, PlaybookError, ApiError, FileExistsError) as error:
        print(_words(error), file=sys.stderr)
    except (ValidationError, EOFError):
        print("理由要 2 到 500 个字，手机号或工单号最多 32 个字符，请重新运行。", file=sys.stderr)
    except ValueError as error:
        print(error, file=sys.stderr)
    except SQLAlchemyError as error:
        print(f"数据库用不了（{type(error).__name__}）：请检查 DATABASE_URL 或 TINGSU_DATA_DIR。", file=sys.stderr)
    except OSError as error:
        print(f"文件写不了（{type(error).__name__}）：请检查 OUT 的目录和磁盘空间。", file=sys.stderr)
    else:
        return 0
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make person-export / person-delete", description="一个人的个人信息：导出或删除"
    )
    parser.add_argument("what", choices=("export", "delete"))
    parser.add_argument("--ticket", help="这个人的一张工单的编号；不给则询问手机号")
    parser.add_argument("--only", nargs="+", metavar="工单号", help="几个人共用一个手机号时：只要其中这几张工单")
    parser.add_argument("--reason", help="为什么；不给则询问")
    parser.add_argument("--out", type=Path, default=Path("person.zip"), help="导出到哪个文件（不覆盖已有的）")
    return parser


def _ask(text: str) -> str:
    print(text, end="", file=sys.stderr, flush=True)
    return input().strip()


def _whose(ticket: str | None) -> dict[str, str]:
    return {"ticket_no": ticket} if ticket else {"phone": _ask("手机号：")}


Work = Callable[[Persons, Principal], Awaitable[str]]


def _export(asked: dict[str, Any], out: Path) -> Work:
    body = PersonIn(**asked)

    async def work(persons: Persons, by: Principal) -> str:
        """The file is opened first: nothing is noted as given out that there was no place for."""
        with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            try:
                file.write(await persons.export(body, by))
            except BaseException:
                os.unlink(out)
                raise
        return f"已导出到 {out}（权限 600）。交给本人后请删除这个文件。"

    return work


def _delete(asked: dict[str, Any]) -> Work:
    body = DeletionIn(**asked, confirm=_ask(f"删除后无法恢复，输入“{CONFIRM}”确认："))

    async def work(persons: Persons, by: Principal) -> str:
        told = await persons.delete(body, by)
        lines = [f"已去除个人信息的工单：{'、'.join(told['removed']) or '没有'}"]
        lines += [f"已清空的无工单对话：{told['conversations_removed']} 个"]
        for one in told["kept"]:
            lines.append(
                f"依法保留、限制使用：{one['ticket_no']}（{'；'.join(one['reasons'])}，到 {one['until'] or '办结为止'}）"
            )
        return "\n".join([*lines, "附件的文件在夜里清理（03:10）。"])

    return work


async def _run(settings: Settings, work: Work) -> str:
    by = Principal(id=f"operator:{getpass.getuser()}", name="运维", role=Role.ADMIN)
    ctx = make_context(settings, open_database(settings))
    try:
        with alone(settings.data_dir) as nobody_else:
            if ctx.db.is_sqlite and not nobody_else:
                raise ValueError(_SERVING)
            return await work(Persons(ctx, make_ending(ctx.db, ctx.clock, load_playbook(settings.playbook))), by)
    finally:
        await ctx.redis.close()
        await ctx.db.close()


def _words(error: Exception) -> str:
    return (
        f"{error.filename} 已经存在，请用 OUT= 给出另一个文件。" if isinstance(error, FileExistsError) else str(error)
    )


if __name__ == "__main__":
    sys.exit(main())
