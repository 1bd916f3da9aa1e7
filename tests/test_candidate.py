"""One person, many candidates: nobody learns of another's, and what is sealed is read by its keeper and by grant."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from uuid import UUID

import asyncpg
import pytest

from models import agreement, candidate, consent, seal
from models import application as applications
from models.db import credentials, pool, unit_of_work
from models.errors import Refusal, RefusalCode
from models.outbox import Said
from tests import builders
from tests.builders import NOW, agreed, days, kept, said

CANARY = "金糸雀 花鳥"
EMAIL = "canary@example.jp"


async def two_companies() -> tuple[UUID, UUID]:
    async with unit_of_work() as connection:
        return await builders.company(connection), await builders.company(connection, "株式会社もみじ")


async def everything(database: str) -> str:
    """Every row of every table as the superuser sees it, as text: what a backup would hold."""
    connection = await asyncpg.connect(**credentials(database))
    try:
        tables = await connection.fetch(
            "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
        rows = [await connection.fetch(f'select t::text from "{table["relname"]}" t') for table in tables]
        return "\n".join(row[0] for table in rows for row in table)
    finally:
        await connection.close()


async def visible(partner_id: UUID | None) -> int:
    async with pool().acquire() as connection, connection.transaction():
        if partner_id:
            await connection.execute("select set_config('kyoso.partner_id', $1, true)", str(partner_id))
        return await connection.fetchval("select count(*) from personal_data")


async def test_the_same_address_with_two_partners(connected: str) -> None:
    """proof 3.5: both succeed, neither learns; proof 3.11: different ids, one hidden person."""
    one, two = await two_companies()
    async with unit_of_work() as connection:
        first = await kept(connection, one, EMAIL)
    async with unit_of_work() as connection:
        second = await kept(connection, two, EMAIL.upper())
        again = await kept(connection, two, EMAIL)

    assert first.person_id == second.person_id
    assert again == second
    assert first.candidate_id != second.candidate_id
    rows = await pool().fetch("select partner_id, alias from candidate order by created_at, id")
    assert {row["partner_id"] for row in rows} == {one, two}
    assert len({row["alias"] for row in rows}) == 2  # taken from each row's own id, so it ties nothing together
    async with unit_of_work() as connection:
        assert await candidate.read_items(connection, partner_id=two, candidate_ids=[first.candidate_id]) == {}
        items = await candidate.read_items(connection, partner_id=two, candidate_ids=[second.candidate_id])
    assert items == {second.candidate_id: {"NAME": "山田 太郎", "EMAIL": EMAIL}}


async def test_partners_who_bring_one_new_address_at_once_find_one_person(connected: str) -> None:
    """proof 3.5: at the same time, too."""
    async with unit_of_work() as connection:
        partners = [await builders.company(connection, f"株式会社{number}") for number in range(8)]

    async def keep(partner_id: UUID) -> candidate.Kept:
        async with unit_of_work() as connection:
            return await kept(connection, partner_id, EMAIL)

    found = await asyncio.gather(*(keep(partner_id) for partner_id in partners * 2))
    assert len({each.person_id for each in found}) == 1
    assert len({each.candidate_id for each in found}) == 8
    assert await pool().fetchval("select count(*) from person") == 1


async def test_new_items_replace_older_ones(connected: str) -> None:
    one, _ = await two_companies()
    async with unit_of_work() as connection:
        person = await kept(connection, one, EMAIL, PHONE="03-0000-0000")
        await candidate.keep(connection, partner_id=one, email=None, person_id=person.person_id, items={"NAME": CANARY})
        items = await candidate.read_items(connection, partner_id=one, person_id=person.person_id)
    assert items == {person.candidate_id: {"NAME": CANARY, "EMAIL": EMAIL, "PHONE": "03-0000-0000"}}


async def test_people_without_an_address_are_different_people(connected: str) -> None:
    one, _ = await two_companies()
    async with unit_of_work() as connection:
        first, second = [
            await candidate.keep(connection, partner_id=one, email=email, items={"NAME": CANARY})
            for email in (None, "  ")
        ]
    assert first.person_id != second.person_id
    assert await pool().fetchval("select count(*) from person_email") == 0


@pytest.mark.parametrize("items", [{"BLOOD": "A"}, {"NAME": ""}, {"NAME": "x" * 2001}])
async def test_items_that_are_unknown_empty_or_too_long_are_refused(connected: str, items: dict[str, str]) -> None:
    one, _ = await two_companies()
    with pytest.raises(Refusal) as refused:
        async with unit_of_work() as connection:
            await candidate.keep(connection, partner_id=one, email=EMAIL, items=items)
    assert refused.value.code == RefusalCode.INVALID
    assert await pool().fetchval("select count(*) from person") == 0


async def test_personal_data_is_invisible_without_its_viewer(connected: str) -> None:
    """proof 4.7 (its row-level side): nothing for nobody, nothing for others, own rows for the keeper."""
    one, two = await two_companies()
    async with unit_of_work() as connection:
        person = await kept(connection, one, EMAIL)

    assert (await visible(None), await visible(two), await visible(one)) == (0, 0, 2)
    async with unit_of_work() as connection:
        await connection.execute("select set_config('kyoso.partner_id', $1, true)", str(two))
        planted = "insert into personal_data values ($1, 'PHONE', $2, $3, '', now())"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(planted, person.candidate_id, one, person.person_id)
    assert await visible(one) == 2


async def provided(
    giver: UUID, receiver: UUID, *, items: tuple[str, ...] = ("NAME",), under: UUID | None = None
) -> tuple[candidate.Kept, UUID, consent.Provided]:
    async with unit_of_work() as connection:
        return await provide(connection, giver, receiver, items=items, under=under)


async def provide(
    connection: builders.Connection,
    giver: UUID,
    receiver: UUID,
    *,
    items: tuple[str, ...] = ("NAME",),
    under: UUID | None = None,
) -> tuple[candidate.Kept, UUID, consent.Provided]:
    person = await kept(connection, giver, EMAIL, KANA="ヤマダ タロウ")
    consent_id, started = await provide_known(connection, person.person_id, giver, receiver, items=items, under=under)
    return person, consent_id, started


async def provide_known(
    connection: builders.Connection,
    person_id: UUID,
    giver: UUID,
    receiver: UUID,
    *,
    items: tuple[str, ...] = ("NAME",),
    under: UUID | None = None,
) -> tuple[UUID, consent.Provided]:
    consent_id = await consent.consent(
        connection,
        said=said(giver, source="CANDIDATE"),
        person_id=person_id,
        asked_by=giver,
        recipient_id=receiver,
        purpose="採用選考のため",
        items=items,
        text_version="1",
        language="JA",
    )
    started = await consent.provide(
        connection,
        said=said(giver),
        consent_id=consent_id,
        giver_id=giver,
        receiver_id=receiver,
        agreement_id=under,
    )
    return consent_id, started


async def read(partner_id: UUID, candidate_id: UUID) -> dict[str, str]:
    async with unit_of_work() as connection:
        items = await candidate.read_items(connection, partner_id=partner_id, candidate_ids=[candidate_id])
        return items.get(candidate_id, {})


async def test_a_provision_is_recorded_once_for_both_parties_and_reading_records_nothing(connected: str) -> None:
    """proof 5.3: one record per consent, receiver and items, in the transaction that starts the provision."""
    one, two = await two_companies()
    person, consent_id, started = await provided(one, two)

    for _ in range(3):
        assert await read(two, started.candidate_id) == {"NAME": "山田 太郎", "KANA": "ヤマダ タロウ"}
    async with unit_of_work() as connection:
        again = await consent.provide(
            connection, said=said(one), consent_id=consent_id, giver_id=one, receiver_id=two, agreement_id=None
        )
        records = await consent.records(connection, person.person_id)
    assert again == started
    assert await pool().fetchval("select count(*) from provision") == 1
    assert [(each.giver_id, each.receiver_id, each.items, each.ended_at) for each in records] == [
        (one, two, ["NAME"], None)
    ]
    row = await pool().fetchrow("select giver_candidate_id, receiver_candidate_id from provision")
    assert row is not None
    assert tuple(row) == (person.candidate_id, started.candidate_id)


async def test_a_provision_that_fails_leaves_neither_record_nor_candidate(connected: str) -> None:
    """proof 5.3: the record lives and dies with the transaction."""
    one, two = await two_companies()

    async def fail_later() -> None:
        async with unit_of_work() as connection:
            await provide(connection, one, two)
            raise RuntimeError("something later failed")

    with pytest.raises(RuntimeError, match="later"):
        await fail_later()
    assert await pool().fetchval("select (select count(*) from provision) + (select count(*) from candidate)") == 0


async def test_withdrawing_stops_what_flows_at_once(connected: str) -> None:
    one, two = await two_companies()
    person, consent_id, started = await provided(one, two)
    stranger = UUID(int=5)

    async with unit_of_work() as connection:
        withdraw = {"said": Said(one, "CANDIDATE", NOW + days(1)), "consent_id": consent_id}
        assert await consent.withdraw(connection, person_id=stranger, **withdraw) == []
        assert await consent.withdraw(connection, person_id=person.person_id, **withdraw) == [consent_id]
        assert await consent.withdraw(connection, person_id=person.person_id, **withdraw) == []
    assert await read(two, started.candidate_id) == {}
    assert await read(one, person.candidate_id) != {}
    with pytest.raises(Refusal) as refused:
        async with unit_of_work() as connection:
            await consent.provide(
                connection, said=said(one), consent_id=consent_id, giver_id=one, receiver_id=two, agreement_id=None
            )
    assert refused.value.code == RefusalCode.CONSENT_MISSING


async def test_personal_data_stops_with_the_agreement_and_comes_back_with_it(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        under = await agreed(connection, "MUTUAL_REFERRAL", one, two)
    _, _, started = await provided(one, two, under=under)
    assert (await read(two, started.candidate_id))["NAME"] == "山田 太郎"

    async with unit_of_work() as connection:
        await agreement.suspend(connection, said=said(two), agreement_id=under, reason="x")
    assert await read(two, started.candidate_id) == {}
    async with unit_of_work() as connection:
        await agreement.resume(connection, said=said(two), agreement_id=under)
    assert (await read(two, started.candidate_id))["NAME"] == "山田 太郎"
    async with unit_of_work() as connection:
        await agreement.terminate(connection, said=said(one), agreement_id=under, reason="x")
    assert await read(two, started.candidate_id) == {}
    assert await pool().fetchval("select count(*) from provision where ended_at is null") == 0


async def test_nothing_is_provided_without_the_agreement_the_consent_or_the_person(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        three = await builders.company(connection, "株式会社さん")
        elsewhere = await agreed(connection, "MUTUAL_REFERRAL", one, three)
    _, consent_id, _ = await provided(one, two)
    cases = [
        ({"giver_id": one, "receiver_id": two, "agreement_id": elsewhere}, RefusalCode.AGREEMENT_MISSING),
        ({"giver_id": one, "receiver_id": three, "agreement_id": None}, RefusalCode.CONSENT_MISSING),
        ({"giver_id": three, "receiver_id": two, "agreement_id": None}, RefusalCode.NOT_FOUND),
    ]
    for arguments, code in cases:
        with pytest.raises(Refusal) as refused:
            async with unit_of_work() as connection:
                await consent.provide(connection, said=said(one), consent_id=consent_id, **arguments)
        assert refused.value.code == code
    assert await pool().fetchval("select count(*) from provision") == 1


async def test_a_ciphertext_moved_to_another_row_does_not_open(connected: str) -> None:
    """proof 5.10: in the table, by whoever may write there."""
    one, _ = await two_companies()
    async with unit_of_work() as connection:
        first, second = await kept(connection, one, EMAIL), await kept(connection, one, "other@example.jp")
        await connection.execute(
            "update personal_data t set sealed = f.sealed from personal_data f "
            "where t.candidate_id = $1 and f.candidate_id = $2 and t.item = 'NAME' and f.item = 'NAME'",
            second.candidate_id,
            first.candidate_id,
        )
    with pytest.raises(seal.Unreadable):
        await read(one, second.candidate_id)
    async with unit_of_work() as connection:
        await connection.execute("select set_config('kyoso.partner_id', $1, true)", str(one))
        await connection.execute(
            "update personal_data set sealed = (select sealed from personal_data where "
            "candidate_id = $1 and item = 'NAME') where candidate_id = $1 and item = 'EMAIL'",
            first.candidate_id,
        )
    with pytest.raises(seal.Unreadable):
        await read(one, first.candidate_id)


async def test_erasing_leaves_neither_key_nor_plaintext(connected: str) -> None:
    """proof 5.9 (its core): nothing readable before, nothing openable after, and the records of provision stay."""
    one, two = await two_companies()
    async with unit_of_work() as connection:
        await candidate.keep(connection, partner_id=two, email=EMAIL, items={"NAME": CANARY, "EMAIL": EMAIL})
    person, _, started = await provided(one, two)
    before = await everything(connected)
    assert CANARY not in before
    assert EMAIL not in before
    assert seal.email_index(EMAIL).hex() in before

    async with unit_of_work() as connection:
        await candidate.erase(connection, person.person_id)
    after = await everything(connected)
    assert seal.email_index(EMAIL).hex() not in after
    for gone in ("person_key", "person_email", "provision where ended_at is null"):
        assert await pool().fetchval(f"select count(*) from {gone}") == 0
    assert (await visible(one), await visible(two)) == (0, 0)
    assert (await read(one, person.candidate_id), await read(two, started.candidate_id)) == ({}, {})
    assert await pool().fetchval("select count(*) from provision") == 1
    with pytest.raises(Refusal):
        async with unit_of_work() as connection:
            await candidate.keep(
                connection, partner_id=one, email=None, person_id=person.person_id, items={"NAME": CANARY}
            )
    async with unit_of_work() as connection:
        assert (await kept(connection, one, EMAIL)).person_id != person.person_id


async def test_what_one_partner_forgets_another_keeps(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        own = await kept(connection, two, EMAIL)
    person, _, started = await provided(one, two)
    assert started.candidate_id == own.candidate_id

    async with unit_of_work() as connection:
        await candidate.forget(connection, partner_id=one, person_id=person.person_id)
    assert (await visible(one), await visible(two)) == (0, 2)
    assert await read(two, own.candidate_id) == {"NAME": "山田 太郎", "EMAIL": EMAIL}
    assert await pool().fetchval("select count(*) from provision where ended_at is null") == 0
    async with unit_of_work() as connection:
        alone = await kept(connection, one, "only@example.jp")
        await candidate.forget(connection, partner_id=one, person_id=alone.person_id)
    assert await pool().fetchval("select erased_at is not null from person where id = $1", alone.person_id)


def apart(work: Coroutine[None, None, None]) -> asyncio.Task[None]:
    """Goes on beside the unit of work in which it is begun, and is no part of it."""
    return asyncio.create_task(work, context=Context())


async def waits_or_ends(database: str, task: asyncio.Task[None]) -> None:
    """Comes back when the task waits for what somebody holds, or is over."""
    asked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    watch = await asyncpg.connect(**credentials(database))
    try:
        while not task.done() and not await watch.fetchval(asked):  # noqa: ASYNC110  (a lock in the database tells nobody)
            await asyncio.sleep(0.01)
    finally:
        await watch.close()


async def forget(partner_id: UUID, person_id: UUID) -> None:
    async with unit_of_work() as connection:
        await candidate.forget(connection, partner_id=partner_id, person_id=person_id)


async def test_who_is_being_kept_by_another_is_not_erased(connected: str) -> None:
    """The other's transaction is not over: its applicant is there, and nobody else sees it yet."""
    one, two = await two_companies()
    async with unit_of_work() as connection:
        person = await kept(connection, one, EMAIL)
    async with unit_of_work() as connection:
        own = await kept(connection, two, EMAIL)
        await applications.record(connection, said=said(two), person_id=own.person_id)
        forgetting = apart(forget(one, person.person_id))
        await waits_or_ends(connected, forgetting)
    await forgetting

    assert own.person_id == person.person_id
    assert await read(two, own.candidate_id) == {"NAME": "山田 太郎", "EMAIL": EMAIL}
    assert await visible(one) == 0
    assert await pool().fetchval("select erased_at from person") is None


async def test_who_is_being_provided_to_another_is_not_erased(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        person = await kept(connection, one, EMAIL)
    async with unit_of_work() as connection:
        await provide(connection, one, two)
        forgetting = apart(forget(one, person.person_id))
        await waits_or_ends(connected, forgetting)
    await forgetting

    assert await pool().fetchval("select erased_at from person") is None
    assert await pool().fetchval("select count(*) from provision where ended_at is null") == 0


@pytest.mark.parametrize("by_address", [True, False])
async def test_nobody_is_kept_while_they_are_erased(connected: str, by_address: bool) -> None:
    """Whoever keeps them waits until they are gone, and is told; no address leads to them any more."""
    one, _ = await two_companies()
    async with unit_of_work() as connection:
        person = await candidate.keep(connection, partner_id=one, email=EMAIL if by_address else None, items={})

    async def keep_again() -> None:
        known = None if by_address else person.person_id
        async with unit_of_work() as connection:
            await candidate.keep(connection, partner_id=one, email=EMAIL, person_id=known, items={})

    async with unit_of_work() as connection:
        await candidate.erase(connection, person.person_id)
        keeping = apart(keep_again())
        await waits_or_ends(connected, keeping)
    with pytest.raises(asyncpg.SerializationError if by_address else Refusal):
        await keeping
    assert await pool().fetchval("select count(*) from person_email") == 0
    async with unit_of_work() as connection:
        assert (await kept(connection, one, EMAIL)).person_id != person.person_id


async def test_nothing_is_provided_of_a_person_while_they_are_erased(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        person = await kept(connection, one, EMAIL)

    async def provide_them() -> None:
        async with unit_of_work() as connection:
            await provide_known(connection, person.person_id, one, two)

    async with unit_of_work() as connection:
        await candidate.erase(connection, person.person_id)
        providing = apart(provide_them())
        await waits_or_ends(connected, providing)
    with pytest.raises(Refusal) as refused:
        await providing
    assert refused.value.code == RefusalCode.CONSENT_MISSING
    assert await pool().fetchval("select (select count(*) from provision) + (select count(*) from consent)") == 0


async def test_a_merge_joins_people_whom_nobody_else_knows(connected: str) -> None:
    one, _ = await two_companies()
    async with unit_of_work() as connection:
        stays = await kept(connection, one, EMAIL)
        application_id = await builders.application(connection, one, "second@example.jp")
        goes = await kept(connection, one, "second@example.jp", PHONE="03-0000-0000")
        assert await candidate.merge(connection, partner_id=one, keep=stays.person_id, drop=goes.person_id)

    assert await read(one, stays.candidate_id) == {"NAME": "山田 太郎", "EMAIL": EMAIL, "PHONE": "03-0000-0000"}
    assert await read(one, goes.candidate_id) == {}
    sought = "select person_id from application where id = $1"
    assert await pool().fetchval(sought, application_id) == stays.person_id
    async with unit_of_work() as connection:
        assert (await kept(connection, one, "second@example.jp")).person_id == stays.person_id
        assert not await candidate.merge(connection, partner_id=one, keep=stays.person_id, drop=goes.person_id)


async def test_a_merge_keeps_what_was_written_to_each(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        three = await builders.company(connection, "株式会社さん")
        stays, goes = await kept(connection, one, EMAIL), await kept(connection, one, "second@example.jp")
        for person, addressee, text in ((stays, two, "甲"), (goes, two, "乙"), (goes, three, "丙")):
            items = {"RECOMMENDATION": text}
            wanted = candidate.Wanted(one, person_id=person.person_id, items=items, at=NOW, addressee_id=addressee)
            await candidate.keep_all(connection, [wanted])
        assert await candidate.merge(connection, partner_id=one, keep=stays.person_id, drop=goes.person_id)
    for receiver, text in ((two, "甲"), (three, "丙")):
        async with unit_of_work() as connection:
            _, started = await provide_known(connection, stays.person_id, one, receiver, items=("RECOMMENDATION",))
        assert await read(receiver, started.candidate_id) == {"RECOMMENDATION": text}


async def test_one_partners_word_joins_nobody_whom_another_knows(connected: str) -> None:
    one, two = await two_companies()
    async with unit_of_work() as connection:
        stays, goes = await kept(connection, one, EMAIL), await kept(connection, one, "second@example.jp")
        await kept(connection, two, "second@example.jp")
    before = await everything(connected)

    async with unit_of_work() as connection:
        assert not await candidate.merge(connection, partner_id=one, keep=stays.person_id, drop=goes.person_id)
        assert not await candidate.merge(connection, partner_id=one, keep=goes.person_id, drop=stays.person_id)
    assert await everything(connected) == before


async def test_rows_that_a_statement_brought_are_opened(connected: str) -> None:
    one, _ = await two_companies()
    async with unit_of_work() as connection:
        person = await kept(connection, one, EMAIL)
        key = await connection.fetchrow(
            "select encode(sealed, 'base64') as key, person_id::text as person from person_key"
        )
        rows = await connection.fetch(
            "select candidate_id::text as candidate, item, addressee_id::text as addressee, "
            "encode(sealed, 'base64') as sealed from personal_data"
        )
    assert key is not None
    assert person.person_id == UUID(key["person"])
    value: candidate.SealedItems = {**key, "rows": [dict(row) for row in rows]}  # type: ignore[typeddict-item]
    assert candidate.unseal_rows([value]) == [{"NAME": "山田 太郎", "EMAIL": EMAIL}]
