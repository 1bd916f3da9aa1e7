"""OpenID Connect Core 1.0: an app asks who logs in, how freshly they proved it, and gets an answer it can verify.

The ID token is signed with the access tokens' keys and says `typ: JWT`, so no resource takes it for one of those. It
carries nothing personal: name and address are at the userinfo endpoint, for as long as the access token lives.
"""

import hmac
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from authlib.oauth2.rfc6749.errors import InvalidRequestError
from authlib.oidc.core.errors import (
    ConsentRequiredError,
    InteractionRequiredError,
    LoginRequiredError,
    RequestNotSupportedError,
)
from authlib.oidc.core.util import create_half_hash
from joserfc import jwt
from joserfc.errors import JoseError

from auth import scopes, signed
from auth.bridge import wait
from auth.keys import ALGORITHM
from auth.server import Request, Server
from auth.signed import UnacceptableError
from auth.tokens import Tokens
from models.client import LOOPBACK_HOSTS, Client
from models.db import Connection
from models.member import Login
from models.openid import Claims, clock, granted, login_of_grant

ID_TOKEN_SECONDS = 300
NONCE_CHARACTERS_MAX = 255
MAX_AGE_DIGITS = 9
STAMP_SECONDS = 600
"""In which somebody who was sent to log in comes back."""

ASKED_AT = "asked_at"
RESPONSE_MODE = "query"
"""The one way in which an answer travels; an app that asks for another is not sent this one unawares."""
PROMPTS = ("none", "login", "consent", "select_account")
CLAIMS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "amr", "azp", "at_hash")
PERSONAL_CLAIMS = ("name", "email", "email_verified")


@dataclass(frozen=True, slots=True)
class Asked:
    """How freshly and by whom an app wants its request to be answered. `subject`: of the `id_token_hint`."""

    prompts: frozenset[str]
    max_age: timedelta | None
    subject: str | None

    @property
    def is_particular(self) -> bool:
        """Whether the login that is there may not do."""
        return bool(self.prompts) or self.max_age is not None or self.subject is not None


class Identity:
    """Checks what OpenID Connect adds to an authorization request; an extension of the code grant."""

    def __call__(self, grant: Any) -> None:
        grant.register_hook("after_validate_authorization_request_payload", self.validate)

    def validate(self, grant: Any, redirect_uri: str) -> None:
        sent: dict[str, str] = grant.request.payload.data
        if sent.get("response_mode", RESPONSE_MODE) != RESPONSE_MODE:
            raise InvalidRequestError(f"response_mode can only be {RESPONSE_MODE}")
        if "request" in sent:
            raise RequestNotSupportedError("a request object: push the request instead")
        if len(sent.get("nonce", "")) > NONCE_CHARACTERS_MAX:
            raise InvalidRequestError(f"nonce may have {NONCE_CHARACTERS_MAX} characters")
        asked_of(grant.server.tokens, grant.request)


def asked_of(tokens: Tokens, request: Request) -> Asked:
    """What an authorization request asks of the login. Raises InvalidRequestError."""
    sent = request.payload.data
    prompts = frozenset(scopes.split(sent.get("prompt")))
    if not prompts <= set(PROMPTS) or ("none" in prompts and len(prompts) > 1):
        raise InvalidRequestError(f"prompt is some of {' '.join(PROMPTS)}, and none stands alone")
    age = sent.get("max_age")
    if age is not None and not (age.isascii() and age.isdecimal() and len(age) <= MAX_AGE_DIGITS):
        raise InvalidRequestError("max_age is a number of seconds")
    subject = None
    if "id_token_hint" in sent:
        try:
            subject = str(hinted(tokens, sent["id_token_hint"])["sub"])
        except UnacceptableError as error:
            raise InvalidRequestError("id_token_hint is no ID token of ours") from error
    return Asked(prompts, None if age is None else timedelta(seconds=int(age)), subject)


async def must_log_in(connection: Connection, asked: Asked, login: Login | None, sent_at: datetime | None) -> bool:
    """Whether the person has to prove (again) who they are.

    `sent_at`: when they were sent to do just that for this request, see `stamped`; None when they were not.
    Raises LoginRequiredError where the app wants no page shown, or another person than the one who logged in.
    """
    if login is None:
        if "none" in asked.prompts:
            raise LoginRequiredError("nobody is logged in")
        return True
    now = await clock(connection)
    sent = sent_at is not None and login.auth_time >= sent_at > now - timedelta(seconds=STAMP_SECONDS)
    other = asked.subject not in (None, str(login.member.id))
    if other and (sent or "none" in asked.prompts):
        raise LoginRequiredError("somebody else is logged in")
    too_old = asked.max_age is not None and now - login.auth_time > asked.max_age
    if too_old and "none" in asked.prompts:
        raise LoginRequiredError("the login is older than max_age")
    return not sent and (other or too_old or bool(asked.prompts & {"login", "select_account"}))


async def check_silent(connection: Connection, client: Client, login: Login, scope: frozenset[str], uri: str) -> None:
    """Raises ConsentRequiredError or InteractionRequiredError unless this may be granted without a page (`none`).

    `uri`: the redirect URI. An address on the person's own machine may be anybody's there, so a person is asked.
    """
    if client.auth_method == "none" and urlsplit(uri).hostname in LOOPBACK_HOSTS:
        raise InteractionRequiredError("a public client on the person's machine")
    if not scope or not await granted(connection, client.id, login.member.id, scope):
        raise ConsentRequiredError("not all of this was allowed before")


def stamp(key: bytes, query: str, moment: datetime) -> str:
    """The query of an authorization request with the moment at which somebody was sent to log in for it."""
    asked, _, _ = query.partition(f"&{ASKED_AT}=")
    said = f"{round(moment.timestamp() * 1_000_000)}"
    return f"{asked}&{ASKED_AT}={said}.{_mac(key, asked, said)}"


def stamped(key: bytes, query: str) -> datetime | None:
    """That moment; None when the query has none that `stamp` wrote there."""
    asked, _, value = query.partition(f"&{ASKED_AT}=")
    said, _, mac = value.partition(".")
    if not hmac.compare_digest(mac.encode(), _mac(key, asked, said).encode()):
        return None
    return datetime.fromtimestamp(int(said) / 1_000_000, UTC)


def id_token(server: Server, client: Client, member_id: UUID, grant_id: UUID, access_token: str, *, first: bool) -> str:
    """Who logged in, for one app (OpenID Connect Core, 2). `first`: it answers a code, whose nonce it repeats."""
    login = wait(login_of_grant(server.connection, grant_id))
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": server.tokens.issuer,
        "sub": str(member_id),
        "aud": client.client_id,
        "azp": client.client_id,
        "iat": now,
        "exp": now + ID_TOKEN_SECONDS,
        "at_hash": (create_half_hash(access_token, ALGORITHM) or b"").decode(),
    }
    if login.auth_time:
        claims |= {"auth_time": int(login.auth_time.timestamp()), "amr": login.amr}
    if first and login.nonce:
        claims["nonce"] = login.nonce
    kid, key = server.tokens.keyring.signing()
    return jwt.encode({"alg": ALGORITHM, "typ": "JWT", "kid": kid}, claims, key, [ALGORITHM])


def hinted(tokens: Tokens, id_token: str) -> dict[str, Any]:
    """The claims of an ID token that we signed, expired or not: it says whose session is meant, and opens nothing.

    Raises UnacceptableError.
    """
    header = signed.header_of(id_token, types=("jwt",), names=("alg", "typ", "kid"))
    key = tokens.keyring.find(str(header.get("kid")))
    if key is None:
        raise UnacceptableError("an unknown key")
    try:
        claims = dict(jwt.decode(id_token, key, [ALGORITHM]).claims)
    except (JoseError, ValueError, RecursionError) as error:
        raise UnacceptableError("bad signature") from error
    if claims.get("iss") != tokens.issuer:
        raise UnacceptableError("another issuer")
    return claims


def userinfo(person: Claims, scope: frozenset[str]) -> dict[str, Any]:
    """What the scopes let an app know of the person (OpenID Connect Core, 5.4)."""
    told: dict[str, Any] = {"sub": str(person.id)}
    if "profile" in scope:
        told["name"] = person.name
    if "email" in scope:
        told |= {"email": person.email, "email_verified": person.email_verified}
    return told


def metadata(issuer: str) -> dict[str, Any]:
    """What OpenID Connect Discovery adds to the metadata of RFC 8414."""
    return {
        "userinfo_endpoint": f"{issuer}/oauth/userinfo",
        "end_session_endpoint": f"{issuer}/logout",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": [*CLAIMS, *PERSONAL_CLAIMS],
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": list(PROMPTS),
    }


def _mac(key: bytes, asked: str, said: str) -> str:
    return hmac.digest(key, f"asked {said} {asked}".encode(), sha256).hex()
