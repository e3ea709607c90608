"""Cluster alarms: many complaints about one thing open an incident for a supervisor to look at, and page.

What is opened is a draft: nothing of it is told to customers until a supervisor confirms it. The look is a job and not part
of filing, which stays as fast as it is; one process looks at a time, and the directory's version lets one write at a time.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from api.core.bus import Event
from api.core.clock import BEIJING, SKEW
from api.core.context import Context
from api.core.logging import get_logger
from api.desk import directory
from api.tickets.clusters import repository
from api.tickets.clusters.rules import Cluster, Group, Limits, branch_groups, limits_on, product_groups
from api.tickets.notices import repository as notices
from contract.incident import Incident, Kind
from contract.playbook import Playbook

SECONDS = 15.0  # between looks
_SKIPS = 4  # looks without a new ticket; one may have been numbered before what was seen and committed after it

logger = get_logger("clusters")

_TITLE, _MESSAGE = 40, 80  # characters, contract/incident.py
_KINDS: Mapping[str, Kind] = {"C3": "crowd", "C6": "outage"}
_LEVEL = 4  # pages


class ClusterWatch:
    """The look of one process; a look at nothing new costs one read."""

    def __init__(self, ctx: Context, playbook: Playbook) -> None:
        self._ctx = ctx
        self._playbook = playbook
        self._seen, self._skipped = -1, 0

    async def __call__(self) -> None:
        newest = await self._ctx.db.read(repository.newest)
        if newest == self._seen and self._skipped < _SKIPS:
            self._skipped += 1
            return
        now = self._ctx.clock.now()
        if await self._ctx.db.read(lambda connection: self._has_work(connection, now)):
            opened = await self._ctx.db.write(lambda connection: self._look(connection, now))
            for incident_no in opened:
                logger.warning("cluster", incident_no=incident_no)
            self._ctx.bus.publish("desk", Event())
        self._seen, self._skipped = newest, 0

    def _has_work(self, connection: Connection, now: datetime) -> bool:
        return bool(
            directory.opened_ahead(connection, now) or self._due(connection, now) or self._unheard(connection, now)
        )

    def _due(self, connection: Connection, now: datetime) -> list[tuple[Cluster, str | None]]:
        """Clusters that alarm, and what belongs to an open one, whose number stands with it.

        Only the tickets of a group that has customers enough, or whose incident is open, are read.
        """
        limits = limits_on(self._playbook.sla, now.date())
        known = directory.clusters(connection, now, now - limits.longest)
        ours = [found.incident_no for found in known.values()]
        due: list[tuple[Cluster, str | None]] = []
        for group in _groups(connection, limits, now, ours):
            before = known.get(group.key)
            is_open = before is not None and _goes_on(connection, group, before, now)
            if (group.loose == 0) if is_open else (group.customers < group.least):
                continue
            window = group.since(now, before.opened_at if before else None), now
            rows = repository.tickets_of(connection, group, window, ours, loose=is_open)
            cluster = Cluster(group, tuple(rows))
            if rows if is_open else cluster.alarms:
                due.append((cluster, before.incident_no if before and is_open else None))
        return due

    def _look(self, connection: Connection, now: datetime) -> list[str]:
        """The numbers of what was opened."""
        directory.next_version(connection)  # whoever looked at the same moment waits here, and then finds it done
        directory.set_right(connection, now)
        opened: list[str] = []
        for cluster, number in self._due(connection, now):
            if number is None:
                incident = self._draft(connection, cluster, now)
                directory.put_draft(connection, incident, cluster=cluster.group.key, now=now)
                self._page(connection, incident, now)
                number = incident.incident_no
                opened.append(number)
            repository.join_incident(connection, cluster.rows, number, now)
        for number, period in self._unheard(connection, now):
            self._page_again(connection, number, period, now)
        return opened

    def _unheard(self, connection: Connection, now: datetime) -> list[tuple[str, int]]:
        """Drafts that nobody decides on and whose page of this period is still to come.

        Periods count from the opening, so that there is one page in each however many look; one that was acknowledged gives its
        reader a whole period.
        """
        hours = self._playbook.sla.threshold("cluster_page_again", now.date())
        if not hours:
            return []
        found, length = [], timedelta(hours=hours)
        for draft in directory.clusters(connection, now, now).values():
            number, period = draft.incident_no, (now - draft.opened_at) // length
            if not draft.undecided or period < 1 or notices.find(connection, _page_key(number, period)):
                continue
            last = notices.find(connection, _page_key(number, period - 1))
            seen_at = last.acknowledged_at if last else None
            if seen_at is None or not now - length < seen_at <= now + SKEW:
                found.append((number, period))
        return found

    def _draft(self, connection: Connection, cluster: Cluster, now: datetime) -> Incident:
        what, group = self._about(connection, cluster), cluster.group
        return Incident(
            incident_no=directory.new_incident_no(connection, now.date()),
            title=f"{what}集中投诉"[:_TITLE],
            kind=_KINDS.get(group.cause or "", "cluster"),
            branches=(group.branch,) if group.branch in directory.branch_codes(connection) else (),
            starts_at=_to_the_second(cluster.rows[0].created_at),
            ends_at=None,
            message=f"{group.hours}小时内有{cluster.customers}位客户反映{what}，正在核实。"[:_MESSAGE],
            banner=False,
        )

    def _about(self, connection: Connection, cluster: Cluster) -> str:
        group = cluster.group
        if group.products:
            return str(cluster.rows[0].product)[:24]
        branch = directory.find_branch(connection, group.branch or "")
        name = branch.name if branch else group.branch or ""
        return f"{name[:14]}{self._playbook.taxonomy.name(group.cause or '')}"

    def _page(self, connection: Connection, incident: Incident, now: datetime) -> None:
        number = incident.incident_no
        text = f"{incident.message}已登记待确认事件 {number}，请尽快核实：确认、修改或作废。"
        self._tell(connection, number, text, _page_key(number, 0), now)

    def _page_again(self, connection: Connection, number: str, period: int, now: datetime) -> None:
        """In place of the page before, so that one draft is one line of the list."""
        count = repository.linked_to(connection, number)
        text = f"待确认事件 {number} 还没有人确认或作废，已有 {count} 张工单；请尽快核实。"
        notices.replaced(connection, "cluster", number, now)
        self._tell(connection, number, text, _page_key(number, period), now)

    def _tell(self, connection: Connection, number: str, text: str, key: str, now: datetime) -> None:
        notices.add(
            connection,
            kind="cluster",
            text=text,
            level=_LEVEL,
            unique_key=key,
            now=now,
            incident_no=number,
            to_unit=self._playbook.routing.fallback,
        )


def _page_key(number: str, period: int) -> str:
    return f"cluster:{number}:{period}" if period else f"cluster:{number}"


def _goes_on(connection: Connection, group: Group, before: directory.KnownCluster, now: datetime) -> bool:
    """Whether more of the same belongs to it: nobody may ever end an incident, and what comes after a quiet window is news."""
    window = now - timedelta(hours=group.hours), now
    return before.runs and repository.grew(connection, before.incident_no, window)


def _groups(connection: Connection, limits: Limits, now: datetime, ours: list[str]) -> Iterator[Group]:
    if limits.branch_count:
        window = now - timedelta(hours=limits.branch_hours), now
        yield from branch_groups(repository.by_branch(connection, window, ours), limits)
    if limits.product_count:
        window = now - timedelta(hours=limits.product_hours), now
        yield from product_groups(repository.by_product(connection, window, ours), limits)


def _to_the_second(moment: datetime) -> datetime:
    return moment.astimezone(BEIJING).replace(microsecond=0)
