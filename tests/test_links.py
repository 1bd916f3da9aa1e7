"""Links (貢献のつながり): the walks along indexes give what adding up every link gives, whoever wrote them and when."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import pytest

from models.db import credentials, unit_of_work
from tests.relay_world import World

Links: TypeAlias = "Counter[tuple[UUID, UUID, str]]"
Step: TypeAlias = "tuple[UUID, int, UUID, int, list[str]]"
ROLES = ["EDUCATED", "HIRED_THROUGH", "HOSTED", "PLACED", "REFERRED", "RELAYED"]
KEPT = 20
WRITE = "insert into contribution_link_delta (contributor_id, company_id, role, contributions) values ($1, $2, $3, $4)"
STANDING = "select contributions, returned from contribution_link where contributor_id = $1 and company_id = $2"


@pytest.fixture
async def world(connected: str) -> AsyncIterator[World]:
    owner = await asyncpg.connect(**credentials(connected))
    yield World(owner)
    await owner.close()


def around(links: Links, viewer: UUID, sharing: set[UUID], centre: UUID, only: list[str] | None) -> list[Any]:
    weights: Counter[UUID] = Counter()
    roles: dict[UUID, set[str]] = defaultdict(set)
    for (contributor, company, role), amount in links.items():
        seen = viewer in (contributor, company) or company in sharing
        asked = centre in (contributor, company) and (not only or role in only)
        if amount and seen and asked and contributor != company:
            neighbour = company if contributor == centre else contributor
            weights[neighbour] += amount
            roles[neighbour].add(role)
    heaviest = sorted(weights, key=lambda each: (-weights[each], each))[:KEPT]
    return [(each, weights[each], sorted(roles[each])) for each in heaviest]


def walked(
    links: Links, viewer: UUID, sharing: set[UUID], centre: UUID, depth: int, only: list[str] | None
) -> list[Step]:
    found: list[Step] = []
    last, known = [centre], {centre}
    for distance in range(1, depth + 1):
        steps = [
            (neighbour, distance, via, amount, roles)
            for via in last
            for neighbour, amount, roles in around(links, viewer, sharing, via, only)
            if neighbour not in known
        ]
        best: dict[UUID, Step] = {}
        for step in sorted(steps, key=lambda step: (-step[3], step[2])):
            best.setdefault(step[0], step)
        found += sorted(best.values(), key=lambda step: (step[3], step[0]), reverse=True)
        last = list(best)
        known |= set(best)
    return found


async def _walk(viewer: UUID, centre: UUID, depth: int, only: list[str] | None) -> list[Step]:
    async with unit_of_work() as connection:
        rows = await connection.fetch("select * from neighbourhood($1, $2, $3, $4)", viewer, centre, depth, only)
        return [tuple(row) for row in rows]


@pytest.mark.parametrize("seed", range(2))
async def test_a_walk_finds_what_adding_up_every_link_finds(world: World, seed: int) -> None:
    chance = Random(seed)
    companies = [await world.partner("COMPANY") for _ in range(30)]
    partners = companies + [await world.partner(kind) for kind in ("SCHOOL", "AGENCY") for _ in range(20)]
    links: Links = Counter()
    written: list[tuple[UUID, UUID, str, int]] = []
    for _ in range(1500):  # few weights, so that many tie; hubs, so that more than twenty are known
        contributor, company = chance.choice(partners), chance.choice(companies[: chance.choice((3, 30))])
        if contributor in companies and chance.random() < 0.5:
            company, contributor = contributor, company
        written.append((contributor, company, chance.choice(ROLES), chance.randint(1, 3)))
    written += [(give, take, role, -amount) for give, take, role, amount in chance.sample(written, 200)]  # taken back
    for contributor, company, role, amount in written:
        links[contributor, company, role] += amount
    await world.owner.executemany(WRITE, written)
    viewer, *givers = chance.sample(companies[:10], 5)
    for giver in givers:
        await world.share(giver, viewer, await world.agreement(viewer, giver, kind="INFORMATION_SHARING"))
    for centre in (viewer, *companies[:10], *partners[-3:]):
        for depth, only in ((1, None), (2, None), (3, None), (2, ["HOSTED", "RELAYED"])):
            expected = walked(links, viewer, set(givers), centre, depth, only)
            assert await _walk(viewer, centre, depth, only) == expected, (centre == viewer, depth, only)
    assert len(await _walk(viewer, viewer, 3, None)) > 2 * KEPT


async def test_two_companies_that_help_each_other_at_once_are_both_told(world: World, connected: str) -> None:
    one, other = [await world.partner("COMPANY") for _ in range(2)]
    second = await asyncpg.connect(**credentials(connected))
    for times in (1, 2):
        transaction = world.owner.transaction()
        await transaction.start()
        await world.owner.execute(WRITE, one, other, "RELAYED", 2)
        await world.owner.execute("set constraints all immediate")  # written, and held until the commit
        waiting = asyncio.create_task(second.execute(WRITE, other, one, "HIRED_THROUGH", 3))
        async with unit_of_work() as connection:
            while not await connection.fetchval("select exists (select from pg_locks where not granted)"):  # noqa: ASYNC110
                await asyncio.sleep(0)
        await transaction.commit()
        await waiting
        assert tuple(await world.owner.fetchrow(STANDING, one, other) or ()) == (2 * times, 3 * times)
        assert tuple(await world.owner.fetchrow(STANDING, other, one) or ()) == (3 * times, 2 * times)
    await second.close()
    assert await _walk(one, one, 1, None) == [(other, 1, one, 10, ["HIRED_THROUGH", "RELAYED"])]


async def test_an_index_alone_leads_to_the_heaviest_links(world: World) -> None:
    """With every column in the index: else PostgreSQL rather reads and sorts all links of a partner."""
    ways: set[str] = set()
    async with unit_of_work() as connection:
        await connection.execute("set local enable_seqscan = off; set local enable_bitmapscan = off")
        await connection.execute(
            "prepare heaviest (uuid, uuid[], uuid) as select * from heaviest_partners($1, $2, $3) h"
        )
        for row in await connection.fetch("explain execute heaviest (null, null, null)"):
            line = row[0]
            if "Scan" in line and "contribution_link" in line:
                way, _, index = line.partition(" using ")
                ways.add(index.split(" ")[0] if way.endswith("Index Only Scan") else line)
        await connection.execute("deallocate heaviest")
    walks = {f"contribution_link_{name}" for name in ("out", "in", "mutual")}
    assert walks <= ways <= {*walks, "contribution_link_pkey"}
