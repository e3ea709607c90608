"""Proves the audit chain: `make audit-verify`, or with what an earlier check printed `ANCHOR=number:hash`.

Exit code 0: whole; 1: broken; 2: not readable.
"""

import argparse
import asyncio
import sys

from sqlalchemy.exc import SQLAlchemyError

from api.commands import CannotOpenError, open_database
from api.core import audit
from api.core.audit import Anchor, Fault, Proof
from api.core.clock import rfc3339
from api.core.crypto import WrongKeyError
from api.core.errors import ApiError
from api.core.settings import Settings

_FAULTS = {
    Fault.MISSING: "中间少了记录：第 {at} 条不在了。",
    Fault.CHANGED: "第 {at} 条的内容被改过，与它的哈希不符。",
    Fault.UNLINKED: "第 {at} 条没有接在上一条之后（上一条被换过，或者次序被动过）。",
    Fault.CUT: "末尾被截掉：从第 {at} 条起不在了。",
    Fault.EMPTY: "一条记录也没有，而库里已有账号、工单或对话：记录被整个清空过。",
    Fault.UNKNOWN: "第 {at} 条不是系统写入的：链头里没有它。",
    Fault.SEAL: "链头的封印与记录不符：有人重写过记录或链头，或者清空后重新开始，或者封印的密钥（kept_secrets 表）被换过。",
    Fault.ANCHOR: "第 {at} 条与您给出的锚点不符：这之前的记录被整体替换过。",
}


def main(arguments: list[str] | None = None, settings: Settings | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make audit-verify", description="核验审计链")
    parser.add_argument(
        "--anchor", type=_anchor, help="以前一次核验印出的“锚点”，或日志里某一夜的 audit_anchor；能发现整库被换回旧状态"
    )
    given = parser.parse_args(arguments)
    try:
        proof = asyncio.run(_verify(settings or Settings(), given.anchor))
    except (SQLAlchemyError, ApiError) as error:
        print(f"读不到审计记录（{type(error).__name__}）：请检查 DATABASE_URL 或 TINGSU_DATA_DIR。", file=sys.stderr)
        return 2
    except (WrongKeyError, CannotOpenError) as error:
        print(f"读不到审计记录。{error}", file=sys.stderr)
        return 2
    print(report(proof))
    return 1 if proof.fault else 0


def report(proof: Proof) -> str:
    lines = [f"核对无误的审计记录：{proof.count} 条"]
    if proof.first is not None and proof.last is not None:
        lines.append(f"第一条：{rfc3339(proof.first.at)}，最后一条：{rfc3339(proof.last.at)}")
        lines.append(f"锚点：{proof.last.seq}:{proof.last.hash}（请另外存放，下次核验时用 ANCHOR= 给出）")
    lines.append("审计链断了。" + _FAULTS[proof.fault].format(at=proof.at) if proof.fault else "审计链完整。")
    return "\n".join(lines)


async def _verify(settings: Settings, anchor: Anchor | None) -> Proof:
    database = open_database(settings)
    try:
        return await database.read(lambda connection: audit.verify(connection, anchor))
    finally:
        await database.close()


def _anchor(text: str) -> Anchor:
    try:
        found = Anchor.read(text)
    except ValueError:
        raise argparse.ArgumentTypeError("锚点应为 序号:哈希") from None
    if len(found.hash) != 64:
        raise argparse.ArgumentTypeError("锚点应为 序号:哈希")
    return found


if __name__ == "__main__":
    sys.exit(main())
