"""Contributions (貢献): exact shares, and walks over the links that a viewer may see."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contribution import linear_shares
from models.db import credentials, unit_of_work
from tests.relay_world import START, World


@pytest.fixture
async def world(connected: str) -> AsyncIterator[World]:
    owner = await asyncpg.connect(**credentials(connected))
    yield World(owner)
    await owner.close()


@given(st.integers(1, 500))
def test_equal_shares_sum_to_exactly_one(parts: int) -> None:
    shares = linear_shares(parts)
    assert sum(shares) == 1
    assert max(shares) - min(shares) <= Decimal("0.000001")
    assert shares == sorted(shares, reverse=True)


def test_what_does_not_divide_goes_to_the_first() -> None:
    assert linear_shares(3) == [Decimal("0.333334"), Decimal("0.333333"), Decimal("0.333333")]
    assert linear_shares(1) == [Decimal(1)]


async def link(world: World, contributor_id: UUID, company_id: UUID, amount: int, role: str = "REFERRED") -> None:
    await world.owner.execute(
        "insert into contribution_link_delta (contributor_id, company_id, role, contributions) values ($1, $2, $3, $4)",
        *(contributor_id, company_id, role, amount),
    )


async def walk(viewer: UUID, centre: UUID, depth: int = 1, roles: list[str] | None = None) -> list[tuple[Any, ...]]:
    async with unit_of_work() as connection:
        rows = await connection.fetch("select * from neighbourhood($1, $2, $3, $4)", viewer, centre, depth, roles)
        return [tuple(row) for row in rows]


async def test_a_neighbourhood_is_nearest_first_then_heaviest(world: World) -> None:
    centre, friend, other, far = [await world.partner("COMPANY") for _ in range(4)]
    agency = await world.partner("AGENCY")
    await link(world, centre, friend, 3, "RELAYED")
    await link(world, friend, centre, 2, "HIRED_THROUGH")
    await link(world, agency, centre, 9, "PLACED")
    await link(world, agency, other, 4, "PLACED")
    await link(world, friend, far, 7)
    for giver in (friend, other, far):
        agreement_id = await world.agreement(centre, giver, kind="INFORMATION_SHARING")
        await world.share(giver, centre, agreement_id)
    assert await walk(centre, centre) == [
        (agency, 1, centre, 9, ["PLACED"]),
        (friend, 1, centre, 5, ["HIRED_THROUGH", "RELAYED"]),
    ]
    assert await walk(centre, centre, 2) == [
        (agency, 1, centre, 9, ["PLACED"]),
        (friend, 1, centre, 5, ["HIRED_THROUGH", "RELAYED"]),
        (far, 2, friend, 7, ["REFERRED"]),
        (other, 2, agency, 4, ["PLACED"]),
    ]
    assert await walk(centre, centre, 3, ["RELAYED"]) == [(friend, 1, centre, 3, ["RELAYED"])]


async def test_links_that_a_viewer_may_not_see_are_not_walked(world: World) -> None:
    viewer, friend, hidden = [await world.partner("COMPANY") for _ in range(3)]
    await link(world, friend, viewer, 1)
    await link(world, friend, hidden, 5)
    assert await walk(viewer, viewer, 3) == [(friend, 1, viewer, 1, ["REFERRED"])]
    assert await walk(viewer, hidden, 3) == []
    agreement_id = await world.agreement(viewer, hidden, kind="INFORMATION_SHARING")
    await world.share(hidden, viewer, agreement_id, "COUNTS_ONLY")
    assert await walk(viewer, viewer, 3) == [(friend, 1, viewer, 1, ["REFERRED"])]  # rows need more than counts
    await world.owner.execute("update agreement_share set granularity = 'FIELDS'")
    assert await walk(viewer, viewer, 2) == [
        (friend, 1, viewer, 1, ["REFERRED"]),
        (hidden, 2, friend, 5, ["REFERRED"]),
    ]


async def test_a_link_whose_hires_were_all_taken_back_is_gone(world: World) -> None:
    company_id, school_id = await world.partner("COMPANY"), await world.partner("SCHOOL")
    person_id = await world.person()
    application_id = await world.application(company_id, person_id, status="HIRED", decided_at=START)
    hire_id = await world.row(
        "hire", company_id=company_id, application_id=application_id, person_id=person_id, route="SCHOOL",
        decided_at=START, starts_on=START.date(),
    )  # fmt: skip
    await world.row(
        "contribution", contributor_id=school_id, company_id=company_id, hire_id=hire_id, role="EDUCATED",
        share=Decimal(1), occurred_at=START,
    )  # fmt: skip
    assert await walk(company_id, company_id) == [(school_id, 1, company_id, 1, ["EDUCATED"])]
    await world.owner.execute("update hire set reverted_at = $1", START)
    assert await walk(company_id, company_id) == []
    await world.owner.execute("update hire set reverted_at = null")
    assert await walk(company_id, company_id) == [(school_id, 1, company_id, 1, ["EDUCATED"])]
