"""`client time` measures whether the token endpoint tells by its time which clients exist."""

import asyncio
import base64
import json
import secrets
from pathlib import Path
from random import shuffle
from statistics import median
from time import perf_counter, time

import click
from joserfc import jwt
from joserfc.jwk import ECKey

from api.cli.installation import data_dir_option, installation
from api.settings import Settings
from auth import assertion, bridge
from auth.keys import Keyring, derive
from auth.server import CONFIDENTIAL_METHODS, Request
from auth.tokens import Tokens
from models import db
from models.client import CLIENT_ID_BYTES, create_client
from models.db import Connection

PAIRS = 500
WARM_UP_PAIRS = 50
DIFFERENCE_PERCENT_MAX = 5.0
"""The median difference within a pair, of the median time; more than that could be told apart from afar."""
_GRANT = {"grant_type": "client_credentials"}


class Undo(Exception):  # noqa: N818  (no error: what was made for measuring is taken back)
    """Ends the transaction without a trace."""


@click.command(short_help="Measure whether unknown clients are answered as slowly as known ones.")
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def measure(data_dir: Path, as_json: bool) -> None:
    """Measure refusals of the token endpoint, of a client that exists and of one that does not, in turns.

    Prints the medians in microseconds and the median difference within a pair in percent, for a wrong secret and for a
    wrong signature. Nothing of it stays in the database. Fails at five percent or more.
    """
    with installation(data_dir) as installed:
        figures = asyncio.run(_measure(installed))
    if as_json:
        click.echo(json.dumps(figures))
    else:
        for method, told in figures.items():
            known, unknown, differ = told["known"], told["unknown"], told["percent"]
            click.echo(f"{method}: known {known} µs, unknown {unknown} µs, {differ} % apart ({PAIRS} pairs)")
    if any(told["percent"] >= DIFFERENCE_PERCENT_MAX for told in figures.values()):
        raise click.ClickException(f"{DIFFERENCE_PERCENT_MAX} % or more: a client's existence may show; measure again")


async def _measure(installed: Settings) -> dict[str, dict[str, float]]:
    await db.connect(installed.database_url, pool_max=1)
    figures: dict[str, dict[str, float]] = {}
    try:
        async with db.unit_of_work() as connection:
            tokens = Tokens(installed.issuer, Keyring(installed.master_key))
            await tokens.keyring.load(connection)
            refusals = Refusals(connection, tokens, derive(installed.master_key, "refresh tokens"))
            for method in CONFIDENTIAL_METHODS:
                figures[method] = await refusals.pairs(method)
            raise Undo
    except Undo:
        return figures
    finally:
        await db.disconnect()


class Refusals:
    """The authorization server, asked within one transaction by clients that are not who they say."""

    def __init__(self, connection: Connection, tokens: Tokens, refresh_key: bytes) -> None:
        self.connection, self.tokens, self.refresh_key = connection, tokens, refresh_key
        self.thief = ECKey.generate_key("P-256")

    async def pairs(self, method: str) -> dict[str, float]:
        """The median refusals of a client that authenticates so, known and unknown, and how far they lie apart."""
        names = await self.clients(method)
        spent: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(WARM_UP_PAIRS + PAIRS):
            turns = list(names)
            shuffle(turns)
            for name in turns:
                spent[name].append(await self.refusal(method, names[name]))
        known, unknown = (spent[name][WARM_UP_PAIRS:] for name in ("known", "unknown"))
        apart = median(one - other for one, other in zip(known, unknown, strict=True))
        percent = abs(apart) / median(known) * 100
        figures = {"known": median(known) * 1e6, "unknown": median(unknown) * 1e6, "percent": percent}
        return {name: round(figure, 1) for name, figure in figures.items()}

    async def clients(self, method: str) -> dict[str, str]:
        """The ids of a client that is registered to authenticate so, and of one that nobody registered."""
        keys = [{**ECKey.generate_key("P-256").as_dict(private=False), "kid": "1"}]
        made = await create_client(
            self.connection,
            name="time",
            scope=["network:read"],
            partner_id=None,
            jwks=keys if method == assertion.METHOD else None,
        )
        return {"known": made.client_id, "unknown": secrets.token_hex(CLIENT_ID_BYTES)}

    async def refusal(self, method: str, client_id: str) -> float:
        """The seconds that it takes to refuse a client with a wrong proof of itself."""
        asked = self._request(method, client_id)
        from auth import grants  # it brings the whole schema, which no other command for clients waits for

        server = grants.server(self.connection, self.tokens, self.refresh_key)
        began = perf_counter()
        answer = await bridge.call(server.create_token_response, asked)
        spent = perf_counter() - began
        if answer.status != 401:
            raise click.ClickException(f"the token endpoint answered {answer.status} instead of refusing")
        return spent

    def _request(self, method: str, client_id: str) -> Request:
        address = f"{self.tokens.issuer}/oauth/token"
        if method != assertion.METHOD:
            basic = base64.b64encode(f"{client_id}:{secrets.token_urlsafe()}".encode()).decode()
            return Request("POST", address, {"authorization": f"Basic {basic}"}, {}, dict(_GRANT))
        now = int(time())
        claims = {"iss": client_id, "sub": client_id, "aud": self.tokens.issuer, "iat": now, "exp": now + 60}
        claims["jti"] = secrets.token_urlsafe()
        given = jwt.encode({"alg": "ES256", "typ": "JWT"}, claims, self.thief, ["ES256"])
        form = {"client_assertion": given, "client_assertion_type": assertion.ASSERTION_TYPE}
        return Request("POST", address, {}, {}, {**_GRANT, **form})
