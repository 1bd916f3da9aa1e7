"""The courier: what happens by itself, on the clock or when woken, in short units of work.

Three rounds run side by side: stored ATS deliveries are applied, queued mail is sent, and terms run out (silence
becomes acceptance, slots and URLs expire, old deliveries lose their personal part). Every piece of work is taken
with SKIP LOCKED or a lease, so any number of workers may run couriers at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import structlog

from api import ats, intake_apply, letters
from api import mail as post
from api.intake_people import TooEarly
from api.settings import Settings
from models import agreement, delivery, idempotency, invitation, mail, outbox, outcome, referral, relay, slot
from models.db import Connection, retried, unit_of_work
from models.errors import Refusal

POLL_SECONDS = 5.0
CLOCK_SECONDS = 60.0
PAUSE_SECONDS = 2.0  # after a failure, so that a database that is away is not asked in a busy loop
AT_ONCE = 20  # deliveries of one company that are applied in one transaction
BEHIND_SECONDS, BEHIND_AT_ONCE = 1.0, 5  # at most, before the next few, while senders wait for theirs to be stored
STOP_SECONDS = 25.0  # the longest a mail server may take over the letter in hand

NO_ADDRESS = "NO_ADDRESS"
CARRY_URL = ("REJECTION", "RELAY_LINK")
TERMS: tuple[Callable[[Connection, datetime], Awaitable[object]], ...] = (
    relay.accept_silent,
    slot.redeem_due,
    slot.expire_due,
    slot.notify_expiring,
    invitation.expire_due,
    referral.expire_waiting,
    agreement.end_due,
    agreement.begin_due,
    delivery.reduce,
    idempotency.sweep,
    outbox.mark,
)
"""What runs out by itself, and the hours of the record. Each takes a batch and gives what it took: nothing, when there
is no more."""

log = structlog.get_logger()


@asynccontextmanager
async def running(settings: Settings) -> AsyncGenerator[Courier]:
    """A courier at work for as long as the block lasts."""
    courier = Courier(settings)
    async with courier.running():
        yield courier


class Courier:
    """One worker's courier. `wake` after queueing a mail, `wake_to_apply` after storing a delivery; else it looks every
    POLL_SECONDS.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._sender = post.sender(settings)
        self._awake = [asyncio.Event(), asyncio.Event()]
        self._clock = asyncio.Event()
        self._stopping = asyncio.Event()
        self._calm = asyncio.Event()
        self._calm.set()

    def wake(self) -> None:
        """There is something to do now."""
        for event in self._awake:
            event.set()

    def wake_to_apply(self, behind: bool) -> None:
        """Deliveries were stored. `behind`: others came meanwhile, and go before what is only to be applied.

        The mail that comes of one is looked for when it is applied.
        """
        if behind:
            self._calm.clear()
        else:
            self._calm.set()
        self._awake[0].set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Works until the block ends; then finishes what is in hand."""
        rounds = [
            asyncio.create_task(self._round(self.apply_deliveries, self._awake[0], POLL_SECONDS)),
            asyncio.create_task(self._round(self.send_mail, self._awake[1], POLL_SECONDS)),
            asyncio.create_task(self._round(self.keep_terms, self._clock, CLOCK_SECONDS)),
        ]
        try:
            yield
        finally:
            self._stopping.set()
            self.wake()
            self._clock.set()
            _, late = await asyncio.wait(rounds, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()

    async def apply_deliveries(self) -> int:
        """Applies every delivery that is due. Returns how many were tried."""
        return await self._until_idle(self._apply_some)

    async def send_mail(self) -> int:
        """Sends every mail that is due. Returns how many were tried."""
        return await self._until_idle(self._send_one)

    async def keep_terms(self, now: datetime | None = None) -> None:
        """Lets every term that has run out take effect, a batch a transaction."""
        now = now or datetime.now(UTC)
        for keep in TERMS:
            try:
                await self._until_idle(lambda keep=keep: self._keep_one(keep, now))
            except Exception as error:  # the others' terms run out all the same
                log.error("courier stumbled", action=keep.__name__, exc_info=error)

    async def _keep_one(self, keep: Callable[[Connection, datetime], Awaitable[object]], now: datetime) -> bool:
        async with unit_of_work() as connection:
            return bool(await keep(connection, now))

    async def _apply_some(self) -> int:
        most = AT_ONCE
        if not self._calm.is_set():
            most = BEHIND_AT_ONCE
            with suppress(TimeoutError):
                await asyncio.wait_for(self._calm.wait(), BEHIND_SECONDS)
            self._calm.set()  # until the next who are stored say otherwise
        async with unit_of_work() as connection:
            held = await delivery.claim(connection, most)
            applied = await self._apply(connection, held) if held else []
        for each in applied:
            post.erase(self._settings, each.mail_ids)
        if applied:
            self._awake[1].set()
        return len(held)

    async def _apply(self, connection: Connection, held: Sequence[delivery.Delivery]) -> list[intake_apply.Applied]:
        """Applies deliveries of one integration together; where one of them fails, each half by itself."""
        try:
            async with unit_of_work():
                return await intake_apply.deliver(connection, ats.ADAPTERS[held[0].system], held)
        except Exception as error:  # whatever it is, the delivery must not be lost
            middle = len(held) // 2
            if middle:
                return [each for half in (held[:middle], held[middle:]) for each in await self._apply(connection, half)]
            await self._postpone(connection, held[0], error)
            return []

    async def _postpone(self, connection: Connection, held: delivery.Delivery, error: Exception) -> None:
        early = isinstance(error, TooEarly)
        failure = "TOO_EARLY" if early else error.code.value if isinstance(error, Refusal) else type(error).__name__
        give_up = "IGNORED" if early else "FAILED"
        await delivery.postpone(connection, held, failure=failure, now=datetime.now(UTC), give_up=give_up)
        attempt = held.attempts + 1
        if early:
            log.info("delivery came too early", action=held.action, attempt=attempt)
        else:
            log.warning("delivery not applied", action=held.action, reason=failure, attempt=attempt, exc_info=error)

    async def _send_one(self) -> bool:
        async with unit_of_work() as connection:
            lent = await mail.claim(connection)
            if lent is not None and await mail.too_many(connection, lent):
                return True
        if lent is None:
            return False
        try:
            async with unit_of_work() as connection:
                if not await mail.stands(connection, lent):
                    return True
                letter = await letters.write(connection, lent, issuer=self._settings.issuer)
            if letter is None:
                raise post.NotSent(NO_ADDRESS, for_good=True)
            await self._sender.send(post.message(letter, self._settings))
        except post.NotSent as error:
            await self._not_sent(lent, error)
            return True
        except Exception as error:  # one letter that cannot be written must not hold up all others
            await self._not_sent(lent, post.NotSent(type(error).__name__))
            return True
        if not await retried(lambda: self._sent(lent)):  # or it would go out twice
            post.erase(self._settings, [lent.id])  # taken back while it went out: an erasure did not find the file yet
        return True

    async def _sent(self, lent: mail.Mail) -> bool:
        async with unit_of_work() as connection:
            sent = await mail.sent(connection, lent)
            if sent and lent.kind in CARRY_URL and lent.invitation_id:
                await invitation.sent(connection, invitation_id=lent.invitation_id, at=datetime.now(UTC))
            if sent and lent.survey_id:
                await outcome.survey_sent(connection, survey_id=lent.survey_id)
        return sent

    async def _not_sent(self, lent: mail.Mail, error: post.NotSent) -> None:
        async with unit_of_work() as connection:
            now = datetime.now(UTC)
            given_up = await mail.failed(connection, lent, failure=error.code, now=now, for_good=error.for_good)
            if given_up and lent.kind in CARRY_URL and lent.invitation_id:
                await invitation.bounced(connection, invitation_id=lent.invitation_id)
        # A partner without people is nobody's failure: the letter's state tells of it.
        say = log.info if error.code == NO_ADDRESS else log.warning
        say("mail not sent", action=lent.kind, reason=error.code, attempt=lent.attempts)

    async def _until_idle(self, some: Callable[[], Awaitable[int]]) -> int:
        count = 0
        while not self._stopping.is_set() and (done := await some()):
            count += done
        return count

    async def _round(self, work: Callable[[], Awaitable[object]], awake: asyncio.Event, seconds: float) -> None:
        while not self._stopping.is_set():
            awake.clear()
            try:
                await work()
            except Exception as error:  # the round goes on: what it could not do is still there to be done
                log.error("courier stumbled", exc_info=error)
                await asyncio.sleep(PAUSE_SECONDS)
            with suppress(TimeoutError):
                await asyncio.wait_for(awake.wait(), seconds)
