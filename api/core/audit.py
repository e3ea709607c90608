"""The trace of who changed or read what: rows that are only ever added, each holding the hash of the one before.

`note` collects on the connection; `Database` writes what was collected as the last thing of a transaction, so that the
chain's head is locked for a moment only. Rows hold no personal data in clear: see `changes_of`.

The head row keeps number, hash and seal of the newest entry. The seal is an HMAC folded over all hashes from a first seal on
that is an HMAC as well; the key is kept encrypted (api/core/kept.py). So a changed, missing or reordered row shows by its
hash, cutting the tail off by the head, and a chain that was emptied by its beginning: only a database in which nothing is yet
gets the first seal (`begin`), any other start is folded from one that never comes right. What does not show: the whole
database put back to an older state of itself, unless the number and hash that an earlier check printed, or the log of that
night, are given again (`Anchor`); and whatever somebody does who holds the database and the master key.

Chains of before this rule began with a public constant. `api/core/sealing.py` seals them anew; until then, their key tells
that they are of those, and nothing proves where they begin.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Self

from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, Table, bindparam, insert, literal, select, table, update

from api.core.crypto import EncryptedBytes
from api.core.kept import BYTES, find_secret, kept_secret
from api.core.models import AnyRow, audit, audit_head
from api.core.redaction import masked_phone, phones, scrub

SYSTEM = "system"
Change = tuple[Any, Any]

_PENDING = "audit notes"
_CHANGED = "audit changes"
_BEGINS = "audit begins"
SECRET = "audit"  # noqa: S105 - the name under which it is kept
KEYED = b"\x01"  # ends a key whose chain begins with a seal by it: encrypted with the key, so that nobody takes it away
_NOTHING: Mapping[str, Change] = MappingProxyType({})
_START = "0" * 64  # hash before the first entry
_NEVER = "f" * 64  # seal before the first entry of a chain that was begun a second time
_LONGEST = 500  # characters of one value; more is told by its digest
_PAGE = 1000
# The shortest that is masked has three digits (the number on a card's back).
_HAS_DIGITS = re.compile(r"(?:[\d零〇一二三四五六七八九幺][ \-.]?){3}")
# A digest or a ticket's number: nobody's, and a list has fifty of them.
_OURS = re.compile(r"#[0-9a-f]{16}|TS20\d{11,14}")
_LETTERS, _DIGITS = str.maketrans("0123456789", "ghijklmnop"), str.maketrans("ghijklmnop", "0123456789")
# Statements are made once: putting one together costs more than running it.
HEAD = select(audit_head).with_for_update()
_ADD = insert(audit)
_MOVE_HEAD = update(audit_head).values(seq=bindparam("to_seq"), hash=bindparam("to_hash"), seal=bindparam("to_seal"))
# Where something is, there was an entry before: the first account's.
_USES = tuple(select(literal(1)).select_from(table(name)).limit(1) for name in ("staff", "tickets", "conversations"))
_UNTOLD = frozenset({"id", "updated_at", "version"})


def note(
    connection: Connection,
    *,
    who: str,
    action: str,
    subject: str,
    now: datetime,
    fields: Iterable[str] = (),
    changes: Mapping[str, Change] = _NOTHING,
    reason: str | None = None,
) -> None:
    """One entry, written when the transaction ends well; only inside `Database.write`.

    `who`: username, `key:name` or `bot`. `action`: `ticket.read`, `staff.change`. `subject`: a number or name that is nobody's
    data (`TS…`, a username, `*` for many). `fields`: names of what was read. `changes`: field → (old, new); personal ones
    as `changes_of` gives them; those that `changed` holds for the subject are added. Full numbers and phones in texts are masked here in any case.
    """
    changes = {**connection.info.get(_CHANGED, {}).pop(subject, {}), **changes}
    entry = {
        "at": now,
        "who": who,
        "action": action,
        "subject": subject,
        "fields": sorted(fields),
        "changes": {name: [_plain(old), _plain(new)] for name, (old, new) in sorted(changes.items())},
        "reason": _plain(reason) if reason else None,
    }
    connection.info.setdefault(_PENDING, []).append(entry)


def changed(connection: Connection, subject: str, changes: Mapping[str, Change]) -> None:
    """Holds what changed for the next `note` on the subject; without one it is noted in the name of the system."""
    held: dict[str, Change] = connection.info.setdefault(_CHANGED, {}).setdefault(subject, {})
    for name, (old, new) in changes.items():
        held[name] = (held[name][0] if name in held else old, new)


def changes_of(
    connection: Connection, table: Table, before: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Change]:
    """What `values` change in a row; columns that are encrypted at rest as keyed digests, a phone masked.

    Nothing that becomes something empty is no change: a new row tells what it has.
    """
    found: dict[str, Change] = {}
    for name, new in values.items():
        old = before.get(name)
        if name in _untold(table) or old == new or (not old and not new and new is not False):
            continue
        personal = name in personal_columns(table)
        found[name] = (_personal(connection, name, old), _personal(connection, name, new)) if personal else (old, new)
    return found


@cache
def _untold(table: Table) -> frozenset[str]:
    return _UNTOLD | {column.name for column in table.c if {"blind_index_of", "untold"} & column.info.keys()}


@cache
def personal_columns(table: Table) -> frozenset[str]:
    """What is encrypted at rest, and what is marked: texts that must stay readable for SQL may still tell who it is."""
    marked = (column for column in table.c if isinstance(column.type, EncryptedBytes) or column.info.get("personal"))
    return frozenset(column.name for column in marked)


def _personal(connection: Connection, name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name == "phone":
        return masked_phone(str(value))
    return digest(connection, name, value)


def digest(connection: Connection, name: str, value: Any) -> str:
    """For words that stand elsewhere, encrypted, and may end there: whoever has them can prove them, nobody reads them here."""
    text = json.dumps(to_jsonable_python(value), ensure_ascii=True, sort_keys=True)
    found = hmac.new(_key(connection)[:BYTES], f"value:{name}:{text}".encode(), hashlib.sha256).hexdigest()
    return f"#{found[:16]}"


def _plain(value: Any) -> Any:
    """As JSON; texts without personal numbers."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if not isinstance(value, str):
        return to_jsonable_python(value)
    text = str(value)
    return _harmless(text) if _HAS_DIGITS.search(text) and not _OURS.fullmatch(text) else _short(text)


def _harmless(text: str) -> str:
    text = scrub(text)
    for start, end, number in reversed(phones(text)):
        text = f"{text[:start]}{masked_phone(number)}{text[end:]}"
    return str(_short(text))


def _short(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= _LONGEST:
        return value
    return f"{value[:_LONGEST]}…#{hashlib.sha256(value.encode(errors='replace')).hexdigest()[:16]}"


def begin(connection: Connection, *, new: bool) -> None:
    """Before anything is made at start: only a `new` chain, or one in a database without anything, may begin in this transaction."""
    connection.info[_BEGINS] = new or not _in_use(connection)


# For Database only


def noted(connection: Connection) -> int:
    """How many entries wait on this connection."""
    return len(connection.info.get(_PENDING, ()))


def forget(connection: Connection, kept: int = 0) -> None:
    """Drops the entries after the first `kept`, what they tell of was rolled back; and the key, which may have been new."""
    for name in (SECRET, _CHANGED, _BEGINS):
        connection.info.pop(name, None)
    del connection.info.get(_PENDING, [])[kept:]


def settle(connection: Connection) -> None:
    """Notes what changed and nobody has noted; at the end of each job."""
    for subject, changes in list(connection.info.get(_CHANGED, {}).items()):
        if changes:
            note(connection, who=SYSTEM, action=f"{SYSTEM}.change", subject=subject, now=datetime.now(UTC))


def flush(connection: Connection) -> None:
    """Chains the waiting entries to the head; on PostgreSQL other transactions that have some wait until this one ends."""
    settle(connection)
    entries: list[dict[str, Any]] = connection.info.pop(_PENDING, [])
    if not entries:
        return
    key = _key(connection)
    head = connection.execute(HEAD).one()
    seal = head.seal
    if not head.seq:
        seal = first_seal(key) if connection.info.get(_BEGINS) or not _in_use(connection) else _NEVER
    chain(connection, entries, key, head, seal)


def chain(connection: Connection, entries: list[dict[str, Any]], key: bytes, head: AnyRow, seal: str) -> None:
    """`head` is locked; `seal` is that of all entries up to it."""
    seq, last = head.seq, head.hash
    for entry in entries:
        seq += 1
        entry |= {"seq": seq, "prev_hash": last}
        entry["hash"] = last = _hash(entry)
        seal = sealed(key, seal, last)
    connection.execute(_ADD, entries)
    connection.execute(_MOVE_HEAD, {"to_seq": seq, "to_hash": last, "to_seal": seal})


def _in_use(connection: Connection) -> bool:
    return any(connection.execute(statement).first() for statement in _USES)


def _key(connection: Connection) -> bytes:
    """Read once per transaction."""
    key: bytes = connection.info.get(SECRET) or kept_secret(connection, SECRET, KEYED)
    connection.info[SECRET] = key
    return key


def _hash(entry: Mapping[str, Any]) -> str:
    """Over one canonical spelling; the time in UTC to the microsecond."""
    at = entry["at"].astimezone(UTC).isoformat(timespec="microseconds")
    names = ("who", "action", "subject", "fields", "changes", "reason", "prev_hash")
    told = [entry["seq"], at, *(entry[name] for name in names)]
    return hashlib.sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def begins_by_key(key: bytes) -> bool:
    return len(key) > BYTES and key.endswith(KEYED)


def first_seal(key: bytes) -> str:
    return hmac.new(key, b"seal:start", hashlib.sha256).hexdigest() if begins_by_key(key) else _START


def sealed(key: bytes, seal: str, entry_hash: str) -> str:
    """Folded from the first entry on: a forged seal in between never comes right again."""
    return hmac.new(key, f"seal:{seal}:{entry_hash}".encode(), hashlib.sha256).hexdigest()


# Proof


class Fault(StrEnum):
    """What is wrong with the chain at its first broken entry."""

    MISSING = "missing"
    CHANGED = "changed"
    UNLINKED = "unlinked"
    CUT = "cut"
    EMPTY = "empty"
    UNKNOWN = "unknown"
    SEAL = "seal"
    ANCHOR = "anchor"


@dataclass(frozen=True, slots=True)
class Anchor:
    """What an earlier check printed, or the log of a night has; kept outside the database."""

    seq: int
    hash: str

    def __str__(self) -> str:
        """Without digits in the hash: the log would mask what looks like somebody's number."""
        return f"{self.seq}:{self.hash.translate(_LETTERS)}"

    @classmethod
    def read(cls, spelled: str) -> Self:
        """Both spellings. Raises ValueError."""
        seq, _, found = spelled.partition(":")
        return cls(int(seq), bytes.fromhex(found.translate(_DIGITS)).hex())


@dataclass(frozen=True, slots=True)
class Proof:
    """`count` entries hold, from `first` to `last`; `fault` is the first thing that does not, at entry `at`."""

    count: int
    first: AnyRow | None
    last: AnyRow | None
    fault: Fault | None = None
    at: int | None = None


def verify(connection: Connection, anchor: Anchor | None = None) -> Proof:
    """Reads the whole chain in one snapshot, a page at a time."""
    if connection.dialect.name == "postgresql":
        connection = connection.execution_options(isolation_level="REPEATABLE READ")
    head, key = connection.execute(select(audit_head)).one_or_none(), find_secret(connection, SECRET) or b""
    first: AnyRow | None = None
    last: AnyRow | None = None
    count, last_hash, seal = 0, _START, first_seal(key)
    if head is None:
        return Proof(0, None, None, Fault.SEAL, 0)
    for row in _rows(connection):
        if fault := _fault(row, count + 1, last_hash, anchor):
            return Proof(count, first, last, fault, count + 1)
        if row.seq > head.seq:
            return Proof(count, first, last, Fault.UNKNOWN, row.seq)
        first, last, count, last_hash = first or row, row, row.seq, row.hash
        seal = sealed(key, seal, last_hash)
    if head.seq > count or (anchor is not None and anchor.seq > count):
        return Proof(count, first, last, Fault.CUT, count + 1)
    if not count:
        return Proof(0, None, None, *((Fault.EMPTY, 0) if _in_use(connection) else ()))
    if not key or (head.hash, head.seal) != (last_hash, seal):
        return Proof(count, first, last, Fault.SEAL, count)
    return Proof(count, first, last)


def _fault(row: AnyRow, expected: int, last_hash: str, anchor: Anchor | None) -> Fault | None:
    if row.seq != expected:
        return Fault.MISSING
    if row.prev_hash != last_hash:
        return Fault.UNLINKED
    if row.hash != _hash(row._asdict()):
        return Fault.CHANGED
    return Fault.ANCHOR if anchor is not None and anchor.seq == row.seq and anchor.hash != row.hash else None


def _rows(connection: Connection) -> Iterator[AnyRow]:
    after = 0
    while True:
        page: Sequence[AnyRow] = connection.execute(
            select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(_PAGE)
        ).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].seq
