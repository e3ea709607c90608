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
from api.tickets.handoff.webhooks import repository as webhooks
from api.tickets.handoff.webhooks.repository import Which
from api.tickets.notices import repository as notices

_UNDER_WAY = timedelta(minutes=5)  # what is younger may still be on its way
_AGAIN = timedelta(hours=1)  # of the time before that is looked at once more
_NAMED = 100  # events named in a report
_AT_ONCE = 1000  # lost entries that one run tells again; the rest is found by the next


@dataclass(slots=True)
class Report:
    """Counts of one reconciliation. `missing`: what should have left and had not; `healed`: how much of it is on its way now.

    `lost` and `short` are what can be healed: entries without event, webhooks with events that they were never to get.
    """

    since: datetime
    until: datetime
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
        if report.missing:
            notices.add(
                connection,
                kind="reconciliation",
                text=f"对接核对发现 {report.missing} 项没有送达，其中 {report.healed} 项已重新投递；详见第 {number} 号对接核对报告。",
                level=3,
                unique_key=f"reconciliation:{number}",
                now=self.now,
            )

    def _period(self, connection: Connection) -> Report:
        """Since the last one, with an hour of overlap; the first one looks at everything."""
        last, until = repository.newest(connection), self.now - _UNDER_WAY
        first = repository.first_moment(connection)
        since = last.until - _AGAIN if last is not None else first or until
        return Report(min(since, until), until)

    def _threads(self, connection: Connection, report: Report) -> None:
        report.lost = repository.entries_without_event(connection, report.since, report.until, _AT_ONCE)
        report.missing += len(report.lost)
        report.parts["threads"] = {
            "entries": repository.count_entries(connection, report.since, report.until),
            "events": repository.count_events(connection, report.since, report.until),
            "without_event": len(report.lost),
            "event_ids": [outbox.event_id(entry.ticket_no, entry.seq) for entry in report.lost[:_NAMED]],
        }

    def _relay(self, connection: Connection, report: Report) -> None:
        """They wait for a relay: every api process has one, so this is about a database that nobody serves."""
        count = repository.waiting(connection, report.until)
        report.parts["relay"] = {"newest": outbox.last_position(connection), "waiting": count}
        report.missing += count

    def _webhooks(self, connection: Connection, report: Report) -> None:
        report.parts["webhooks"] = [self._webhook(connection, one, report) for one in webhooks.every(connection)]

    def _webhook(self, connection: Connection, webhook: AnyRow, report: Report) -> dict[str, Any]:
        expected = repository.expected(connection, webhook, report.since, report.until)
        found = repository.states(connection, webhook, report.since, report.until)
        which = Which(since=max(report.since, webhook.created_at), until=report.until)
        lost = webhooks.count_missing(connection, webhook, which)
        report.missing += lost + found.get("dead", 0)
        if lost:
            report.short.append((webhook, which))
        oldest = repository.oldest_pending(connection, webhook.id)
        return {
            "id": webhook.id,
            "name": webhook.name,
            "active": webhook.active,
            "expected": expected,
            **{state: found.get(state, 0) for state in ("delivered", "pending", "dead", "withheld")},
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
            for row in repository.consumers(connection, report.since, report.until)
        ]


def _tell(connection: Connection, entry: AnyRow) -> bool:
    """The event that an entry should have had, with the ticket as it stands today; False when somebody told it meanwhile."""
    ticket = tickets.find(connection, entry.ticket_no, lock=True)
    if ticket is None or outbox.find(connection, outbox.event_id(entry.ticket_no, entry.seq)) is not None:
        return False
    told = {name: getattr(entry, name) for name in ("seq", "type", "actor", "audience", "data")}
    outbox.add(
        connection,
        ticket_no=entry.ticket_no,
        kind=entry.type,
        entry={**told, "at": entry.created_at},
        restricted_to=ticket.route if ticket.restricted else None,
        now=entry.created_at,
    )
    return True
