"""What one person may ask for: everything we hold on them (个人信息保护法第四十五条), and its end (第四十七条)."""

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import to_json
from sqlalchemy import Connection

from api.core import audit
from api.core.clock import rfc3339
from api.core.context import Context
from api.core.models import AnyRow
from api.core.redaction import plain_phone
from api.core.security import Principal
from api.tickets.handoff.repository import RESTRICTED, add_last_word
from api.tickets.lifecycle import LABELS, State
from api.tickets.numbers import normal_number
from api.tickets.privacy import repository
from api.tickets.privacy.consent import consent_out
from api.tickets.privacy.errors import (
    NotConfirmedError,
    NotOfThisPhoneError,
    PersonNotFoundError,
    SeveralPeopleError,
    WhoseDataError,
)
from api.tickets.privacy.keepers import Subject
from api.tickets.privacy.names import are_several
from api.tickets.privacy.retention import Ending
from api.tickets.privacy.schemas import CONFIRM, DeletionIn, PersonIn
from api.tickets.recusal import check_keeper
from api.tickets.repository import find, promises_of
from api.tickets.schemas import wire

# Of a ticket's row what the person told, what it was taken for, and what was promised and answered. What a later version adds
# stays inside until it is written here: findings, measures, and who stands aside or answers are the bank's or others'.
_THEIRS = tuple(
    "ticket_no state nature created_at updated_at intake_channel conversation_id parent_ticket name phone card_tail"
    " customer_type anonymous is_agent agent_kind authorization representative_count special_group consent_at"
    " business_category business_channel branch branch_name event_time event_time_text product amount staff_described"
    " narrative_raw summary customer_quote cause_l1 cause_l2 request callback_wanted level level_peak tags trigger_phrases"
    " missing_fields repeat_count urged_count reopened due_at first_contact_due_at first_contact_at accepted_at resolved_at"
    " closed_at withdrawn_at review_requested_at awaited extended_days outcome satisfaction retention_until"
    " processing_restricted_at".split()
)
# The same of an entry's data.
_TOLD = frozenset(
    "text reason outcome for narrative_raw filed facts new_facts evidence attachments from_customer consent_withdrawn"
    " clock_restarted due_at days".split()
)
_README = "这里是本行保存的与您有关的个人信息（个人信息.json，UTF-8 编码的 JSON）。材料原件可向工作人员索取。\n"


@dataclass(frozen=True, slots=True)
class Found:
    """A person's tickets, and their conversations that led to none."""

    tickets: list[AnyRow]
    talks: list[str]


@dataclass(frozen=True, slots=True)
class Persons:
    """The desk for requests of one person."""

    ctx: Context
    ending: Ending

    async def export(self, asked: PersonIn, by: Principal) -> bytes:
        """A zip with one JSON file. Raises WhoseDataError, PersonNotFoundError or RecusedError."""
        now = self.ctx.clock.now()

        def read(connection: Connection) -> dict[str, Any]:
            found = self._find(connection, asked, by)
            for subject in [row.ticket_no for row in found.tickets] or ["*"]:
                audit.note(
                    connection,
                    who=by.id,
                    action="person.export",
                    subject=subject,
                    now=now,
                    fields=["*"],
                    reason=asked.reason,
                )
            return self._everything(connection, found, now)

        return _zipped(await self.ctx.db.write(read), now)

    async def delete(self, asked: DeletionIn, by: Principal) -> dict[str, Any]:
        """Removes what may go, restricts the use of what the law keeps, and says which is which."""
        if asked.confirm.strip() != CONFIRM:
            raise NotConfirmedError
        now = self.ctx.clock.now()
        found = await self.ctx.db.read(lambda connection: self._find(connection, asked, by))
        removed, kept = [], []
        for row in found.tickets:
            if reasons := self._why_kept(row, now):
                kept.append({"ticket_no": row.ticket_no, "closed": row.closed_at is not None, **reasons})
            elif row.anonymised_at is None and await self.ending.end(row, now, who=by.id, reason=asked.reason):
                removed.append(row.ticket_no)
        for talk in found.talks:
            await self.ending.end_conversation(talk, now)

        def restrict(connection: Connection) -> None:
            for one in kept:
                _restrict(connection, one["ticket_no"], now)
            told = {"removed": (None, removed), "kept": (None, [one["ticket_no"] for one in kept])}
            for subject in [row.ticket_no for row in found.tickets] or ["*"]:
                audit.note(
                    connection,
                    who=by.id,
                    action="person.delete",
                    subject=subject,
                    now=now,
                    changes=told,
                    reason=asked.reason,
                )

        await self.ctx.db.write(restrict)
        return {"removed": removed, "conversations_removed": len(found.talks), "kept": kept}

    def _find(self, connection: Connection, asked: PersonIn, by: Principal) -> Found:
        if (asked.phone is None) == (asked.ticket_no is None):
            raise WhoseDataError
        tickets, phone = self._tickets(connection, asked)
        check_keeper(by, tickets)
        talks = self.ending.talks.of_phone(connection, phone) if phone and asked.only is None else []
        if not tickets and not talks:
            raise PersonNotFoundError
        return Found(_one_person(tickets, asked.only), talks)

    def _tickets(self, connection: Connection, asked: PersonIn) -> tuple[list[AnyRow], str | None]:
        if asked.phone is not None:
            phone = plain_phone(asked.phone) or ""
            if not any(map(str.isdigit, phone)):
                raise WhoseDataError
            return repository.tickets_of_phone(connection, self.ctx.cipher.blind_indexes(phone)), phone
        number = normal_number(asked.ticket_no or "")
        row = find(connection, number) if number else None
        if row is None:
            raise PersonNotFoundError
        if row.phone_index is None:
            return [row], None
        same = repository.tickets_of_phone(connection, self.ctx.cipher.blind_indexes(row.phone))
        return same or [row], row.phone

    def _why_kept(self, row: AnyRow, now: datetime) -> dict[str, Any] | None:
        """The reasons of the law why a ticket may not go now, and until when; None when it may."""
        if row.closed_at is None:
            label = LABELS[State(row.state)]
            return {"reasons": [f"事项还在办理（{label}），依法须办结并答复"], "until": None}
        reasons, until = [], self.ending.until(row.closed_at)
        if until is None or until > now:
            period = self.ending.rules.period("ticket", row.closed_at.date())
            reasons.append(f"投诉档案保存期未满（{period.source}）" if period else "没有规定保存期限的规则，不能删除")
        if row.legal_hold_at is not None:
            reasons.append(f"已保全：{row.legal_hold_reason}")
            until = None
        return {"reasons": reasons, "until": rfc3339(until) if until else None} if reasons else None

    def _everything(self, connection: Connection, found: Found, now: datetime) -> dict[str, Any]:
        subjects = [Subject(row.ticket_no, row.conversation_id) for row in found.tickets]
        subjects += [Subject(None, talk) for talk in found.talks]
        more = {
            keeper.name: [item for subject in subjects if (item := keeper.export(connection, subject))]
            for keeper in self.ending.keepers
            if keeper.export is not None
        }
        talks, numbers = self.ending.talks, [row.ticket_no for row in found.tickets]
        numbers += repository.merged_without_phone(connection, numbers)
        talk_ids = [*talks.of_tickets(connection, numbers, merged=False), *found.talks]
        consents = [
            row
            for subject in [*subjects, *(Subject(None, talk) for talk in talk_ids)]
            for row in repository.consents_of(
                connection, ticket_no=subject.ticket_no, conversation_id=subject.conversation_id
            )
        ]
        return {
            "made_at": rfc3339(now),
            "tickets": [self._ticket(connection, row) for row in found.tickets],
            "conversations": [said for talk in talk_ids if (said := talks.export(connection, talk)) is not None],
            "consents": [consent_out(row) for row in {row.id: row for row in consents}.values()],
            **more,
        }

    def _ticket(self, connection: Connection, row: AnyRow) -> dict[str, Any]:
        """The person's own data and what they were told; notes of staff among themselves are not theirs."""
        number: str = row.ticket_no
        talks = self.ending.talks.of_tickets(connection, [number], merged=False)
        entries = [*repository.told_to_customer(connection, number), *repository.from_customer(connection, number)]
        return {
            **wire({name: getattr(row, name) for name in _THEIRS}),
            "state_label": LABELS[State(row.state)],
            "entries": [
                {
                    "at": rfc3339(one.created_at),
                    "type": one.type,
                    "data": {k: v for k, v in one.data.items() if k in _TOLD},
                }
                for one in sorted(entries, key=lambda one: one.id)
            ],
            "promises": [
                wire({name: getattr(one, name) for name in ("kind", "text", "due_at", "made_at", "met_at")})
                for one in promises_of(connection, number)
            ],
            "read_by": [
                {"at": rfc3339(one.at), "who": one.who, "what": one.action, "fields": one.fields}
                for one in repository.readers_of(connection, row, talks)
            ],
        }


def _one_person(tickets: list[AnyRow], only: tuple[str, ...] | None) -> list[AnyRow]:
    """Raises SeveralPeopleError for tickets under different names, unless `only` says which; or NotOfThisPhoneError."""
    if only is None:
        if are_several(row.name for row in tickets if row.name):
            raise SeveralPeopleError([row.ticket_no for row in tickets])
        return tickets
    wanted = {normal_number(number) or number for number in only}
    if unknown := sorted(wanted - {row.ticket_no for row in tickets}):
        raise NotOfThisPhoneError(unknown)
    return [row for row in tickets if row.ticket_no in wanted]


def _restrict(connection: Connection, ticket_no: str, now: datetime) -> None:
    """From its end on, which may be now. Receivers hear of it once."""
    row = repository.locked(connection, ticket_no)
    if row is None or row.processing_restricted_at is not None:
        return
    repository.mark(connection, ticket_no, {"processing_restricted_at": now})
    if row.closed_at is not None:
        add_last_word(connection, row, RESTRICTED, now)


def _zipped(everything: dict[str, Any], now: datetime) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("个人信息.json", to_json(everything, indent=2)), ("说明.txt", _README.encode())):
            archive.writestr(zipfile.ZipInfo(name, now.timetuple()[:6]), content)
    return held.getvalue()
