"""How companies name stages, sources and places in their own systems, and the words those have here."""

from __future__ import annotations

import re
import unicodedata

from models.registry import PREFECTURES

STAGES = (
    ("OFFER_ACCEPTED", r"offer accepted|accepted offer|内定承諾|入社承諾|承諾済"),
    ("OFFER", r"\boffers?\b|内定|オファー|条件提示"),
    ("FINAL_INTERVIEW", r"final|executive|\bceo\b|最終|役員|社長"),
    ("INTERVIEW", r"interview|on-?site|\bphone\b|face to face|面接|面談"),
    ("TEST", r"assessment|\btest|take.?home|challenge|assignment|\bcoding\b|適性|試験|テスト|課題|筆記|spi"),
    ("SCREENING", r"review|screen|resume|résumé|書類|スクリーニング|選考中"),
    ("APPLIED", r"appl|応募|エントリー|受付"),
)
"""First match wins, furthest first: 「最終面接」is a final interview, and an accepted offer is more than an offer."""

SCREENING_CALL = re.compile(r"phone screen|screening call|preliminary", re.IGNORECASE)

ROUTES = (
    ("EMPLOYEE_REFERRAL", r"referral|リファラル|社員紹介|紹介制度"),
    ("AGENCY", r"agenc|recruiter firm|headhunt|エージェント|人材紹介|紹介会社"),
    ("SCHOOL", r"universit|campus|college|school|大学|学校|キャリアセンター|学内"),
    ("COMMUNITY", r"meetup|communit|association|joint|合同|コミュニティ|協会|商工会"),
    (
        "DIRECT",
        r"jobs page|website|careers? (page|site)|company (page|site)|direct|採用サイト|採用ページ|自社|直接|ホーム",
    ),
    (
        "MEDIA",
        r"linkedin|indeed|wantedly|\bgreen\b|bizreach|doda|rikunabi|mynavi|glassdoor|monster|job ?board|advert|"
        r"ビズリーチ|リクナビ|マイナビ|デューダ|エン転職|ハローワーク|求人|媒体|広告|スカウト",
    ),
)

_BY_WORD = {
    **{name.lower(): name for name in PREFECTURES},
    **{japanese: name for name, japanese in PREFECTURES.items()},
    **{japanese[:-1]: name for name, japanese in PREFECTURES.items() if name != "HOKKAIDO"},
}
_WORDS = re.compile("|".join([*PREFECTURES.values(), *(rf"\b{name}\b" for name in PREFECTURES)]), re.IGNORECASE)


def stage_of(name: str | None) -> str | None:
    """The stage (選考段階) that a company's own name for it means; None when it does not say."""
    if not name:
        return None
    plain = unicodedata.normalize("NFKC", name).lower()
    if SCREENING_CALL.search(plain):
        return "SCREENING"
    return next((stage for stage, words in STAGES if re.search(words, plain)), None)


def route_of(name: str | None) -> str:
    """The route (応募経路) that a source's name means; DIRECT when it does not say."""
    plain = unicodedata.normalize("NFKC", name or "").lower()
    return next((route for route, words in ROUTES if re.search(words, plain)), "DIRECT")


def prefecture_in(text: str | None) -> str | None:
    """The first prefecture (都道府県) that a text names, in Japanese or English."""
    found = _WORDS.search(unicodedata.normalize("NFKC", text or ""))
    return prefecture_named(found.group()) if found else None


def prefecture_named(word: str) -> str | None:
    """The prefecture that a word is: 東京都, 東京, Tokyo or TOKYO."""
    return _BY_WORD.get(unicodedata.normalize("NFKC", word).strip().lower())


def full_name(last: str | None, first: str | None) -> str | None:
    """Family name first where it is written in Japanese, last otherwise."""
    family_first = any("\u3040" <= letter <= "\u9fff" for letter in f"{last}{first}")
    parts = (last, first) if family_first else (first, last)
    return " ".join(part for part in parts if part) or None
