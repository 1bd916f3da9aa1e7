"""`./kyoso idp`: a partner's people log in at their own organisation's provider."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from typing import Any

from models import identity_provider
from models.db import pool, unit_of_work
from models.member import create_member, hash_password, open_session
from tests import builders
from tests.conftest import ROOT

SET = ("--issuer", "https://login.example.jp/", "--client-id", "kyoso", "--client-secret-file", "-")


def idp(database: str, *words: str, secret: str = "s3cret\n", json_answer: bool = True) -> Any:
    environment = {
        **os.environ,
        "KYOSO_DATABASE_URL": database,
        "KYOSO_ISSUER": "https://kyoso.example.jp",
        "KYOSO_MASTER_KEY": b64encode(builders.MASTER_KEY).decode(),
    }
    command = [sys.executable, "-m", "api", "idp", *words, *(["--json"] if json_answer else [])]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, input=secret, check=False)
    return (
        json.loads(done.stdout) if done.returncode == 0 and json_answer else (done.returncode, done.stderr, done.stdout)
    )


async def test_a_provider_is_named_shown_and_removed(connected: str) -> None:
    async with unit_of_work() as connection:
        company, other = (
            await builders.company(connection, "株式会社青空"),
            await builders.company(connection, "株式会社緑"),
        )
        slugs = [await connection.fetchval("select slug from partner where id = $1", each) for each in (company, other)]
        person = await create_member(
            connection,
            partner_id=company,
            email="a@aozora.jp",
            name="花子",
            password_hash=await hash_password("zakuro to kumo no densha", ()),
            role="ADMIN",
        )
        await open_session(connection, person, ["pwd"])
        await open_session(connection, person, ["fed"])
    partner = ("--partner", slugs[0])

    code, complaint, _ = idp(connected, "show", *partner)
    assert code == 1
    assert "`idp set` names one" in complaint

    made = idp(connected, "set", *partner, *SET, "--domain", "Aozora.JP", "--domain", "aozora.co.jp", "--required")
    async with pool().acquire() as connection:
        provider = await identity_provider.of_partner(connection, company)
        left = await connection.fetch("select amr from login_session")
    assert provider
    assert made == {
        "issuer": "https://login.example.jp/",
        "client_id": "kyoso",
        "redirect_uri": f"https://kyoso.example.jp/login/company/{provider.id}",
        "domains": ["aozora.co.jp", "aozora.jp"],
        "required": True,
    }
    assert provider.secret == "s3cret"
    assert [row["amr"] for row in left] == [["fed"]]
    code, _, told = idp(connected, "show", *partner, json_answer=False)
    assert code == 0
    assert "domains      aozora.co.jp aozora.jp" in told
    assert "s3cret" not in told

    for words, secret, complaint in (
        (("--partner", slugs[1], *SET, "--domain", "aozora.jp"), "s", "a domain belongs to another partner's provider"),
        ((*partner, *SET, "--domain", "jp"), "s", "a domain looks like example.co.jp"),
        ((*partner, *SET, "--domain", "aozora.jp"), "\n", "is empty"),
        (
            (*partner, *SET, "--issuer", "http://127.0.0.1:1", "--domain", "aozora.jp"),
            "s",
            "cannot be asked: not https",
        ),
        (("--partner", "nobody", *SET, "--domain", "aozora.jp"), "s", "there is no partner 'nobody'"),
    ):
        code, said, _ = idp(connected, "set", *words, secret=secret)
        assert code != 0
        assert complaint in said
    assert idp(connected, "show", *partner) == made

    assert idp(connected, "remove", *partner) == {"removed": True}
    code, complaint, _ = idp(connected, "remove", *partner)
    assert code == 1
    async with pool().acquire() as connection:
        actions = await connection.fetch("select action from audit where action like 'provider%' order by position")
    assert [row["action"] for row in actions] == ["provider.named", "provider.removed"]
