"""Runs turns: ask the bot, commit the answer, try again when something failed, and say so when it takes long."""

import asyncio
import random
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from api.core.bus import WAKE, Bus, Event
from api.core.clock import Clock
from api.core.db import Database
from api.core.errors import ApiError
from api.core.logging import describe, get_logger
from api.core.metrics import Metrics
from api.core.redaction import mask
from api.core.sse import sse
from api.dialogue import commit, files, repository
from api.dialogue.address import Form
from api.dialogue.client import BotClient
from api.dialogue.commit import LostClaimError
from api.dialogue.schemas import Accepted, Committed, Incoming, StoredMessage, Turn
from contract.ticket import Channel
from contract.turn import TurnAnswer, TurnRequest

logger = get_logger("dialogue")

_FIRST_RETRY = 0.5  # seconds; a restarting bot is back within a few
_ATTEMPTS_BEFORE_HUMAN = 5
_SWEEP = 0.5
_SWEEP_AT_ONCE = 50
# Turns beyond this wait here, where waiting is cheap, and not inside the bot's single event loop.
_ASK_AT_ONCE = 32
_RENEW_AFTER = 3.0  # seconds of waiting for a place after which the claim is renewed first

_TYPING = Event(sse("typing", {"active": True}))
_NOT_TYPING = Event(sse("typing", {"active": False}))


def topic(conversation_id: str) -> str:
    return f"conversation:{conversation_id}"


def desk_event(kind: str, conversation_id: str) -> Event:
    return Event(sse(kind, {"conversation_id": conversation_id}))


class Turns:
    """The conversations this process is at work on; the work itself is in the database and survives it."""

    def __init__(self, db: Database, bus: Bus, bot: BotClient, clock: Clock, metrics: Metrics) -> None:
        self._db = db
        self._bus = bus
        self._bot = bot
        self._clock = clock
        self._metrics = metrics
        self._running: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None
        self._places = asyncio.Semaphore(_ASK_AT_ONCE)
        self.notice_after = timedelta(seconds=4)
        self.backlog = 200
        self.address: Form = "您"
        # What a conversation's ticket gets from it, in the transaction that makes it the conversation's; the app says what.
        self.adopt: Callable[[Connection, str, str, datetime], None] = lambda *_: None
        # Nobody can take a conversation over yet, so nobody is promised.
        self.human_available: Callable[[], bool] = lambda: False

    async def start(self) -> None:
        if self._db.is_sqlite:
            await self._db.write(repository.forget_claims)
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self, grace: float = 3.0) -> None:
        """Lets running turns end; what does not make it is taken up again at the next start."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=grace)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def accept(self, conversation_id: str, incoming: Incoming) -> int:
        """Stores a customer's message durably; the answer follows by itself. Returns its sequence number."""
        accepted: Accepted = await self._db.write(
            lambda connection: repository.accept(connection, conversation_id, incoming, backlog=self.backlog)
        )
        if accepted.message is not None:
            self._metrics.messages.labels("customer").inc()
            typing = () if accepted.turn is None else (_TYPING,)
            self._bus.publish(topic(conversation_id), accepted.message.event(), *typing)
        if accepted.turn is not None:
            self._begin(accepted.turn)
        return accepted.seq

    async def accept_files(self, conversation_id: str, client_id: str, say: files.Say) -> int:
        """A message of files, stored durably. Returns its sequence number."""
        now = self._clock.now()
        kept = await self._db.write(
            lambda connection: files.keep(
                connection, conversation_id, client_id, say, now=now, backlog=self.backlog, form=self.address
            )
        )
        for message in kept.messages:
            self._metrics.messages.labels(message.role).inc()
        if kept.messages:
            self._bus.publish(topic(conversation_id), *(message.event() for message in kept.messages))
        return kept.seq

    def _begin(self, turn: Turn) -> None:
        task = asyncio.create_task(self._run(turn))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, first: Turn) -> None:
        turn: Turn | None = first
        while turn is not None:
            turn = await self._try(turn)

    async def _try(self, turn: Turn) -> Turn | None:
        """One attempt; returns the next turn, or nothing when there is none or this one failed."""
        started = time.perf_counter()
        try:
            following = await self._one_turn(turn)
        except LostClaimError:
            self._metrics.turns.labels("lost").inc()
            return None
        except ApiError as error:
            logger.warning("turn_failed", reason=error.code, details=error.details, attempts=turn.attempts + 1)
            await self._failed(turn)
            return None
        except Exception as error:  # noqa: BLE001 - the edge of a task: the turn stays in the queue, the log says why
            logger.error("turn_broken", attempts=turn.attempts + 1, **describe(error))
            await self._failed(turn)
            return None
        self._metrics.turns.labels("answered").inc()
        self._metrics.turn_seconds.observe(time.perf_counter() - started)
        return following

    async def _one_turn(self, turn: Turn) -> Turn | None:
        """Returns the next turn when messages came in meanwhile."""
        asking = asyncio.ensure_future(self._ask(turn))
        try:
            answer, turn = await self._wait(asking, turn)
        finally:
            asking.cancel()
        committed = await self._db.write(lambda connection: self._commit(connection, turn, answer))
        self._announce(turn.conversation_id, committed)
        return committed.next_turn

    def _commit(self, connection: Connection, turn: Turn, answer: TurnAnswer) -> Committed:
        now = self._clock.now()
        committed = commit.commit_turn(connection, turn, answer, now, self.address)
        if committed.ticket_no is not None:
            self.adopt(connection, turn.conversation_id, committed.ticket_no, now)
        return committed

    async def _wait(self, asking: "asyncio.Future[tuple[TurnAnswer, Turn]]", turn: Turn) -> tuple[TurnAnswer, Turn]:
        """The bot's answer; a customer who waits too long hears that the words are kept."""
        waited = (self._clock.now() - turn.arrived).total_seconds()
        left = max(0.0, self.notice_after.total_seconds() - max(0.0, waited))
        await asyncio.wait({asking}, timeout=left)
        if not asking.done():
            await self._tell_about_delay(turn)
        return await asking

    async def _ask(self, turn: Turn) -> tuple[TurnAnswer, Turn]:
        masked = mask(turn.text, turn.vault)
        if new := {name: value for name, value in masked.values.items() if name not in turn.vault}:
            # The bot may file a ticket with a placeholder before its answer is back: the values go first.
            turn.vault.update(new)
            await self._db.write(
                lambda connection: repository.keep_values(connection, turn.conversation_id, turn.vault)
            )
        request = TurnRequest(
            conversation_id=turn.conversation_id,
            turn_id=f"{turn.conversation_id}:{turn.upto}",
            channel=Channel(turn.channel),
            now=turn.arrived,
            text=masked.text,
            choice=turn.choice,
            branches_version=turn.branches_version,
            human_available=self.human_available(),
        )
        waiting_since = time.monotonic()
        async with self._places:
            if time.monotonic() - waiting_since > _RENEW_AFTER and not await self._db.write(
                lambda connection: repository.renew(connection, turn)
            ):
                raise LostClaimError
            return await self._bot.turn(request, turn.state), turn

    def _announce(self, conversation_id: str, committed: Committed) -> None:
        self._metrics.messages.labels("bot").inc(len(committed.messages))
        events = [message.event() for message in committed.messages]
        if committed.owner_changed:
            events.append(Event(sse("owner", {"owner": committed.owner})))
        if committed.ticket_no is not None:
            events.append(Event(sse("ticket", {"ticket_no": committed.ticket_no})))
        events.append(_TYPING if committed.next_turn else _NOT_TYPING)
        self._bus.publish(topic(conversation_id), *events)
        if committed.owner_changed:
            self._bus.publish("desk", desk_event("conversation", conversation_id))
        if committed.alert:
            self._bus.publish("desk", WAKE)

    async def _tell_about_delay(self, turn: Turn) -> None:
        if turn.noticed:
            return
        notice = await self._db.write(
            lambda connection: commit.tell_about_delay(connection, turn, self._clock.now(), self.address)
        )
        if notice is not None:
            self._publish_notice(turn.conversation_id, notice)

    def _publish_notice(self, conversation_id: str, notice: StoredMessage) -> None:
        self._metrics.messages.labels("system").inc()
        self._bus.publish(topic(conversation_id), notice.event())

    async def _failed(self, turn: Turn) -> None:
        """Hands the same messages to the sweeper, with back-off; a database that is down makes the claim run out."""
        self._metrics.turns.labels("failed").inc()
        attempts, now = turn.attempts + 1, self._clock.now()
        longest = repository.LONGEST_RETRY
        pause = min(longest, _FIRST_RETRY * 2 ** min(turn.attempts, 10)) * random.uniform(0.8, 1.2)  # noqa: S311
        before_notice = (self.notice_after - (now - turn.arrived)).total_seconds()
        if before_notice > 0:
            pause = min(pause, before_notice + 0.05)  # the attempt that also tells the customer must not come late
        try:
            if before_notice <= 0:
                await self._tell_about_delay(turn)
            if attempts == _ATTEMPTS_BEFORE_HUMAN and await self._db.write(
                lambda connection: commit.queue_for_human(connection, turn, now)
            ):
                self._bus.publish(topic(turn.conversation_id), Event(sse("owner", {"owner": "queued"})))
                self._bus.publish("desk", WAKE)
            await self._db.write(
                lambda connection: repository.release(connection, turn, attempts=attempts, retry_at=time.time() + pause)
            )
        except ApiError as error:
            logger.error("turn_not_released", reason=error.code)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP)
            try:
                await self.sweep_once()
            except Exception as error:  # noqa: BLE001 - the edge of a task that must outlive every failure
                logger.error("sweep_failed", **describe(error))

    async def sweep_once(self) -> None:
        """Takes up turns whose retry is due or whose holder is gone."""
        waiting = await self._db.read(lambda connection: repository.due(connection, _SWEEP_AT_ONCE))
        for conversation_id in waiting:
            turn = await self._db.write(partial(repository.claim, conversation_id=conversation_id))
            if turn is not None:
                self._begin(turn)
