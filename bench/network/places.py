"""Where people live and partners sit: prefectures by population, in the clusters within which people look for work."""

from __future__ import annotations

# Region: prefecture and its people in ten thousands (the 2020 census, rounded), in the order of JIS X 0401.
REGIONS: dict[str, dict[str, int]] = {
    "HOKKAIDO": {"HOKKAIDO": 522},
    "TOHOKU": {"AOMORI": 124, "IWATE": 121, "MIYAGI": 230, "AKITA": 96, "YAMAGATA": 107, "FUKUSHIMA": 183},
    "KANTO": {
        "IBARAKI": 287,
        "TOCHIGI": 193,
        "GUNMA": 194,
        "SAITAMA": 734,
        "CHIBA": 628,
        "TOKYO": 1405,
        "KANAGAWA": 924,
    },
    "CHUBU": {
        "NIIGATA": 220,
        "TOYAMA": 103,
        "ISHIKAWA": 113,
        "FUKUI": 77,
        "YAMANASHI": 81,
        "NAGANO": 205,
        "GIFU": 198,
        "SHIZUOKA": 363,
        "AICHI": 754,
    },
    "KINKI": {"MIE": 177, "SHIGA": 141, "KYOTO": 258, "OSAKA": 884, "HYOGO": 547, "NARA": 132, "WAKAYAMA": 92},
    "CHUGOKU": {"TOTTORI": 55, "SHIMANE": 67, "OKAYAMA": 189, "HIROSHIMA": 280, "YAMAGUCHI": 134},
    "SHIKOKU": {"TOKUSHIMA": 72, "KAGAWA": 95, "EHIME": 133, "KOCHI": 69},
    "KYUSHU": {
        "FUKUOKA": 514,
        "SAGA": 81,
        "NAGASAKI": 131,
        "KUMAMOTO": 174,
        "OITA": 112,
        "MIYAZAKI": 107,
        "KAGOSHIMA": 159,
        "OKINAWA": 147,
    },
}
PREFECTURES = [name for prefectures in REGIONS.values() for name in prefectures]
PEOPLE = [people for prefectures in REGIONS.values() for people in prefectures.values()]
REGION_OF = {name: region for region, prefectures in REGIONS.items() for name in prefectures}
