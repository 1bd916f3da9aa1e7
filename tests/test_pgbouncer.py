"""Behind a real pgbouncer in transaction mode: sessions are shared, and nothing of one request is met by the next."""

import asyncio
import hmac
import os
import shutil
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner, Result

from api import postgres as embedded
from api.cli import main
from models import ats, db
from models.db import unit_of_work
from tests import builders
from tests.builders import MASTER_KEY
from tests.conftest import PLACE, ROOT
from tests.conversation import conversation
from tests.served import serving

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no pgbouncer here: apt-get install pgbouncer")

SESSIONS = 2
"""Of the server for all clients: fewer than ask at once, so every session serves many."""
PORT = 6432  # names the socket file; nothing listens on TCP
START_SECONDS = 30.0
EVENTS = "subscription { outcomeEvents { event { kind company { id } } } }"
PERSONAL = "query ($id: ID!) { node(id: $id) { ... on Candidate { personal { name } } } }"
POST_JOB = """mutation ($key: ID!) { postJob(input: {clientMutationId: $key, title: "設計", requirements: "CAD",
  prefecture: TOKYO}) { job { title company { id } } } }"""


@dataclass
class Pooled:
    """A database, and the pgbouncer before it."""

    server: embedded.Postgres
    sockets: Path

    def direct(self, login: str) -> str:
        return self.server.url("kyoso", login)

    def through(self, login: str) -> str:
        return f"postgresql://{login}@/kyoso?host={self.sockets}&port={PORT}"


def execute(url: str, statements: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(**db.credentials(url))
        await connection.execute(statements)
        await connection.close()

    asyncio.run(run())


def settings_of_the_page() -> str:
    return (ROOT / "docs/scale.md").read_text(encoding="utf-8").partition("```sql\n")[2].partition("```")[0]


@pytest.fixture(scope="module")
def pooled() -> Iterator[Pooled]:
    """A migrated database with a login as docs/scale.md has it (`kyoso`) and one that nobody prepared (`unready`)."""
    assert PROGRAM
    place = Path(tempfile.mkdtemp(prefix="kyoso-pooled-", dir=PLACE))
    place.chmod(0o777)  # for the socket of pgbouncer, which is run by the server's own user
    server = embedded.start(place / "postgres", embedded.FORGETFUL)
    (place / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
    execute(server.url(), "select pg_reload_conf()")
    execute(server.url(), "create database kyoso")
    asyncio.run(db.migrate(server.url("kyoso")))
    execute(server.url(), "create role kyoso login noinherit; create role unready login noinherit")
    execute(server.url(), "grant kyoso_app to kyoso, unready; " + settings_of_the_page())
    (place / "users").write_text('"kyoso" ""\n"unready" ""\n')
    (place / "pgbouncer.ini").write_text(
        f"[databases]\nkyoso = host={server.sockets} port={embedded.PORT} dbname=kyoso\n"
        f"[pgbouncer]\nunix_socket_dir = {place}\nlisten_port = {PORT}\nauth_type = trust\nauth_file = {place}/users\n"
        f"pool_mode = transaction\ndefault_pool_size = {SESSIONS}\n"
    )
    owner = server.sockets.stat()  # pgbouncer refuses to run as root, and nobody else may pass there
    bouncer = subprocess.Popen(
        [PROGRAM, "--quiet", place / "pgbouncer.ini"],
        user=owner.st_uid if os.geteuid() == 0 else None,
        group=owner.st_gid if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not (place / f".s.PGSQL.{PORT}").exists():
            assert bouncer.poll() is None, "pgbouncer ended at once"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield Pooled(server, place)
    finally:
        bouncer.terminate()
        bouncer.wait()
        server.stop()
        shutil.rmtree(place)


async def test_the_whole_application_works(pooled: Pooled, tmp_path: Path) -> None:
    """Verbs, questions, personal data, webhooks and live events, many at once on two sessions: each sees their own."""
    through, direct = pooled.through("kyoso"), pooled.direct("kyoso")
    async with serving(through, tmp_path, direct_database_url=direct) as served:
        async with unit_of_work() as connection:
            companies = [await builders.company(connection, f"会社{number}") for number in range(4)]
            people = [
                await builders.kept(connection, company, f"person{number}@example.jp", NAME=f"候補 {number}")
                for number, company in enumerate(companies)
            ]
        tokens = [await served.token(company) for company in companies]

        async def ask(number: int) -> None:
            which = number % len(companies)
            for other in range(len(people)):
                asked = {"id": f"can_{people[other].candidate_id}"}
                seen = (await served.insist(PERSONAL, tokens[which], asked)).json()["data"]["node"]
                assert seen == ({"personal": {"name": f"候補 {which}"}} if other == which else None)
            done = (await served.insist(POST_JOB, tokens[which], {"key": str(number)})).json()
            assert done["data"]["postJob"]["job"] == {"title": "設計", "company": {"id": f"par_{companies[which]}"}}

        await asyncio.gather(*(ask(number) for number in range(40)))
        async with unit_of_work() as connection:
            secret = "a secret of thirty-two characters"
            hook = await ats.connect(connection, company_id=companies[0], system="GREENHOUSE", secret=secret)
        body = b'{"action": "ping", "payload": {}}'
        signed = {"Signature": f"sha256 {hmac.digest(secret.encode(), body, 'sha256').hex()}"}

        async def deliver(number: int) -> int:
            headers = {**signed, "Greenhouse-Event-ID": str(number)}
            return (await served.http.post(f"/ats/greenhouse/{hook}", content=body, headers=headers)).status_code

        assert set(await asyncio.gather(*(deliver(number) for number in range(20)))) == {200}
        async with conversation(served, tokens[0]) as talk:
            await talk.subscribe(EVENTS)
            assert (await talk.next())["event"] is None
            async with unit_of_work() as connection:
                await builders.application(connection, companies[0])
            heard = await talk.next()
        assert heard["event"] == {"kind": "APPLICATION_RECEIVED", "company": {"id": f"par_{companies[0]}"}}
        async with db.pool().acquire() as connection:
            assert await connection.fetchval("select count(*) from job") == 40
            assert await connection.fetchval("select count(*) from ats_delivery") == 20
            assert [*await connection.fetch("select name, statement from pg_prepared_statements")] == []
        await sessions_are_shared_and_who_listens_goes_around(pooled)


async def sessions_are_shared_and_who_listens_goes_around(pooled: Pooled) -> None:
    watching = await asyncpg.connect(**db.credentials(pooled.server.url("kyoso")))
    found = await watching.fetch(
        "select query ilike 'listen %' as listens, count(*) from pg_stat_activity "
        "where usename = 'kyoso' and datname = 'kyoso' group by 1 order by 1"
    )
    await watching.close()
    assert [(row["listens"], row["count"]) for row in found] == [(False, SESSIONS), (True, 2)]


# ── What is not set up is said, with its cure, before anything is served ──────────────────────────────────────────────


def serve(**told: str) -> Result:
    environment = {"KYOSO_ISSUER": "http://127.0.0.1", "KYOSO_MASTER_KEY": b64encode(MASTER_KEY).decode(), **told}
    return CliRunner().invoke(main, ["serve"], env=environment)


def test_a_pooler_that_was_not_told_of(pooled: Pooled) -> None:
    result = serve(KYOSO_DATABASE_URL=pooled.through("kyoso"))
    assert result.exit_code == 1
    assert result.output == (
        "Error: a pooler answers at KYOSO_DATABASE_URL (unsupported startup parameter: role): "
        "let KYOSO_DIRECT_DATABASE_URL lead to PostgreSQL itself\n"
    )


def test_a_login_without_the_settings_of_its_sessions(pooled: Pooled) -> None:
    told = {"KYOSO_DATABASE_URL": pooled.through("unready"), "KYOSO_DIRECT_DATABASE_URL": pooled.direct("unready")}
    result = serve(**told)
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    cure = settings_of_the_page().replace("role kyoso", "role unready").replace("\n", " ").strip().rstrip(";")
    assert result.output.strip().endswith(cure)


def test_a_direct_address_where_nobody_answers(pooled: Pooled) -> None:
    told = {"KYOSO_DIRECT_DATABASE_URL": "postgresql://kyoso@/kyoso?host=/nowhere"}
    result = serve(KYOSO_DATABASE_URL=pooled.through("kyoso"), **told)
    assert (result.exit_code, len(result.output.splitlines())) == (1, 1)
    assert result.output.startswith("Error: cannot reach the database of KYOSO_DIRECT_DATABASE_URL")
