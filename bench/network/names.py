"""Names that sound Japanese and belong to nobody: poetic stems where real ones have founders and places."""

from __future__ import annotations

# Reading in Latin letters (for slugs), and the name.
STEMS = (
    ("komorebi", "こもれび"), ("tsukiusagi", "月うさぎ"), ("kazaguruma", "風ぐるま"), ("hoshizora", "星ぞら"),
    ("soramame", "そらまめ"), ("yukidoke", "雪どけ"), ("asagiri", "朝霧の"), ("niji", "虹いろ"),
    ("shiosai", "潮さい"), ("kohaku", "琥珀の"), ("hinata", "ひなた"), ("minamo", "みなも"),
    ("furin", "風鈴"), ("hotaru", "ほたる"), ("komachi", "小町草"), ("tanpopo", "たんぽぽ"),
    ("wakaba", "わかばの"), ("suzume", "すずめ"), ("yamabiko", "やまびこ"), ("akatsuki", "あかつき"),
    ("mikazuki", "三日月"), ("hanaikada", "花いかだ"), ("kumo", "雲のうえ"), ("izumi", "いずみの"),
    ("tsubame", "つばめ"), ("kitsune", "きつねび"), ("momiji", "もみじ"), ("fukurou", "ふくろう"),
    ("amagumo", "あまぐも"), ("kagerou", "かげろう"), ("sazanami", "さざなみ"), ("hidamari", "ひだまり"),
    ("konayuki", "こなゆき"), ("yuunagi", "夕なぎ"), ("harukaze", "はるかぜ"), ("aozora", "あおぞらの"),
    ("tsurara", "つらら"), ("mizukagami", "水鏡"), ("kogane", "こがねの"), ("nanohana", "菜の花"),
)  # fmt: skip
INDUSTRIES = (
    ("seisakusho", "製作所"), ("software", "ソフトウェア"), ("shokuhin", "食品"), ("butsuryu", "物流"),
    ("iryo", "医療サービス"), ("kensetsu", "建設"), ("denki", "電機"), ("kagaku", "化学工業"),
    ("kanko", "観光"), ("seimitsu", "精密"), ("noen", "農園"), ("shuppan", "出版"),
    ("shoji", "商事"), ("energy", "エネルギー"), ("design", "デザイン"), ("kyoiku", "教育"),
    ("kaigo", "介護"), ("kinzoku", "金属"), ("system", "システム"), ("hoken", "保険サービス"),
    ("jidosha", "自動車部品"), ("hoteru", "ホテル"), ("seiyaku", "製薬"), ("kaiun", "海運"),
    ("mokuzai", "木材"), ("bunseki", "データ分析"), ("sekkei", "設計事務所"), ("tsushin", "通信"),
    ("kikai", "機械"), ("seishi", "製紙"),
)  # fmt: skip
BRANCHES = (("", ""), ("shin", "新"), ("higashi", "東"), ("nishi", "西"), ("minami", "南"), ("kita", "北"))
AGENCY_WORDS = (
    ("career", "キャリア"), ("jinzai", "人材紹介"), ("shigoto", "しごとセンター"), ("partners", "パートナーズ"),
    ("bridge", "ブリッジ"), ("agent", "エージェント"),
)  # fmt: skip
SCHOOL_WORDS = {
    "UNIVERSITY": ("daigaku", "大学"),
    "JUNIOR_COLLEGE": ("tandai", "短期大学"),
    "TECHNICAL_COLLEGE": ("kosen", "工業高等専門学校"),
    "VOCATIONAL": ("senmon", "専門学校"),
    "HIGH_SCHOOL": ("koko", "高等学校"),
}
COMMUNITY_WORDS = {
    "REGIONAL": (("machi", "まちづくり協議会"), ("chiiki", "地域しごと会議")),
    "INDUSTRY": (("kyokai", "産業協会"), ("rengo", "業界連合会")),
}
SURNAMES = (
    ("ほしぞら", "星空", "hoshizora"), ("つきかげ", "月影", "tsukikage"), ("かざはや", "風早", "kazahaya"),
    ("ゆきむら", "雪村", "yukimura"), ("はなぞの", "花園", "hanazono"), ("あまの", "天野原", "amano"),
    ("しらなみ", "白波", "shiranami"), ("あおば", "青葉山", "aoba"), ("ことぶき", "寿", "kotobuki"),
    ("すずかぜ", "涼風", "suzukaze"), ("たからぶね", "宝船", "takarabune"), ("ひいらぎ", "柊木", "hiiragi"),
    ("みやび", "雅", "miyabi"), ("なないろ", "七色", "nanairo"), ("わたぐも", "綿雲", "watagumo"),
    ("いしずえ", "礎", "ishizue"), ("うみの", "海野辺", "umino"), ("かがりび", "篝火", "kagaribi"),
    ("こはるび", "小春日", "koharubi"), ("まつかぜ", "松風", "matsukaze"),
)  # fmt: skip
GIVEN_NAMES = (
    ("はるか", "遥", "haruka"), ("みつき", "光希", "mitsuki"), ("そうた", "颯太", "sota"), ("ゆい", "結衣", "yui"),
    ("だいち", "大地", "daichi"), ("さくら", "さくら", "sakura"), ("れん", "蓮", "ren"), ("あおい", "葵", "aoi"),
    ("いつき", "樹", "itsuki"), ("ひまり", "陽葵", "himari"), ("かいと", "海斗", "kaito"), ("まい", "舞", "mai"),
    ("しおり", "栞", "shiori"), ("たくみ", "匠", "takumi"), ("なぎさ", "渚", "nagisa"), ("りく", "陸", "riku"),
    ("つむぎ", "紬", "tsumugi"), ("ゆうと", "悠斗", "yuto"), ("ことは", "琴葉", "kotoha"), ("あさひ", "旭", "asahi"),
)  # fmt: skip
JOB_TITLES = (
    "バックエンドエンジニア", "フロントエンドエンジニア", "法人営業", "生産技術", "品質保証", "人事企画", "経理",
    "店舗運営", "看護師", "施工管理", "機械設計", "データアナリスト", "カスタマーサクセス", "研究開発", "物流企画",
    "総合職（新卒）",
)  # fmt: skip
REQUIREMENTS = (
    "実務経験2年以上。学び続ける姿勢を重視します。",
    "職種未経験可。入社後3か月の研修があります。",
    "チームでの開発経験。英語の読み書きができれば尚可。",
    "普通自動車免許。地域に根ざして長く働ける方。",
)
CHALLENGES = (
    "地方拠点での母集団が足りない",
    "最終面接で惜しくも見送る方が多く、ご縁をつなぎたい",
    "入社後180日の定着を上げたい",
    "採用単価を下げたい",
)
RECOMMENDATIONS = (
    "前職で3年間ともに働き、粘り強さと周りへの気配りに何度も助けられました。",
    "卒業研究での着実な取り組みを間近で見てきました。自信をもって推薦します。",
    "選考は見送りとなりましたが、人柄と基礎力は確かです。貴社の求める姿に近いと考えます。",
    "面談の結果、貴社の課題に経験がよく合うと判断しました。",
)


Word = tuple[str, str]


def company(number: int) -> Word:
    """Slug and name of the company with this number; no two are equal."""
    return _named(number, INDUSTRIES, ending="株式会社")


def agency(number: int) -> Word:
    return _named(number, AGENCY_WORDS)


def school(number: int, level: str) -> Word:
    return _named(number, (SCHOOL_WORDS[level],))


def community(number: int, focus: str) -> Word:
    return _named(number, COMMUNITY_WORDS[focus])


def person(number: int) -> tuple[str, str, str]:
    """Name, kana, and what stands before the @ of the address; no two numbers have the same address."""
    surname, family, family_slug = SURNAMES[number % len(SURNAMES)]
    reading, given, given_slug = GIVEN_NAMES[number // len(SURNAMES) * 7 % len(GIVEN_NAMES)]
    return f"{family} {given}", f"{surname} {reading}", f"{given_slug}.{family_slug}.{number}"


def _named(number: int, kinds: tuple[Word, ...], ending: str = "") -> Word:
    number, stem = divmod(number, len(STEMS))
    number, kind = divmod(number + stem, len(kinds))  # + stem: neighbours in number are of different kinds
    round_, branch = divmod(number, len(BRANCHES))
    parts = (BRANCHES[branch], STEMS[stem], kinds[kind])
    slug = "-".join(part[0] for part in parts if part[0])
    name = "".join(part[1] for part in parts) + ending
    return (f"{slug}-{round_ + 1}", f"{name}（第{round_ + 1}）") if round_ else (slug, name)
