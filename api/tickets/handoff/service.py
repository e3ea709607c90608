"""The relay: gives new events their positions and wakes whoever sends them on. Every process may run one."""

from sqlalchemy import Connection

from api.core.bus import Bus
from api.core.context import Context
from api.core.models import AnyRow
from api.tickets.handoff import repository
from api.tickets.handoff.stream import Stream
from api.tickets.handoff.worker import Worker

_LOOK = 1.0  # seconds; what another process wrote while Redis is away is found by looking


class HandOff:
    """One process's share of handing off."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.stream = Stream(ctx)
        self._relay = Worker("relay", self.number, _LOOK)
        self._streaming = Worker("stream", self.stream.publish, _LOOK)
        self._ear = Worker("ear", self._listen, _LOOK)

    def start(self) -> None:
        for worker in (self._relay, self._streaming, self._ear):
            worker.start()

    async def stop(self) -> None:
        for worker in (self._ear, self._relay, self._streaming):
            await worker.stop()

    async def number(self) -> None:
        """Positions for all events that wait."""
        while await self._ctx.db.read(repository.is_waiting):
            if not await self._ctx.db.write(self._number):
                return
            self._streaming.wake()

    def _number(self, connection: Connection) -> list[AnyRow]:
        return repository.give_positions(connection, self._ctx.clock.now())

    async def _listen(self) -> None:
        """Every change of a ticket is announced to the desk; so are other things, which costs a look."""
        bus: Bus = self._ctx.bus
        with bus.subscribed("desk") as subscription:
            while not bus.closing:
                if await subscription.wait(_LOOK):
                    self._relay.wake()
