"""Refusals in the audit record: all that matters, however often somebody asks for one more."""

from datetime import timedelta
from typing import Any

from models import attempt, refusal
from models.db import pool, unit_of_work
from tests.oauth_house import House, light_hashes, running_house  # noqa: F401  (fixtures)

TELLING = [*range(1, refusal.EACH + 1), 32, 64]


async def recorded(action: str) -> list[tuple[str | None, str | None]]:
    """The clients and numbers of the lines of one action."""
    async with pool().acquire() as connection:
        rows = await connection.fetch(
            "select client_id, detail ->> 'alike' as alike from audit where action = $1 order by position", action
        )
    return [(row["client_id"], row["alike"]) for row in rows]


async def refuse(times: int, **words: Any) -> None:
    async with unit_of_work() as connection:
        for n in range(times):
            told = {"client_id": f"made-up-{n}"} | words
            await refusal.record(connection, "request.refused", reason=f"reason {n}", **told)


async def test_alike_refusals_are_told_by_their_number(house: House):
    await refuse(100, error="invalid_client")
    lines = await recorded("request.refused")
    assert [client for client, _ in lines] == [f"made-up-{n - 1}" for n in TELLING]
    assert [alike for _, alike in lines] == [None] * refusal.EACH + ["32", "64"]


async def test_who_floods_the_record_hides_nobody_elses_lines(house: House):
    await refuse(100, error="invalid_client")
    flooded = len(TELLING)
    client_id = (await house.client()).client_id
    others: list[dict[str, Any]] = [
        {"error": "invalid_grant"},
        {"error": "invalid_client", "client_id": client_id},
        {"error": "invalid_client", "client_id": client_id, "partner_id": house.company},
        {"error": "invalid_client", "member_id": house.member},
    ]
    for n, words in enumerate(others, start=1):
        await refuse(1, **words)
        assert len(await recorded("request.refused")) == flooded + n, words


async def test_lines_come_again_when_the_window_is_over(house: House):
    await refuse(refusal.EACH + 1)
    assert len(await recorded("request.refused")) == refusal.EACH
    over = timedelta(seconds=attempt.WINDOW_SECONDS + 1)
    async with pool().acquire() as connection:
        await connection.execute("update login_attempt set window_started_at = now() - $1::interval", over)
    await refuse(1)
    assert len(await recorded("request.refused")) == refusal.EACH + 1


async def test_made_up_clients_do_not_fill_the_record(house: House):
    for n in range(40):
        asked = {"grant_type": "client_credentials", "client_id": f"nobody{n}", "client_secret": "wrong"}
        assert (await house.http.post("/oauth/token", data=asked)).status_code == 401
    assert len(await recorded("request.refused")) == refusal.EACH + 1
    client = await house.client()
    wrong = await house.http.post(
        "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client.client_id, "wrong")
    )
    assert wrong.status_code == 401
    assert (await recorded("request.refused"))[-1] == (client.client_id, None)
