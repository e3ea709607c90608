"""What is done to the audit chain beside writing it: seals of before are replaced, and every night its anchor is logged.

A chain that began with a public constant is folded anew from a first seal by its key. Only one that holds; so this proves
nothing about what was before (whoever emptied it under the version before has got away with it), but everything from then on.
Processes of the version before go on writing: they take key and seal as they find them, and fold as before.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select, text, update

from api.core import audit
from api.core.db import Database
from api.core.kept import find_secret
from api.core.logging import get_logger
from api.core.models import audit as entries
from api.core.models import audit_head, kept_secrets

logger = get_logger("audit")

_PAGE = 5000
_PATIENCE = "1s"  # for the lock below: as long may everybody else be kept waiting behind us


@dataclass(frozen=True, slots=True)
class _Folded:
    """Both seals over the entries up to `seq`: as it was, and as it shall be."""

    old_key: bytes
    new_key: bytes
    seq: int
    old: str
    new: str


async def seal_from_the_start(db: Database) -> None:
    """Once for a chain of before; afterwards one small read. A broken chain is left as it is, and told of."""
    key = await db.read(lambda connection: find_secret(connection, audit.SECRET))
    if key is None or audit.begins_by_key(key):
        return
    proof = await db.read(audit.verify)
    if proof.fault:
        logger.error("audit_chain_broken", fault=proof.fault, at=proof.at)
        return
    new_key = key + audit.KEYED
    begun = _Folded(key, new_key, 0, audit.first_seal(key), audit.first_seal(new_key))
    folded = await db.read(lambda connection: _fold(connection, begun))
    done = await db.write(lambda connection: _replace(connection, folded))
    logger.info("audit_chain_sealed", entries=proof.count, done=done)


async def log_anchor(db: Database) -> None:
    """For `make audit-verify ANCHOR=`: the log is kept elsewhere, and a database that was put back does not change it."""
    head = await db.read(lambda connection: connection.execute(select(audit_head)).one())
    logger.info("audit_anchor", anchor=str(audit.Anchor(head.seq, head.hash)))


def _fold(connection: Connection, folded: _Folded) -> _Folded:
    """On over what there is by now."""
    seq, old, new = folded.seq, folded.old, folded.new
    columns = (entries.c.seq, entries.c.hash)
    while True:
        page = connection.execute(
            select(*columns).where(entries.c.seq > seq).order_by(entries.c.seq).limit(_PAGE)
        ).all()
        for row in page:
            seq = row.seq
            old = audit.sealed(folded.old_key, old, row.hash)
            new = audit.sealed(folded.new_key, new, row.hash)
        if len(page) < _PAGE:
            return _Folded(folded.old_key, folded.new_key, seq, old, new)


def _replace(connection: Connection, folded: _Folded) -> bool:
    """Key and seal in one transaction; False when somebody else was faster, or the chain is no more what was folded."""
    if connection.dialect.name == "postgresql":
        # Whoever has read the key will chain with it: they end first, and the next read the new one.
        connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))
        connection.execute(text(f"LOCK TABLE {kept_secrets.name} IN ACCESS EXCLUSIVE MODE"))
    head = connection.execute(audit.HEAD).one()
    folded = _fold(connection, folded)
    same = (head.seq, head.seal) == (folded.seq, folded.old)
    if not same or find_secret(connection, audit.SECRET) != folded.old_key:
        return False
    mine = kept_secrets.c.name == audit.SECRET
    connection.execute(update(kept_secrets).where(mine).values(value=folded.new_key))
    entry = {
        "at": datetime.now(UTC), "who": audit.SYSTEM, "action": "audit.seal", "subject": "*", "fields": [],
        "changes": {"entries": [None, folded.seq]}, "reason": None,
    }  # fmt: skip
    audit.chain(connection, [entry], folded.new_key, head, folded.new)
    connection.info[audit.SECRET] = folded.new_key
    return True
