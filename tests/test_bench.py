"""The bench compares equal answers only, and ends what it starts."""

import asyncio
from datetime import UTC, datetime

import pytest

from bench import compare as bench
from bench import limit
from bench.compare import QUERIES, Different, compare
from bench.load import Request, load
from bench.network.size import size
from bench.network.write import write
from models import seal
from tests.test_simulate import MASTER_KEY, quiet

NETWORK = size(partners=120, candidates=1_000, referrals=2_000, months=12, until=datetime(2026, 11, 1, tzinfo=UTC))


async def test_every_read_is_answered_like_its_limit_and_then_measured(database: str) -> None:
    await write(database, MASTER_KEY, NETWORK, 5, quiet)
    seal.use(MASTER_KEY)
    said: list[str] = []
    rows = await compare(database, MASTER_KEY, 1, 1, said.append)
    assert [row.query for row in rows] == list(QUERIES)
    assert all(row.low <= row.ratio <= row.high and row.bytes > 100 for row in rows)
    assert said[-1] == "Q5, round 1 of 1"


async def test_servers_that_differ_are_not_measured(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(database, MASTER_KEY, NETWORK, 5, quiet)
    seal.use(MASTER_KEY)
    monkeypatch.setattr(bench, "TRIES", 1)
    monkeypatch.setattr(bench, "QUERIES", ("Q1",))
    monkeypatch.setattr(bench, "sql", limit.sql)
    real = bench._questions

    async def crossed(*args: object) -> list[bench._Question]:
        (one,) = await real(*args)  # type: ignore[arg-type]
        return [bench._Question("Q1", one.kyoso, Request(one.limit.url.replace("/q1", "/q2")))]

    monkeypatch.setattr(bench, "_questions", crossed)
    with pytest.raises(Different, match=r"Q1: at \.data\.partner"):
        await compare(database, MASTER_KEY, 1, 1, lambda _: None)


async def test_an_empty_database_has_nothing_to_read(database: str) -> None:
    with pytest.raises(LookupError, match="kyoso simulate"):
        await compare(database, MASTER_KEY, 1, 1, lambda _: None)


async def test_load_stays_on_this_machine() -> None:
    with pytest.raises(ValueError, match="this machine only"):
        await load(Request("http://192.0.2.1/"), 1)


@pytest.mark.parametrize("has_wrk", [True, False])
async def test_the_load_counts_answers_and_refuses_errors(has_wrk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_wrk:
        monkeypatch.setattr("bench.load.shutil.which", lambda _: None)
    answers = {b"/ok": b"HTTP/1.1 200 OK\r\n", b"/no": b"HTTP/1.1 429 Too Many Requests\r\n"}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(answers[head.split()[1]] + b"Content-Length: 2\r\n\r\nhi")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        measured = await load(Request(f"{address}/ok"), 1)
        with pytest.raises(RuntimeError):
            await load(Request(f"{address}/no"), 1)
    assert measured.per_second > 0
    assert 0 < measured.p50_ms <= measured.p99_ms
