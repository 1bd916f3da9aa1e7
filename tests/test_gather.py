"""Work done together: in groups, in order, with nobody left waiting and nobody failing by another's fault."""

import asyncio
from collections.abc import Sequence

import pytest

from api import gather
from api.gather import Gathering


async def test_what_comes_while_a_group_is_at_work_goes_with_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gather, "GROUPS_AT_ONCE", 1)
    monkeypatch.setattr(gather, "GROUP_MAX", 4)
    groups: list[list[int]] = []

    async def work(items: Sequence[int]) -> list[int]:
        groups.append([*items])
        await asyncio.sleep(0)
        return [item * 10 for item in items]

    together = Gathering(work)
    assert await asyncio.gather(*(together.take(number) for number in range(6))) == [0, 10, 20, 30, 40, 50]
    assert groups == [[0, 1, 2, 3], [4, 5]]


async def test_a_group_goes_beside_one_that_takes_long_when_it_is_as_large() -> None:
    groups: list[list[int]] = []
    stuck = asyncio.Event()

    async def work(items: Sequence[int]) -> Sequence[int]:
        groups.append([*items])
        if 1 in items:
            await stuck.wait()
        return items

    together = Gathering(work)
    first = [asyncio.create_task(together.take(number)) for number in (1, 2)]
    for _ in range(3):
        await asyncio.sleep(0)
    second = asyncio.create_task(together.take(3))
    for _ in range(3):
        await asyncio.sleep(0)
    assert (groups, together.behind) == ([[1, 2]], True)
    assert await together.take(4) == 4
    assert (groups, second.done(), together.behind) == ([[1, 2], [3, 4]], True, False)
    stuck.set()
    assert await asyncio.gather(*first) == [1, 2]


async def test_nobody_is_left_waiting_however_they_come() -> None:
    async def work(items: Sequence[int]) -> Sequence[int]:
        return items

    together = Gathering(work)

    async def client(turns: int) -> None:
        for turn in range(200):
            assert await together.take(turn) == turn
            for _ in range(turn % turns):
                await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await asyncio.gather(*(client(turns) for turns in range(1, 6)))


async def test_where_a_group_fails_each_is_tried_by_itself() -> None:
    async def work(items: Sequence[int]) -> list[int]:
        return [12 // item for item in items]

    together = Gathering(work)
    found = await asyncio.gather(*(together.take(number) for number in (1, 0, 2)), return_exceptions=True)
    assert (found[0], type(found[1]), found[2]) == (12, ZeroDivisionError, 6)
    assert await together.take(3) == 4


async def test_who_left_holds_nobody_up() -> None:
    async def work(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        return items

    together = Gathering(work)
    leaving = asyncio.create_task(together.take(1))
    staying = asyncio.create_task(together.take(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == 2
