"""Cluster alarms: many complaints about one thing open an incident for a supervisor to look at, and page.

What is opened is a draft: nothing of it is told to customers until a supervisor confirms it. The look is a job and not part
of filing, which stays as fast as it is; one process looks at a time, and the directory's version lets one write at a time.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from api.core.bus import Event
from api.core.clock import BEIJING
from api.core.context import Context
from api.core.logging import get_logger
from api.desk import directory
from api.tickets.clusters import repository
from api.tickets.clusters.rules import Cluster, clusters_of, limits_on
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
        if await self._ctx.db.read(lambda connection: bool(self._due(connection, now))):
            opened = await self._ctx.db.write(lambda connection: self._look(connection, now))
            for incident_no in opened:
                logger.warning("cluster", incident_no=incident_no)
            self._ctx.bus.publish("desk", Event())
        self._seen, self._skipped = newest, 0

    def _due(self, connection: Connection, now: datetime) -> list[tuple[Cluster, str | None]]:
        """Clusters that alarm, and groups that belong to an open one, whose number stands with them."""
        limits = limits_on(self._playbook.sla, now.date())
        since = now - limits.window
        known = directory.clusters(connection, now, since)
        ours = {found.incident_no for found in known.values()}
        # What belongs to an incident that a supervisor announced needs no second one.
        rows = [
            row for row in repository.recent(connection, since) if row.incident_id is None or row.incident_id in ours
        ]
        groups = clusters_of(rows, limits, now, {key: found.opened_at for key, found in known.items()})
        due: list[tuple[Cluster, str | None]] = []
        for group in groups:
            before = known.get(group.key)
            if before is not None and before.is_open:
                if any(row.incident_id is None for row in group.rows):
                    due.append((group, before.incident_no))
            elif group.alarms:
                due.append((group, None))
        return due

    def _look(self, connection: Connection, now: datetime) -> list[str]:
        """The numbers of what was opened."""
        directory.next_version(connection)  # whoever looked at the same moment waits here, and then finds it done
        opened = []
        for group, number in self._due(connection, now):
            if number is None:
                incident = self._draft(connection, group, now)
                directory.put_draft(connection, incident, cluster=group.key, now=now)
                self._page(connection, group, incident, now)
                number = incident.incident_no
                opened.append(number)
            repository.join_incident(connection, group.rows, number, now)
        return opened

    def _draft(self, connection: Connection, group: Cluster, now: datetime) -> Incident:
        what = self._about(connection, group)
        return Incident(
            incident_no=directory.new_incident_no(connection, now.date()),
            title=f"{what}集中投诉"[:_TITLE],
            kind=_KINDS.get(group.cause or "", "cluster"),
            branches=(group.branch,) if group.branch in directory.branch_codes(connection) else (),
            starts_at=_to_the_second(group.rows[0].created_at),
            ends_at=None,
            message=f"{group.hours}小时内有{group.customers}位客户反映{what}，正在核实。"[:_MESSAGE],
            banner=False,
        )

    def _about(self, connection: Connection, group: Cluster) -> str:
        if group.product is not None:
            return group.product[:24]
        branch = directory.find_branch(connection, group.branch or "")
        name = branch.name if branch else group.branch or ""
        return f"{name[:14]}{self._playbook.taxonomy.name(group.cause or '')}"

    def _page(self, connection: Connection, group: Cluster, incident: Incident, now: datetime) -> None:
        text = f"{incident.message}已登记待确认事件 {incident.incident_no}，请尽快核实：确认、修改或作废。"
        notices.add(
            connection,
            kind="cluster",
            text=text,
            level=_LEVEL,
            unique_key=f"cluster:{incident.incident_no}",
            now=now,
            incident_no=incident.incident_no,
            to_unit=self._playbook.routing.fallback,
        )


def _to_the_second(moment: datetime) -> datetime:
    return moment.astimezone(BEIJING).replace(microsecond=0)
