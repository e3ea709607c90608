"""The relay: gives new events their positions and wakes whoever sends them on. Every process may run one."""

from sqlalchemy import Connection

from api.core.bus import Bus, Event
from api.core.context import Context
from api.tickets.handoff import repository
from api.tickets.handoff.reconciliation.service import Reconciler, Report
from api.tickets.handoff.stream import Stream, position_of
from api.tickets.handoff.webhooks import repository as webhooks
from api.tickets.handoff.webhooks.courier import Courier
from api.tickets.handoff.worker import Worker

_LOOK = 1.0  # seconds; what another process wrote while Redis is away is found by looking


class HandOff:
    """One process's share of handing off."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.stream = Stream(ctx)
        self.courier = Courier(ctx)
        self._relay = Worker("relay", self.number, _LOOK)
        self._streaming = Worker("stream", self.stream.publish, _LOOK)
        self._delivering = Worker("courier", self.courier.look, _LOOK)
        self._ear = Worker("ear", self._listen, _LOOK)
        self._workers = (self._ear, self._relay, self._streaming, self._delivering)

    async def start(self) -> None:
        self._ctx.jobs.daily("handoff_reconciliation", "02:30", self._reconcile)
        await self.courier.start()
        for worker in self._workers:
            worker.start()

    async def stop(self) -> None:
        for worker in self._workers:
            await worker.stop()
        await self.courier.stop()

    async def _reconcile(self) -> None:
        await self.reconcile()

    async def number(self) -> None:
        """Positions for all events that wait."""
        while await self._ctx.db.read(repository.is_waiting):
            if not await self._ctx.db.write(self._number):
                return
            self._streaming.wake()
            self._delivering.wake()

    async def reconcile(self) -> Report:
        """Compares, heals, keeps the report and raises a notice when something was missing."""
        ctx = self._ctx
        position = await position_of(ctx.redis)
        reconciler = Reconciler(ctx.clock.now(), position, self.stream.sieve)
        report = await ctx.db.read(reconciler.compare)
        await ctx.db.write(lambda connection: reconciler.heal(connection, report))
        ctx.bus.publish("desk", Event())
        return report

    def _number(self, connection: Connection) -> bool:
        """Webhooks get their deliveries in the same transaction: an event that has a position has them, too."""
        now = self._ctx.clock.now()
        rows = repository.give_positions(connection, now)
        webhooks.enqueue(connection, rows, now)
        return bool(rows)

    async def _listen(self) -> None:
        """Every change of a ticket is announced to the desk; so are other things, which costs a look."""
        bus: Bus = self._ctx.bus
        with bus.subscribed("desk") as subscription:
            while not bus.closing:
                if await subscription.wait(_LOOK):
                    self._relay.wake()
                    self._delivering.wake()
