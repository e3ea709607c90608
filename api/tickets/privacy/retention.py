"""The end of personal data by rule: what is due is anonymised or swept, a little at a time, every night."""

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from api.core import audit
from api.core.clock import Clock
from api.core.db import Database
from api.core.models import AnyRow
from api.tickets.handoff.repository import purge
from api.tickets.models import tickets
from api.tickets.privacy import repository
from api.tickets.privacy.keepers import Afterwards, Keeper, Subject, Talks
from contract.privacy import Retention

_BATCH = 50  # tickets per round; each is a transaction of its own, so that nobody waits for many
_MARKED_AT_ONCE = 500


@dataclass(slots=True)
class Report:
    """What a run did, or with `dry` would do."""

    dry: bool = False
    tickets: int = 0
    conversations: int = 0
    outbox: int = 0
    keys: int = 0
    held: list[tuple[str, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        done = "将" if self.dry else "已"
        shown = [
            f"{done}去除个人信息的工单：{self.tickets} 张",
            f"{done}清空的无工单对话：{self.conversations} 个",
            f"{done}清空内容的通知：{self.outbox} 条",
            f"{done}删除的防重键：{self.keys} 个",
        ]
        return shown + [f"到期但被保全、未处理：{number}（{reason}）" for number, reason in self.held]


@dataclass(frozen=True, slots=True)
class Ending:
    """Ends personal data; `keepers` are the other rooms that hang something on a ticket."""

    db: Database
    clock: Clock
    rules: Retention
    talks: Talks
    keepers: list[Keeper]

    def until(self, closed_at: datetime) -> datetime | None:
        """The last moment for which a ticket is kept, by the rule of the day on which it ended."""
        period = self.rules.period("ticket", closed_at.date())
        return period.after(closed_at) if period else None

    async def run(self, *, dry: bool = False) -> Report:
        """The nightly job. May be killed anywhere and run again."""
        report = Report(dry=dry)
        now = self.clock.now()
        if not dry:
            await self.db.write(repository.clear_reopened)
            await self._mark()
        await self._tickets(report, now)
        await self._conversations(report, now)
        await self._sweep(report, now)
        held = await self.db.read(lambda connection: repository.expired(connection, now, _BATCH, held=True))
        report.held = [(row.ticket_no, row.legal_hold_reason or "") for row in held]
        return report

    async def _mark(self) -> None:
        while marked := await self.db.write(self._mark_some):
            if marked < _MARKED_AT_ONCE:
                return

    def _mark_some(self, connection: Connection) -> int:
        found = repository.closed_without_end(connection, _MARKED_AT_ONCE)
        ends = [(row.ticket_no, self.until(row.closed_at)) for row in found]
        for number, until in ends:
            if until is not None:
                repository.set_retention(connection, number, until)
        return sum(until is not None for _, until in ends)

    async def _tickets(self, report: Report, now: datetime) -> None:
        if report.dry:
            report.tickets = await self.db.read(lambda connection: repository.count_expired(connection, now))
            return
        while rows := await self.db.read(lambda connection: repository.expired(connection, now, _BATCH)):
            done = 0
            for row in rows:
                done += await self.end(row, now, who=audit.SYSTEM, reason="保存期限已到")
            report.tickets += done
            if done == 0 and len(rows) == _BATCH:
                return  # a rule grew longer; what it moved is not found again

    async def end(self, ticket: AnyRow, now: datetime, *, who: str, reason: str) -> bool:
        """One ticket with everything that hangs on it; False when it may not end (yet)."""
        if await self.db.read(lambda connection: self._still_kept(connection, ticket.ticket_no, now)):
            await self.db.write(lambda connection: self._again(connection, ticket.ticket_no))
            return False
        subject = Subject(ticket.ticket_no, ticket.conversation_id)
        after = await self.db.write(partial(self._end, subject=subject, now=now, who=who, reason=reason))
        await _finish(after or [])
        return after is not None

    def _still_kept(self, connection: Connection, ticket_no: str, now: datetime) -> bool:
        row = repository.locked(connection, ticket_no)
        if row is None or row.closed_at is None or row.anonymised_at is not None or row.legal_hold_at is not None:
            return True
        until = self.until(row.closed_at)
        return until is None or until > now

    def _again(self, connection: Connection, ticket_no: str) -> None:
        """By the rules of today, which may differ from those by which the date was set."""
        row = repository.locked(connection, ticket_no)
        if row is not None and row.closed_at is not None and row.anonymised_at is None:
            repository.set_retention(connection, ticket_no, self.until(row.closed_at))

    def _end(
        self, connection: Connection, *, subject: Subject, now: datetime, who: str, reason: str
    ) -> list[Afterwards] | None:
        """What is to be done after the commit; None when it may not end any more."""
        assert subject.ticket_no is not None  # noqa: S101 - `end` gives a ticket's
        row = repository.locked(connection, subject.ticket_no)
        if row is None or self._still_kept(connection, subject.ticket_no, now):
            return None
        after = self._wipe(connection, subject)
        talks = self.talks.of_tickets(connection, [subject.ticket_no])
        for talk in talks:
            others = self.talks.tickets_of(connection, talk) - {subject.ticket_no}
            if not repository.with_data(connection, others):
                after += self._wipe(connection, Subject(None, talk))
                self._empty(connection, talk, now)
        repository.anonymise(connection, row, now)
        gone = sorted(audit.personal_columns(tickets))
        audit.note(
            connection,
            who=who,
            action="ticket.anonymise",
            subject=subject.ticket_no,
            now=now,
            fields=gone,
            reason=reason,
        )
        return after

    async def _conversations(self, report: Report, now: datetime) -> None:
        period = self.rules.period("conversation", now.date())
        if period is None:
            return
        before = now - (period.after(now) - now)
        while ids := await self.db.read(lambda connection: self.talks.idle(connection, before, _BATCH)):
            report.conversations += len(ids)
            if report.dry:
                return
            for conversation_id in ids:
                await self.end_conversation(conversation_id, now)

    async def end_conversation(self, conversation_id: str, now: datetime) -> None:
        subject = Subject(None, conversation_id)

        def wipe(connection: Connection) -> list[Afterwards]:
            after = self._wipe(connection, subject)
            self._empty(connection, conversation_id, now)
            return after

        await _finish(await self.db.write(wipe))

    def _empty(self, connection: Connection, conversation_id: str, now: datetime) -> None:
        self.talks.wipe(connection, conversation_id, now)
        repository.forget_reasons(connection, conversation_id)

    def _wipe(self, connection: Connection, subject: Subject) -> list[Afterwards]:
        done = [keeper.wipe(connection, subject) for keeper in self.keepers if keeper.wipe is not None]
        return [after for after in done if after is not None]

    async def _sweep(self, report: Report, now: datetime) -> None:
        outbox, keys = self.rules.period("outbox", now.date()), self.rules.period("idempotency", now.date())
        if report.dry:
            return
        if outbox is not None:
            sent = now - (outbox.after(now) - now)
            report.outbox = await self.db.write(lambda connection: purge(connection, sent))
        if keys is not None:
            used = now - (keys.after(now) - now)
            report.keys = await self.db.write(lambda connection: repository.sweep_keys(connection, used))


async def _finish(after: list[Afterwards]) -> None:
    for work in after:
        await work()
