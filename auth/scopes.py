"""The scopes: what a token may be asked for, in words that people can consent to, and who may hold which."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """One permission, as the consent page explains it."""

    name: str
    group_ja: str
    group_en: str
    ja: str
    en: str
    sensitive: bool = False


_NETWORK = ("ネットワーク", "Network")
_FLOW = ("紹介と選考", "Referrals and selection")
_RELAY = ("キャリアリレー", "Career relay")
_SHARED = ("契約と成果", "Agreements and outcomes")
_PEOPLE = ("個人情報", "Personal data")
_HOUSE = ("管理", "Administration")
_LOGIN = ("あなたについて", "About you")

OPENID = "openid"
IDENTITY: dict[str, Scope] = {
    scope.name: scope
    for scope in (
        Scope(
            OPENID,
            *_LOGIN,
            "あなたを見分ける番号と、ログインした日時・方法を知る",
            "Know you again, and when and how you logged in",
        ),
        Scope("profile", *_LOGIN, "お名前を知る", "Know your name"),
        Scope("email", *_LOGIN, "メールアドレスを知る", "Know your e-mail address"),
    )
}
"""What an app is told of the person who logs in (OpenID Connect): no field of the API asks for these."""

VOCABULARY: dict[str, Scope] = {
    scope.name: scope
    for scope in (
        Scope("network:read", *_NETWORK, "パートナーと公開求人を見る", "See partners and open jobs"),
        Scope("referrals:read", *_FLOW, "紹介の状況を見る", "See referrals and how they stand"),
        Scope("referrals:write", *_FLOW, "候補者を紹介する", "Refer candidates"),
        Scope("applications:read", *_FLOW, "応募と選考の状況を見る", "See applications and their stages"),
        Scope("applications:write", *_FLOW, "選考を進め、採否を記録する", "Record stages, rejections and hires"),
        Scope("relay:read", *_RELAY, "リレーと無料紹介枠を見る", "See handovers and free slots"),
        Scope(
            "relay:write", *_RELAY, "リレーを受諾・辞退し、枠を使う", "Accept or decline handovers and use free slots"
        ),
        Scope("outcomes:read", *_SHARED, "成果とKPIを見る", "See outcomes and figures"),
        Scope("agreements:read", *_SHARED, "パートナー契約を見る", "See agreements"),
        Scope("agreements:write", *_SHARED, "契約を申し込み、承諾・停止する", "Offer, accept and suspend agreements"),
        Scope("rewards:read", *_SHARED, "報酬と特典を見る", "See rewards"),
        Scope("rewards:write", *_SHARED, "報酬を承認する", "Approve rewards"),
        Scope("events:subscribe", *_SHARED, "成果の発生をその場で受け取る", "Receive outcomes as they happen"),
        Scope(
            "candidates:read",
            *_PEOPLE,
            "候補者の個人情報（氏名・連絡先など）を見る",
            "See candidates' personal data (names, contact details)",
            sensitive=True,
        ),
        Scope(
            "partner:admin",
            *_HOUSE,
            "自社の設定（ATS連携・紹介者など）を変更する",
            "Change your organisation's settings (ATS, referrers)",
            sensitive=True,
        ),
        Scope(
            "network:admin",
            *_HOUSE,
            "パートナーを登録する（運営者のみ）",
            "Register partners (the operator only)",
            sensitive=True,
        ),
    )
}

IDENTITY_SCOPES = frozenset(IDENTITY)
OPERATOR_SCOPES = frozenset({"network:read", "network:admin"})
PARTNER_SCOPES = frozenset(VOCABULARY) - {"network:admin"}

_READS = frozenset(name for name in PARTNER_SCOPES if name.endswith(":read"))
ROLE_SCOPES: dict[str, frozenset[str]] = {
    "ADMIN": PARTNER_SCOPES,
    "RECRUITER": _READS | {"referrals:write", "applications:write", "relay:write", "events:subscribe"},
    "ANALYST": _READS - {"candidates:read"} | {"events:subscribe"},
    "DEVELOPER": _READS - {"candidates:read"} | {"events:subscribe"},
}
"""What the people of a partner may grant to an app, by their role."""

CLIENT_SCOPES: dict[str, frozenset[str]] = {
    "PARTNER": PARTNER_SCOPES,
    "PRODUCT": PARTNER_SCOPES,
    "OPERATOR": OPERATOR_SCOPES,
}
"""What a client may hold at most, by its kind."""


def expand(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes with all that they imply: `x:write` implies `x:read`."""
    asked = frozenset(scopes)
    implied = {name.removesuffix(":write") + ":read" for name in asked if name.endswith(":write")}
    return asked | implied


def split(text: str | None) -> list[str]:
    """The scope parameter of RFC 6749 as names, in order, each once."""
    return list(dict.fromkeys((text or "").split()))


def understood(text: str | None) -> str | None:
    """A request's scope parameter as this server reads it.

    With `openid` names that nobody here knows are left aside, such as `offline_access` (OpenID Connect Core, 3.1.2.1);
    elsewhere they stay, to be refused.
    """
    asked = split(text)
    return join(asked) if OPENID in asked else text


def join(scopes: Iterable[str]) -> str:
    """Names as a scope parameter, in the vocabulary's order."""
    asked = set(scopes)
    return " ".join(name for name in (*IDENTITY, *VOCABULARY) if name in asked)


def grantable(kind: str, registered: frozenset[str], role: str | None) -> frozenset[str]:
    """What a client may be given: by its kind, by its registration and, where a person grants it, by their role.

    Who they are is everybody's own to tell.
    """
    most = CLIENT_SCOPES[kind] if role is None else CLIENT_SCOPES[kind] & ROLE_SCOPES[role]
    return (most | IDENTITY_SCOPES) & registered
