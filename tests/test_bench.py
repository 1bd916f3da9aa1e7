"""The bench compares equal answers only, leaves nothing behind, and ends what it starts."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

import asyncpg
import pytest

from bench import npm
from bench.compare import Bench, Results, Taken
from bench.cost import Spent, memory_mb, spent
from bench.load import Measured, Request, load
from bench.network.size import size
from bench.network.write import write
from bench.picture import picture
from bench.question import QUERIES, RAW
from bench.raw import stage
from bench.same import Different, difference, plain
from bench.table import app, facts, markdown, per_second, ratio
from models import db
from tests.builders import MASTER_KEY
from tests.conftest import _database
from tests.test_simulate import quiet

NETWORK = size(partners=120, candidates=1_000, referrals=2_000, months=12, until=datetime(2026, 11, 1, tzinfo=UTC))
OURS = ("referral", "person", "mail", "oauth_client where name = 'bench'")
ROWS = " union all ".join(f"select count(*) from {table}" for table in OURS)
KINDS = ("L", "N", "S", *(("P", "M") if npm.installed() else ()))


@pytest.fixture(scope="module")
def network(postgres: str, template_database: str) -> Iterator[str]:
    """The URL of a small network; the bench takes away what it writes."""
    for url in _database(postgres, template_database):
        asyncio.run(write(url, MASTER_KEY, NETWORK, 5, quiet))
        yield url


async def counted(url: str) -> list[int]:
    connection = await asyncpg.connect(**db.credentials(url))
    try:
        schemas = await connection.fetchval("select count(*) from pg_namespace where nspname = 'kyoso_bench'")
        return [row[0] for row in await connection.fetch(ROWS)] + [schemas]
    finally:
        await connection.close()


def in_short(real: Callable[..., Awaitable[Taken]]) -> Callable[..., Awaitable[Taken]]:
    """Load for a read and for the mutation; the other answers were compared, and that is what is tested."""

    async def loaded(self: Bench, query: str, kind: str, seconds: float, *attempts: int) -> Taken:
        if query in ("Q1", "Q7"):
            return await real(self, query, kind, seconds, *attempts)
        return Taken(Measured(10, 1, 2, 10), 1, 1)

    return loaded


async def test_every_server_gives_the_same_answers_and_is_measured(
    network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.load.shutil.which", lambda _: None)
    monkeypatch.setattr(Bench, "_load", in_short(Bench._load))
    before = await counted(network)
    queries = [query for query in QUERIES if query != RAW]
    said: list[str] = []
    results = await Bench(network, MASTER_KEY, KINDS, queries, 1, 0.1, said.append).run()
    assert before[-1] == 0
    assert await counted(network) == before
    assert {"Q7, comparing answers", "Q7, S, warming up", "Q7, S, round 1 of 1"} <= set(said)
    told = json.loads(json.dumps(facts(results, "built-in")))
    for query in queries:
        one = told["queries"][query]
        assert one["bytes"] > 100
        assert one["servers"].keys() >= {"Kyoso", "L", "N", "S"}
        rate = {kind: found["per_second"] for kind, found in one["servers"].items()}
        assert one["ratios"]["L"]["median"] == rate["Kyoso"] / rate["L"]
    assert all(one["after"] > 20 for one in told["memory_mb"].values())
    assert told["first_use"].keys() == set(queries) - {"Q7"}
    assert all(one["app_ms"] > 0 and one["database_ms"] > 0 for one in told["first_use"].values())


async def test_nobody_is_always_the_first_after_another_question(monkeypatch: pytest.MonkeyPatch) -> None:
    async def loaded(*_: object) -> None: ...

    monkeypatch.setattr(Bench, "_load", loaded)
    bench = Bench("", MASTER_KEY, ("L", "N"), ("Q1",))
    first, second = [[kind for _, kind, _ in await bench._round(number, 0)] for number in (1, 4)]
    assert first == ["Kyoso", "L", "N"] == second[::-1]


async def test_raw_rows_are_the_rollup(network: str) -> None:
    asked = """select measure, month, numerator, denominator from {}
        where measure in ('HIRE_RATE', 'REFERRAL_SUCCESS_RATE') and (numerator <> 0 or denominator <> 0)
        order by partner_id, 1, 2"""
    connection = await asyncpg.connect(**db.credentials(network))
    try:
        async with stage(network):
            raw = await connection.fetch(asked.format("kyoso_bench.kpi_month"))
        assert raw == await connection.fetch(asked.format("public.kpi_month"))
    finally:
        await connection.close()
    assert len(raw) > 100


async def test_servers_that_differ_are_not_measured(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(_: Bench, query: str, kind: str, beside: str) -> tuple[object, int]:
        return {"data": kind}, 1

    monkeypatch.setattr("bench.compare.TRIES", 1)
    monkeypatch.setattr(Bench, "_answer", answered)
    monkeypatch.setattr(Bench, "_load", None)
    with pytest.raises(Different, match=r"Q1, L: at \.data Kyoso answers Kyoso, and the other L"):
        await Bench(network, MASTER_KEY, ("L",), ("Q1",), 1).run()


async def test_an_empty_database_has_nothing_to_read(database: str) -> None:
    with pytest.raises(LookupError, match="kyoso simulate"):
        await Bench(database, MASTER_KEY, ("L",)).run()


def test_only_what_every_server_may_say_differently_is_left_out() -> None:
    ours = {"at": "2026-01-01T09:00:00+09:00", "of": {"__typename": "Referrer", "name": "山田"}, "n": 1}
    theirs = {"n": 1.0, "of": {"__typename": "Referrer", "name": "仮名"}, "at": "2026-01-01T00:00:00.000000Z"}
    assert difference(plain(ours, peer=True), plain(theirs, peer=True)) == ""
    assert difference(plain(ours, peer=False), plain(theirs, peer=False)).startswith("at .of.name Kyoso answers 山田")
    assert difference(plain([1, 2], peer=True), plain([1], peer=True))
    assert difference(plain(True, peer=True), plain(1, peer=True)) == ""
    assert difference({"id": "ref_1"}, {"id": "ref_2"}) == "at .id Kyoso answers ref_1, and the other ref_2"


def test_ratios_are_of_rounds_in_which_both_were_measured() -> None:
    def taken(rate: float) -> Taken:
        return Taken(Measured(rate, 1, 2, 100), 1000 / rate, 1)

    kyoso = {number: taken(rate) for number, rate in enumerate((100.0, 200.0, 300.0), 1)}
    rounds = {"Q1": {"Kyoso": kyoso, "L": {1: taken(100.0), 2: taken(400.0), 4: taken(1.0)}}}
    results = Results(rounds, {"Q1": 9}, {}, {}, Counter())
    found = ratio(results, "Q1", "L", per_second)
    assert found is not None
    assert (found.low, found.median, found.high) == (0.5, median((0.5, 1.0)), 1.0)
    costs = ratio(results, "Q1", "L", app)
    assert costs is not None
    assert (costs.low, costs.high) == (1.0, 2.0)
    assert ratio(results, "Q1", "S", per_second) is None
    assert "| Q1 | 0.75 (0.50–1.00) | 1.50 (1.00–2.00) | 1.00 (1.00–1.00) |" in markdown(results, "wrk").splitlines()
    root = ElementTree.fromstring(picture(results))
    assert [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")] == ["Kyoso", "Q1", "0.75", "L = 1"]


@pytest.mark.parametrize("by_session", ["0", "1", None])
def test_a_run_says_what_to_know_when_reading_it(
    tmp_path: Path, by_session: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.cost.PROC", tmp_path)
    (tmp_path / "sys/kernel").mkdir(parents=True)
    if by_session is not None:  # a kernel may be built without
        (tmp_path / "sys/kernel/sched_autogroup_enabled").write_text(f"{by_session}\n")
    results = Results({}, {}, {}, {}, Counter({("Q7", "S"): 2}))
    said = markdown(results, "built-in").strip().splitlines()
    assert "Q7, S: refused a load, which was made again (2)." in said
    assert any("install wrk" in one for one in said)
    assert any("sched_autogroup_enabled = 0" in one for one in said) == (by_session == "1")
    assert facts(results, "built-in")["remarks"] == [one for one in said if one.endswith(".")]


def test_only_processes_that_are_still_there_have_a_cost() -> None:
    before, after = Spent({1: 2.0}, {7: 5.0, 8: 1.0}), Spent({1: 2.5, 2: 0.25}, {8: 1.5})
    assert after.app_since(before) == 0.75
    assert after.database_since(before) == 0.5


async def test_a_process_that_has_ended_costs_nothing(network: str) -> None:
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    connection = await asyncpg.connect(**db.credentials(network))
    try:
        assert (await spent(ended.pid, connection)).app == {ended.pid: 0.0}
        assert memory_mb(ended.pid) == 0
    finally:
        await connection.close()


async def test_load_stays_on_this_machine() -> None:
    with pytest.raises(ValueError, match="this machine only"):
        await load(Request("http://192.0.2.1/"), 1)


@pytest.mark.parametrize("has_wrk", [True, False])
async def test_the_load_counts_answers_and_refuses_errors(has_wrk: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_wrk:
        monkeypatch.setattr("bench.load.shutil.which", lambda _: None)
    answers = {b"/ok": b"HTTP/1.1 200 OK\r\n", b"/no": b"HTTP/1.1 429 Too Many Requests\r\n"}
    bodies: set[bytes] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"POST" in head:
                    length = int(head.lower().partition(b"content-length: ")[2].split()[0])
                    body = await reader.readexactly(length)
                    assert body.removeprefix(b"new: ") in head  # the same in both
                    bodies.add(body)
                writer.write(answers[head.split()[1]] + b"Content-Length: 2\r\n\r\nhi")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        measured = await load(Request(f"{address}/ok"), 1)
        with pytest.raises(RuntimeError):
            await load(Request(f"{address}/no"), 1)
        written = await load(Request(f"{address}/ok", "POST", (("Id", "__serial__"),), b"new: __serial__"), 1)
    assert measured.per_second > 0
    assert 0 < measured.p50_ms <= measured.p99_ms
    assert 0 < written.answers <= len(bodies)  # each request was another
    assert not any(b"__serial__" in body for body in bodies)
