"""What public registers print (法人番号, 学校コード, 許可番号, 都道府県), and whether it can be true."""

import re
import unicodedata
from dataclasses import dataclass

import jaconv

LICENSE_KINDS = {"ユ": "PAID", "ム": "FREE"}

# JIS X 0401 order: the place in this list, from 1, is the prefecture's code.
PREFECTURES = dict(
    re.findall(
        r"([A-Z]+)([^A-Z\s]+)",
        """
        HOKKAIDO北海道 AOMORI青森県 IWATE岩手県 MIYAGI宮城県 AKITA秋田県 YAMAGATA山形県 FUKUSHIMA福島県 IBARAKI茨城県
        TOCHIGI栃木県 GUNMA群馬県 SAITAMA埼玉県 CHIBA千葉県 TOKYO東京都 KANAGAWA神奈川県 NIIGATA新潟県 TOYAMA富山県
        ISHIKAWA石川県 FUKUI福井県 YAMANASHI山梨県 NAGANO長野県 GIFU岐阜県 SHIZUOKA静岡県 AICHI愛知県 MIE三重県
        SHIGA滋賀県 KYOTO京都府 OSAKA大阪府 HYOGO兵庫県 NARA奈良県 WAKAYAMA和歌山県 TOTTORI鳥取県 SHIMANE島根県
        OKAYAMA岡山県 HIROSHIMA広島県 YAMAGUCHI山口県 TOKUSHIMA徳島県 KAGAWA香川県 EHIME愛媛県 KOCHI高知県
        FUKUOKA福岡県 SAGA佐賀県 NAGASAKI長崎県 KUMAMOTO熊本県 OITA大分県 MIYAZAKI宮崎県 KAGOSHIMA鹿児島県
        OKINAWA沖縄県
        """,
    )
)


@dataclass(frozen=True, slots=True)
class License:
    """A placement licence number (許可番号), read: the issuing prefecture's JIS code, and PAID or FREE."""

    number: str
    prefecture_code: int
    kind: str


def plain(text: str) -> str:
    """What people type for a number (full width, typographic hyphens, blanks), as registers print it."""
    return re.sub(r"[‐‑‒–—―−ー]", "-", unicodedata.normalize("NFKC", text)).replace(" ", "").upper()


def fold_name(name: str) -> str:
    """A name as it is ordered and searched: NFKC, katakana as hiragana, lower case."""
    return jaconv.kata2hira(unicodedata.normalize("NFKC", name)).strip().lower()


def corporate_number_ok(number: str) -> bool:
    """Whether 13 digits are a corporate number (法人番号): the first is the check digit of the other twelve.

    9 − (Σ digit × weight mod 9), weights 1, 2, 1, 2 … from the right (法人番号の指定等に関する省令).
    """
    if not re.fullmatch(r"[1-9][0-9]{12}", number):
        return False
    weighed = sum(int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number[1:])))
    return int(number[0]) == 9 - weighed % 9


def school_code_ok(code: str) -> bool:
    """Whether 13 characters are a school code (学校コード): the last is the check digit of the other twelve.

    The letter counts by its place in the alphabet; every second character from the first is doubled and its digits
    are added; all together are a multiple of ten. Derived from codes that the ministry publishes, and checked on them.
    """
    if not re.fullmatch(r"[A-Z][0-9]{12}", code):
        return False
    values = [ord(code[0]) - ord("A") + 1, *map(int, code[1:])]
    doubled = [sum(divmod(value * 2, 10)) for value in values[:12:2]]
    return (sum(doubled) + sum(values[1:12:2]) + values[12]) % 10 == 0


def license_number_parts(number: str) -> License | None:
    """What a licence number says; None when it is none (`NN-ユ-NNNNNN` for a fee, `NN-ム-NNNNNN` free of charge)."""
    read = re.fullmatch(r"([0-9]{2})-([ユム])-[0-9]{6}", number)
    if read is None or not 1 <= int(read[1]) <= len(PREFECTURES):
        return None
    return License(number, int(read[1]), LICENSE_KINDS[read[2]])
