"""What `/graphql` tells a program that may not: the challenges of RFC 6750, RFC 9449 and RFC 9728."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from auth import scopes
from auth.dpop import InvalidProofError, challenge
from auth.tokens import InvalidTokenError
from planner import InvalidRequestError

LACKING = "INSUFFICIENT_SCOPE"


def asks(issuer: str) -> Mapping[str, str]:
    """For who sent no token: both kinds that are taken, and where to ask for one."""
    return {"WWW-Authenticate": f'Bearer realm="kyoso", {_where(issuer)}, {challenge()}'}


def refuses(
    invalid: InvalidTokenError | InvalidProofError, scheme: str, issuer: str | None = None
) -> Mapping[str, str]:
    """For who sent a token that is not believed, in the scheme that they used.

    `issuer`: where the API itself refuses, to say where to ask for another token.
    """
    said = invalid.headers["WWW-Authenticate"]
    if scheme == "dpop" and isinstance(invalid, InvalidTokenError):
        said = challenge(invalid.code)
    return {**invalid.headers, "WWW-Authenticate": f"{said}, {_where(issuer)}" if issuer else said}


def lacking(invalid: InvalidRequestError, issuer: str) -> Mapping[str, str] | None:
    """For a request that is refused for scopes alone: those that would do. None for any other refusal.

    Where one of several sets would do, the first of them is named.
    """
    found = [error.extensions or {} for error in invalid.errors]
    if any(each.get("code") != LACKING for each in found):
        return None
    named = scopes.join(name for each in found for name in each["requiredScopes"][0])
    said = f'error="insufficient_scope", scope="{named}"'
    return {"WWW-Authenticate": f'Bearer realm="kyoso", {said}, {_where(issuer)}, {challenge()}, {said}'}


def repeats(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a token or its proof came twice: which of the two counts is not ours to guess (RFC 9449, 4.3)."""
    names = [name for name, _ in headers]
    return any(names.count(name) > 1 for name in (b"authorization", b"dpop"))


def _where(issuer: str) -> str:
    return f'resource_metadata="{issuer}/.well-known/oauth-protected-resource/graphql"'
