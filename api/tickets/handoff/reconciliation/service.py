"""Compares what happened with what left the house, and sends again what is missing."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from api.core.clock import rfc3339
from api.core.models import AnyRow
from api.tickets import repository as tickets
from api.tickets.handoff import repository as outbox
from api.tickets.handoff.reconciliation import repository
from api.tickets.handoff.reconciliation.repository import Window
from api.tickets.handoff.webhooks import repository as webhooks
from api.tickets.handoff.webhooks.repository import Which
from api.tickets.notices import repository as notices

_UNDER_WAY = timedelta(minutes=5)  # what is younger may still be on its way
_AGAIN = timedelta(hours=1)  # of the time before that is looked at once more
_AGAIN_AT_LEAST = 1000  # entries or events, too: a clock that was ahead has no hour before
_NAMED = 100  # events named in a report
_AT_ONCE = 1000  # lost entries that one run tells again; the next one goes on behind them


@dataclass(slots=True)
class Report:
    """Counts of one reconciliation. `missing`: what should have left and had not; `healed`: how much of it is on its way now.

    `lost` and `short` are what can be healed: entries without event, webhooks with events that they were never to get.
    """

    since: datetime
    until: datetime
    entries: Window
    events: Window
    missing: int = 0
    healed: int = 0
    parts: dict[str, Any] = field(default_factory=dict)
    lost: list[AnyRow] = field(default_factory=list)
    short: list[tuple[AnyRow, Which]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        return {
            "since": rfc3339(self.since),
            "until": rfc3339(self.until),
            "missing": self.missing,
            "healed": self.healed,
            **self.parts,
        }


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Comparing only reads, which may take long; healing writes what is to be written and no more.

    `stream`: the last position in the Redis stream, None when it cannot be asked.
    """

    now: datetime
    stream: int | None
    stream_sieve: outbox.Sieve

    def compare(self, connection: Connection) -> Report:
        report = self._period(connection)
        self._threads(connection, report)
        self._relay(connection, report)
        self._webhooks(connection, report)
        self._stream(connection, report)
        self._consumers(connection, report)
        return report

    def heal(self, connection: Connection, report: Report) -> None:
        """Events and deliveries that are missing, under the ids that they would have had; then the report, and a notice."""
        for entry in report.lost:
            report.healed += _tell(connection, entry)
        for webhook, which in report.short:
            report.healed += webhooks.enqueue_missing(connection, webhook, which)
        values = {"since": report.since, "until": report.until, "missing": report.missing, "healed": report.healed}
        number = repository.keep(connection, {**values, "created_at": self.now, "report": report.parts})
        more = "可能还有更多，请再核对一次；" if report.parts["threads"]["more"] else ""
        if report.missing:
            notices.add(
                connection,
                kind="reconciliation",
                text=f"对接核对发现 {report.missing} 项没有送达，其中 {report.healed} 项已重新投递；{more}详见第 {number} 号对接核对报告。",
                level=3,
                unique_key=f"reconciliation:{number}",
                now=self.now,
            )

    def _period(self, connection: Connection) -> Report:
        """From where the last one ended, with some overlap; the first one looks at everything."""
        last, until = repository.newest(connection, self.now), self.now - _UNDER_WAY
        first = repository.first_moment(connection)
        since = min(last.until - _AGAIN if last is not None else first or until, until)
        entry, position = repository.last_entry(connection, until), repository.last_position(connection, until)
        after = (0, 0) if last is None else _ended(connection, last, since)
        return Report(since, until, Window(min(after[0], entry), entry), Window(min(after[1], position), position))

    def _threads(self, connection: Connection, report: Report) -> None:
        report.lost = repository.entries_without_event(connection, report.entries, _AT_ONCE)
        report.missing += len(report.lost)
        more = len(report.lost) == _AT_ONCE
        old = repository.last_entry(connection, report.until - _AGAIN)
        report.parts["threads"] = {
            "entries": repository.count_entries(connection, report.entries),
            "events": repository.count_events(connection, report.events),
            "without_event": len(report.lost),
            "event_ids": [outbox.event_id(entry.ticket_no, entry.seq) for entry in report.lost[:_NAMED]],
            "more": more,
            "next_after": report.lost[-1].id if more else _overlapping(old, report.entries),
        }

    def _relay(self, connection: Connection, report: Report) -> None:
        """They wait for a relay: every api process has one, so this is about a database that nobody serves."""
        count = repository.waiting(connection, report.until)
        old = repository.last_position(connection, report.until - _AGAIN)
        report.parts["relay"] = {
            "newest": outbox.last_position(connection),
            "waiting": count,
            "next_after": _overlapping(old, report.events),
        }
        report.missing += count

    def _webhooks(self, connection: Connection, report: Report) -> None:
        report.parts["webhooks"] = [self._webhook(connection, one, report) for one in webhooks.every(connection)]

    def _webhook(self, connection: Connection, webhook: AnyRow, report: Report) -> dict[str, Any]:
        expected = repository.expected(connection, webhook, report.events)
        found = repository.states(connection, webhook, report.events)
        dead = repository.dead(connection, webhook.id)
        which = Which(since=webhook.created_at, after=report.events.after, upto=report.events.upto)
        lost = webhooks.count_missing(connection, webhook, which)
        report.missing += lost + dead
        if lost:
            report.short.append((webhook, which))
        oldest = repository.oldest_pending(connection, webhook.id)
        return {
            "id": webhook.id,
            "name": webhook.name,
            "active": webhook.active,
            "expected": expected,
            **{state: found.get(state, 0) for state in ("delivered", "pending", "withheld")},
            "dead": dead,
            "without_delivery": lost,
            "oldest_pending_at": oldest and rfc3339(oldest),
        }

    def _stream(self, connection: Connection, report: Report) -> None:
        """What is behind is added by the next look of any api process: nothing has to be healed here."""
        if self.stream is None:
            report.parts["stream"] = None
            return
        behind = repository.beyond(connection, self.stream_sieve, self.stream, report.until)
        report.parts["stream"] = {"position": self.stream, "behind": behind}
        report.missing += behind

    def _consumers(self, connection: Connection, report: Report) -> None:
        """Acknowledging is voluntary and consumers want different types, so that what is not acknowledged is not missing."""
        report.parts["consumers"] = [
            {"consumer": row.consumer, "acknowledged": row.acknowledged, "position": row.position}
            for row in repository.consumers(connection, report.events)
        ]


def _ended(connection: Connection, last: AnyRow, since: datetime) -> tuple[int, int]:
    """Behind which entry and which position to go on; reports of the version before name none."""
    if "next_after" in last.report["threads"]:
        return last.report["threads"]["next_after"], last.report["relay"]["next_after"]
    return repository.last_entry(connection, since), repository.last_position(connection, since)


def _overlapping(old: int, window: Window) -> int:
    return max(0, min(old, window.upto - _AGAIN_AT_LEAST))


def _tell(connection: Connection, entry: AnyRow) -> bool:
    """The event that an entry should have had, with the ticket as it stands today; False when somebody told it meanwhile."""
    ticket = tickets.find(connection, entry.ticket_no, lock=True)
    if ticket is None or outbox.find(connection, outbox.event_id(entry.ticket_no, entry.seq)) is not None:
        return False
    told = {name: getattr(entry, name) for name in ("seq", "type", "actor", "audience", "data")}
    outbox.add(connection, ticket, kind=entry.type, entry={**told, "at": entry.created_at}, now=entry.created_at)
    return True
