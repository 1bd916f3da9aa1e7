"""What an operator does from the command line: reading the record, making the next signing key."""

import asyncio
import json
from functools import partial
from subprocess import CompletedProcess, run
from sys import executable

import httpx
import pytest
from click.testing import CliRunner

from api.cli import main
from api.cli.timing import Refusals
from auth.keys import PUBLISHED_AHEAD_SECONDS
from auth.server import CONFIDENTIAL_METHODS
from models.db import unit_of_work
from tests.oauth_house import House, light_hashes, running_house  # noqa: F401  (fixtures)


async def kyoso(house: House, *words: str, **changes: str) -> "CompletedProcess[str]":
    environment = {
        "KYOSO_DATABASE_URL": house.url,
        "KYOSO_ISSUER": house.issuer,
        "KYOSO_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "PYTHONPATH": ".",
    } | changes
    return await asyncio.to_thread(
        run, [executable, "-m", "api", *words], env=environment, capture_output=True, text=True, check=False
    )


async def test_the_record_tells_the_operator_what_the_caller_was_not_told(house: House):
    backend, other = await house.client(), await house.client(partner_id=house.agency)
    await house.token(backend)
    await house.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(backend.client_id, "wrong"))
    await house.token(other)
    everything = await kyoso(house, "audit", "--json")
    assert everything.returncode == 0, everything.stderr
    lines = [json.loads(line) for line in everything.stdout.splitlines()]
    assert [line["action"] for line in lines] == ["token.issued", "request.refused", "token.issued"]
    assert [line["partner"] for line in lines] == ["aozora", "aozora", "mirai"]
    assert lines[1]["detail"] == {"error": "invalid_client", "reason": "wrong secret"}
    assert [line["position"] for line in lines] == sorted(line["position"] for line in lines)
    told = (await kyoso(house, "audit", "--partner", "aozora", "--action", "request")).stdout
    assert told.endswith(f'client_id="{backend.client_id}" error="invalid_client" reason="wrong secret"\n')
    assert told.count("\n") == 1
    assert (await kyoso(house, "audit", "--action", "tok")).stdout == ""
    assert (await kyoso(house, "audit", "--last", "1", "--client-id", backend.client_id)).stdout.count("\n") == 1
    assert "wrong secret" not in (await kyoso(house, "audit", "--client-id", other.client_id)).stdout
    assert (await kyoso(house, "audit", "--last", "0")).returncode == 2
    nobody = await kyoso(house, "audit", "--partner", "nobody")
    assert (nobody.returncode, nobody.stdout) == (1, "")
    assert nobody.stderr == "Error: there is no partner 'nobody': --partner takes its short name (slug)\n"


async def test_the_next_key_is_made_on_command_once(house: House):
    token = (await house.token(await house.client())).json()["access_token"]
    first = house.tokens.keyring.signing()[0]
    wrong = await kyoso(house, "keys", "rotate", KYOSO_MASTER_KEY="A" * 43 + "=")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "KYOSO_MASTER_KEY" in wrong.stderr
    assert await house.count("signing_key") == 1
    made = await kyoso(house, "keys", "rotate", "--json")
    assert made.returncode == 0, made.stderr
    facts = json.loads(made.stdout)
    again = await kyoso(house, "keys", "rotate")
    assert again.stderr.startswith("Error: the next key is made already and signs from ")
    assert await house.count("signing_key") == 2
    assert await house.count("audit", f"action = 'key.rotated' and detail ->> 'kid' = '{facts['kid']}'") == 1
    async with unit_of_work() as connection:
        await house.tokens.keyring.load(connection)
    assert {key["kid"] for key in house.tokens.keyring.jwks()["keys"]} == {first, facts["kid"]}
    assert house.tokens.keyring.signing()[0] == first
    await house.as_owner(
        "update signing_key set signs_from = signs_from - make_interval(secs => $1)", PUBLISHED_AHEAD_SECONDS
    )
    async with unit_of_work() as connection:
        await house.tokens.keyring.load(connection)
    assert house.tokens.keyring.signing()[0] == facts["kid"]
    await house.tokens.verify(token)
    assert (await house.token(await house.client())).status_code == 200


async def test_what_tokens_cost_is_measured(house: House):
    measured = await kyoso(house, "keys", "time", "--json")
    assert measured.returncode == 0, measured.stderr
    figures = json.loads(measured.stdout)
    assert list(figures) == ["issue", "verify_first", "verify_again"]
    assert all(value > 0 for value in figures.values())
    print(figures)


async def test_an_unknown_client_is_looked_for_as_a_known_one_is(house: House):
    """proof 1.25: the same statements run, and the same signature is checked, whether a client exists or not."""
    said: dict[str, list[str]] = {}
    async with unit_of_work() as connection:
        refusals = Refusals(connection, house.tokens, bytes(32))
        for method in CONFIDENTIAL_METHODS:
            for name, client_id in (await refusals.clients(method)).items():
                said[name] = []
                note = partial(lambda name, query: said[name].append(query.query), name)
                connection.add_query_logger(note)
                await refusals.refusal(method, client_id)
                await asyncio.sleep(0)
                connection.remove_query_logger(note)
            assert said["known"] == said["unknown"]
            assert [text.split()[0] for text in said["unknown"]] == ["select", "select", "insert", "insert"]


async def test_whether_a_client_exists_is_measured_and_nothing_stays(house: House):
    """proof 1.25: the figure itself is the command's; here it runs, and what it made is gone."""
    told = await kyoso(house, "client", "time", "--json")
    figures = json.loads(told.stdout)
    assert list(figures) == ["client_secret_basic", "private_key_jwt"]
    for figure in figures.values():
        assert figure["known"] > 0
        assert figure["unknown"] > 0
    print(figures)
    assert await house.count("oauth_client", "kind <> 'PRODUCT'") == 0
    assert await house.count("audit") == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(500, text="Internal Server Error"), "answers 500 Internal Server Error: its log says why"),
        (httpx.Response(502, text="<html>"), "answers 502 Bad Gateway: its log says why"),
        (
            httpx.Response(503, json={"error": "temporarily_unavailable", "error_description": "Try again."}),
            "temporarily_unavailable: Try again.",
        ),
        (httpx.Response(200, text="<html>"), "does not answer as a token endpoint: name it with --issuer"),
        (httpx.Response(200, json=[]), "does not answer as a token endpoint: name it with --issuer"),
    ],
)
def test_what_answers_in_place_of_a_token_is_told(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response, said: str
) -> None:
    monkeypatch.setattr("httpx.post", lambda *_, **__: answer)  # pyright: ignore[reportUnknownLambdaType]
    words = ["token", "--client-id", "one", "--client-secret", "two", "--issuer", "http://127.0.0.1:9"]
    refused = CliRunner().invoke(main, words)
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)
    assert said in refused.output
