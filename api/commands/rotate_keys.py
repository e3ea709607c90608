"""Changes the key of all personal data, while the server runs: `make rotate-keys`.

Killed in the middle: run it again, it goes on. With SQLite and a running server the server does the work (one writer) and
this command makes the key, watches and counts.
"""

import argparse
import asyncio
import sys

from sqlalchemy.exc import SQLAlchemyError

from api.commands import open_database
from api.core.clock import Clock
from api.core.crypto import WrongKeyError
from api.core.db import Database
from api.core.errors import ApiError
from api.core.keyring import with_new_key, without_old_keys, write_file
from api.core.rotation import left, rotate
from api.core.serving import alone
from api.core.settings import Settings
from api.migrations.run import all_metadata
from api.tickets.search.upkeep import keep_up

_SETTLE = 3.0  # seconds in which every running process has read the key file again (api/core/crypto.py)
_WATCH = 1.0


class CannotRotateError(Exception):
    """Why not, and what to do, for the operator."""


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    """0: nothing is left under an older key; 1: the reason why not is on stderr."""
    parser = argparse.ArgumentParser(prog="make rotate-keys", description="更换个人信息的加密密钥")
    parser.add_argument("--new-key", action="store_true", help="已有旧密钥在环里时也再造一把新密钥")
    parser.add_argument("--remove-old", action="store_true", help="没有数据再用旧密钥时，从密钥文件里删掉旧密钥")
    given = parser.parse_args(arguments)
    try:
        settings = settings or Settings()
        asyncio.run(_run(settings, new_key=given.new_key, remove_old=given.remove_old))
    except (CannotRotateError, WrongKeyError, ApiError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except SQLAlchemyError as error:
        say(f"数据库用不了（{type(error).__name__}）：请检查 DATABASE_URL 或 TINGSU_DATA_DIR，先启动一次服务。")
        return 1
    return 0


def say(text: str) -> None:
    print(text, flush=True)


async def _run(settings: Settings, *, new_key: bool, remove_old: bool) -> None:
    database = open_database(settings)
    try:
        if remove_old:
            await _remove_old(settings, database)
            return
        await _with_key_to_change_to(settings, database, new_key=new_key)
        await _re_encrypt(settings, database)
    finally:
        await database.close()


async def _with_key_to_change_to(settings: Settings, database: Database, *, new_key: bool) -> None:
    ring = database.cipher.ring
    if settings.pii_key is None and (new_key or not ring.old):
        ring = with_new_key(ring)
        write_file(settings.key_file, ring)
        say(f"已生成 {ring.current} 号密钥，写入 {settings.key_file}（权限 600）。请另外妥善备份这个文件。")
        await asyncio.sleep(_SETTLE)
    elif not ring.old:
        raise CannotRotateError(
            "密钥由 TINGSU_PII_KEY 给出，换密钥时请这样设置并重启：\n"
            f"  TINGSU_PII_KEY={ring.current + 1}:新密钥（openssl rand -hex 32）\n"
            f"  TINGSU_PII_KEYS_OLD={ring.current}:原来的密钥\n"
            "有几个进程时，先把新密钥加进所有进程的 TINGSU_PII_KEYS_OLD 并重启，再对调。然后再运行本命令。"
        )


async def _re_encrypt(settings: Settings, database: Database) -> None:
    ring, clock = database.cipher.ring, Clock(settings.clock, settings.clock_started)
    before = await database.read(lambda connection: left(connection, all_metadata(), ring.current))
    say(f"要换成 {ring.current} 号密钥的：{_counts(before)}")
    with alone(settings.data_dir) as nobody_else:
        if nobody_else or not database.is_sqlite:
            done = await rotate(database, database.cipher, all_metadata(), clock.now, keep_up, _progress)
            say(f"已重新加密：{_counts(done)}")
        else:
            say("服务正在运行，由它重新加密（SQLite 只有一个写入者）；中断本命令不影响。")
            await _watch(database)
    say(
        f"还在用旧密钥（{'、'.join(map(str, ring.old))} 号）的：0 行。可以去掉旧密钥了："
        + ("make rotate-keys ARGS=--remove-old" if settings.pii_key is None else "从 TINGSU_PII_KEYS_OLD 里删去并重启")
        + "。去掉之后，换密钥之前开始的对话要重新开始（令牌失效），旧的备份要用旧密钥才读得出：请随备份保存旧密钥。"
    )


async def _watch(database: Database) -> None:
    last: dict[str, int] = {}
    ring = database.cipher.ring
    while remaining := await database.read(lambda connection: left(connection, all_metadata(), ring.current)):
        if remaining != last:
            say(f"还剩：{_counts(remaining)}")
            last = remaining
        await asyncio.sleep(_WATCH)


async def _remove_old(settings: Settings, database: Database) -> None:
    ring = database.cipher.ring
    if settings.pii_key is not None or not settings.key_file.exists():
        raise CannotRotateError("密钥不在密钥文件里：请从 TINGSU_PII_KEYS_OLD 里删去旧密钥并重启。")
    remaining = await database.read(lambda connection: left(connection, all_metadata(), ring.current))
    if remaining:
        raise CannotRotateError(f"还有数据用旧密钥（{_counts(remaining)}），先运行 make rotate-keys。")
    write_file(settings.key_file, without_old_keys(ring))
    (settings.data_dir / "pii-key").unlink(missing_ok=True)
    say(f"密钥文件里只剩 {ring.current} 号密钥。")


def _counts(rows: dict[str, int]) -> str:
    return "，".join(f"{table} {count} 行" for table, count in rows.items()) or "没有"


def _progress(table: str, count: int) -> None:
    if count:
        say(f"  {table}：{count} 行")


if __name__ == "__main__":
    sys.exit(main())
