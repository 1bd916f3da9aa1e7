"""`./kyoso member`: people get a login, and a new password when theirs is lost; names that are none are refused."""

import json
import os
import shlex
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from click.testing import CliRunner

from api.cli import main
from models import audit, totp
from models.db import unit_of_work
from models.factor import Factors, factors
from models.member import create_member, find_by_email, hash_password, login_of_session, open_session
from tests import builders
from tests.conftest import ROOT


def member(database: str, *words: str) -> subprocess.CompletedProcess[str]:
    return kyoso(database, "member", *words)


def kyoso(database: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "KYOSO_DATABASE_URL": database,
        "KYOSO_ISSUER": "http://127.0.0.1:8000",
        "KYOSO_MASTER_KEY": b64encode(builders.MASTER_KEY).decode(),
    }
    command = [sys.executable, "-m", "api", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


async def test_a_person_gets_a_login_and_a_new_password(connected: str, tmp_path: Path) -> None:
    async with unit_of_work() as connection:
        company = await builders.company(connection, "株式会社青空")
        slug = await connection.fetchval("select slug from partner where id = $1", company)
    words = ["create", "--partner", slug, "--email", "Hanako@example.com", "--name", "山田 花子", "--json"]
    made = member(connected, *words)
    assert made.returncode == 0, made.stderr
    first = json.loads(made.stdout)
    async with unit_of_work() as connection:
        person = await builders.who_logs_in(connection, "hanako@example.com", first["password"])
        assert person is not None
        assert (person.partner_id, person.role) == (company, "ADMIN")
        session = await open_session(connection, person.id, ["pwd"])

    again = member(connected, *words)
    assert (again.returncode, again.stdout) == (1, "")
    assert "somebody logs in with this address already" in again.stderr

    fresh = json.loads(member(connected, "password", "--email", "hanako@example.com", "--json").stdout)
    async with unit_of_work() as connection:
        assert await builders.who_logs_in(connection, "hanako@example.com", first["password"]) is None
        assert await builders.who_logs_in(connection, "hanako@example.com", fresh["password"]) is not None
        assert await login_of_session(connection, session) is None
        assert await connection.fetchval("select count(*) from oauth_revocation where subject = $1", person.id) == 1


async def test_a_lost_factor_is_taken_away_and_a_role_given(connected: str) -> None:
    async with unit_of_work() as connection:
        company = await builders.company(connection, "株式会社青空")
        slug = await connection.fetchval("select slug from partner where id = $1", company)
        for number in (1, 2):
            facts = {
                "partner_id": company,
                "name": "山田 花子",
                "password_hash": await hash_password("zakuro to kumo no densha", ()),
            }
            await create_member(connection, email=f"{number}@example.com", role="ADMIN", **facts)
        person = await find_by_email(connection, "1@example.com")
        assert person
        await totp.add(connection, person.id, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", 1)
        await totp.make_recovery_codes(connection, person.id)
        session = await open_session(connection, person.id, ["pwd", "otp", "mfa"])
    for _ in range(2):  # the second changes nothing, and says so by no second line and letter
        done = member(connected, "reset", "--email", "1@EXAMPLE.com", "--language", "EN", "--json")
        assert json.loads(done.stdout) == {"email": "1@EXAMPLE.com", "second_factor": "none"}
    lowered = member(connected, "role", "--email", "1@example.com", "--role", "ANALYST", "--json")
    assert json.loads(lowered.stdout) == {"email": "1@example.com", "role": "ANALYST"}
    last = member(connected, "role", "--email", "2@example.com", "--role", "ANALYST")
    assert (last.returncode, last.stdout) == (1, "")
    assert last.stderr.strip().splitlines()[-1].startswith("Error: this is the last administrator")
    async with unit_of_work() as connection:
        assert await factors(connection, person.id) == Factors(app=False, passkeys=0, recovery_codes=0)
        assert await login_of_session(connection, session) is None
        lines = await audit.lines(connection, partner=slug, client_id=None, action="member", most=5)
        assert [line["action"] for line in lines] == ["member.factors_reset", "member.role_changed"]
        told = await connection.fetch("select kind, member_id, language from mail")
        assert [tuple(row) for row in told] == [("FACTORS_RESET", person.id, "EN")]
        assert await connection.fetchval("select count(*) from oauth_revocation where subject = $1", person.id) == 1


async def test_unknown_names_are_refused_in_one_line(connected: str) -> None:
    nobody = member(connected, "create", "--partner", "nobody", "--email", "a@example.com", "--name", "A")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr.strip().splitlines()[-1].startswith("Error: there is no partner 'nobody'")
    lost = member(connected, "password", "--email", "nobody@example.com")
    assert (lost.returncode, lost.stdout) == (1, "")


@pytest.mark.parametrize("name", ["", "  ", "山" * 101, "山田\n花子", "山田\x00花子"])
@pytest.mark.parametrize(
    "words",
    ["member create --partner aozora --email a@example.com", 'client create --operator --scope "network:read"'],
)
def test_names_are_refused_before_a_database_is_asked(words: str, name: str) -> None:
    assert refusal_of([*shlex.split(words), "--name", name]) == (
        "Error: Invalid value for '--name': a name has 1 to 100 characters on one line\n"
    )


@pytest.mark.parametrize("email", ["", "notmail", "a@b@example.com", "a b@example.com", f"{'a' * 250}@example.com"])
def test_addresses_are_refused_before_a_database_is_asked(email: str) -> None:
    assert refusal_of(["member", "create", "--partner", "aozora", "--name", "A", "--email", email]) == (
        "Error: Invalid value for '--email': this is not an e-mail address, such as hanako@example.com\n"
    )


def refusal_of(words: list[str]) -> str:
    """The last line of what is said, where no database answers."""
    nowhere = {"KYOSO_DATABASE_URL": "postgresql://kyoso@127.0.0.1:9/kyoso", "KYOSO_ISSUER": "http://127.0.0.1"}
    key = {"KYOSO_MASTER_KEY": b64encode(builders.MASTER_KEY).decode()}
    refused = CliRunner().invoke(main, words, env=nowhere | key)
    assert refused.exit_code == 2, refused.output
    return refused.output.splitlines(keepends=True)[-1]


async def test_an_error_of_the_database_quotes_no_row(connected: str) -> None:
    """Where a row is refused all the same, what it holds (the digest of a secret) stays out of sight."""
    async with unit_of_work() as connection:
        await connection.execute("set local role none")
        await connection.execute("alter table oauth_client add check (name <> 'forbidden')")
    words = ["client", "create", "--operator", "--scope", "network:read", "--name", "forbidden"]
    refused = kyoso(connected, *words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == (
        'Error: the database of KYOSO_DATABASE_URL refuses: new row for relation "oauth_client" violates check '
        'constraint "oauth_client_name_check1"\n'
    )
