"""Devices that cannot show a login page (RFC 8628): they show a short code, and a person types it elsewhere."""

import secrets
import unicodedata
from typing import Any
from uuid import UUID

from authlib.oauth2.rfc6749.errors import InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc8628 import DEVICE_CODE_GRANT_TYPE, DeviceAuthorizationEndpoint, DeviceCodeGrant

from auth import scopes, session
from auth.bridge import wait
from auth.grant import GRANT_SECONDS, Grant, TokenAnswer
from auth.server import CLIENT_METHODS, RegisteredClient, Request, Server
from auth.tokens import REVOCATION_KEPT_SECONDS
from models import device, oauth
from models.client import Client
from models.device import Device

LIFE_SECONDS = 600
INTERVAL_SECONDS = 5
SLOWER_SECONDS = 5  # RFC 8628, 3.5
DEVICE_CODE_BYTES = 32

LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""Of the person's code: no vowels, so that no word comes about, and no digits to take for letters."""
GROUP_LETTERS, GROUPS = 4, 2


def read_user_code(typed: str) -> str | None:
    """The letters of a code as a person types it: in any case and width, with or without dashes and blanks.

    None when it cannot be one.
    """
    letters = "".join(each for each in unicodedata.normalize("NFKC", typed).upper() if each.isalnum())
    return letters if len(letters) == GROUP_LETTERS * GROUPS and set(letters) <= set(LETTERS) else None


def shown_user_code(letters: str) -> str:
    """The code in groups, as it is shown."""
    return "-".join(letters[at : at + GROUP_LETTERS] for at in range(0, len(letters), GROUP_LETTERS))


def user_hash(key: bytes, letters: str) -> bytes:
    """Under which a person's code is stored: it is short, so its digest is keyed."""
    return session.attempt_key(key, "user code", letters)


class DeviceAuthorization(DeviceAuthorizationEndpoint):
    """Gives a device its two codes (RFC 8628, 3.1)."""

    server: Server
    CLIENT_AUTH_METHODS = CLIENT_METHODS
    EXPIRES_IN = LIFE_SECONDS
    INTERVAL = INTERVAL_SECONDS
    _client: Client
    _key: str | None

    def authenticate_client(self, request: Request) -> RegisteredClient:
        client: RegisteredClient = super().authenticate_client(request)
        self._client = client.row
        if not client.check_grant_type(DEVICE_CODE_GRANT_TYPE):
            raise UnauthorizedClientError
        self.server.check_resource(request.form.get("resource"))
        self.server.bounded(client.row, scopes.split(request.payload.scope))
        # A device that shows its key now is the only one that can redeem its code.
        self._key = self.server.proven_key(request) if "dpop" in request.headers else None
        return client

    def generate_device_code(self) -> str:
        return secrets.token_urlsafe(DEVICE_CODE_BYTES)

    def generate_user_code(self) -> str:
        return shown_user_code("".join(secrets.choice(LETTERS) for _ in range(GROUP_LETTERS * GROUPS)))

    def get_verification_uri(self) -> str:
        return f"{self.server.tokens.issuer}/device"

    def save_device_credential(self, client_id: str, scope: str | None, data: dict[str, Any]) -> None:
        kept = wait(
            device.add(
                self.server.connection,
                device_hash=oauth.digest(data["device_code"]),
                user_hash=user_hash(self.server.tokens.keyring.user_code_key, read_user_code(data["user_code"]) or ""),
                client=self._client.id,
                scope=scopes.split(scope) or self._client.scope,
                dpop_jkt=self._key,
                interval_seconds=INTERVAL_SECONDS,
                life_seconds=LIFE_SECONDS,
            )
        )
        if not kept:
            raise InvalidRequestError("the code is taken: ask again")


class DeviceGrant(Grant, DeviceCodeGrant):
    """The device asks until the person has answered (RFC 8628, 3.4)."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    def query_device_credential(self, device_code: str) -> "_Credential":
        client: Client = self.request.client.row
        found = device.poll(self.server.connection, oauth.digest(device_code), client.id, slower_seconds=SLOWER_SECONDS)
        row = wait(found)
        if row is None:
            raise InvalidGrantError("an unknown device code, or another client's")
        return _Credential(row, client.client_id)

    def query_user_grant(self, user_code: Device) -> tuple[UUID | None, bool] | None:
        return (user_code.member_id, user_code.granted is not None) if user_code.answered else None

    def should_slow_down(self, credential: "_Credential") -> bool:
        return credential.row.hurried

    def bound_key(self) -> str | None:
        return self.request.credential.row.dpop_jkt

    def create_token_response(self) -> TokenAnswer:
        """Claims the code with one statement: of any number at once, one caller gets the grant."""
        row: Device = self.request.credential.row
        client: Client = self.request.client.row
        grant_id = wait(
            device.redeem(
                self.server.connection,
                row,
                dpop_jkt=self.key if client.auth_method == "none" else None,
                life_seconds=GRANT_SECONDS,
            )
        )
        if grant_id is None or row.member_id is None or row.granted is None:
            raise InvalidGrantError(self._used_twice(row))
        return self.first_answer(row.member_id, row.granted, grant_id)

    def _used_twice(self, row: Device) -> str:
        because = "device code used twice"
        revoke = device.revoke_grant(self.server.connection, row, because, keep_seconds=REVOCATION_KEPT_SECONDS)
        grant_id = wait(revoke)
        if grant_id:
            self.server.tokens.forget(grant_id)
        return because


class _Credential:
    """A device's request in the words that Authlib asks in."""

    def __init__(self, row: Device, client_id: str) -> None:
        self.row = row
        self._client_id = client_id

    def get_client_id(self) -> str:
        return self._client_id

    def get_user_code(self) -> Device:
        """Authlib hands it on to `query_user_grant`, which needs no second look at the table."""
        return self.row

    def is_expired(self) -> bool:
        return self.row.expired and not self.row.redeemed
