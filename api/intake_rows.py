"""Rows of a CSV file into facts: encodings, full-width digits, Japanese eras, and what is wrong, cell by cell."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from api.intake import YEARS, Applicant, ApplicationState, Credit, JobState, Told
from api.intake_words import full_name, prefecture_in, route_of, stage_of
from models import seal
from models.japan import midnight
from models.mailbox import plain_email
from models.selection import may_start

ENCODINGS = ("utf-8-sig", "cp932")
CELL_CHARACTERS_MAX = 2_000
ID_CHARACTERS_MAX = 100
TITLE_CHARACTERS_MAX = 200

COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "generic": {
        "application_id": ("application_id", "応募id", "応募番号"),
        "candidate_id": ("candidate_id", "候補者id", "候補者番号"),
        "name": ("name", "氏名", "名前"),
        "kana": ("kana", "フリガナ", "ふりがな", "カナ"),
        "email": ("email", "メールアドレス", "メール", "e-mail"),
        "phone": ("phone", "電話番号", "電話"),
        "prefecture": ("prefecture", "都道府県", "住所", "居住地"),
        "job_id": ("job_id", "求人id", "求人番号"),
        "job": ("job", "求人", "職種", "ポジション"),
        "route": ("route", "応募経路", "経路"),
        "stage": ("stage", "選考段階", "選考ステップ", "ステージ"),
        "received_on": ("received_on", "応募日", "応募受付日"),
        "status": ("status", "結果", "選考結果", "ステータス"),
        "decided_on": ("decided_on", "結果日", "決定日", "選考結果日"),
        "starts_on": ("starts_on", "入社日", "入社予定日"),
        "reason": ("reason", "不採用理由", "理由"),
        "referrer": ("referrer", "紹介者", "紹介者氏名"),
        "referrer_id": ("referrer_id", "紹介者社員番号", "社員番号"),
        "referrer_email": ("referrer_email", "紹介者メールアドレス"),
    },
    "greenhouse-export": {
        "application_id": ("application id", "application_id", "id"),
        "candidate_id": ("candidate id", "candidate_id", "person id"),
        "first_name": ("first name", "first_name", "candidate first name"),
        "last_name": ("last name", "last_name", "candidate last name"),
        "name": ("name", "candidate name", "candidate", "full_name"),
        "email": ("email", "email address", "email addresses", "candidate email"),
        "phone": ("phone", "phone number", "phone numbers"),
        "prefecture": ("address", "location", "addresses"),
        "job_id": ("job id", "job_id", "requisition id"),
        "job": ("job", "job name", "job title", "job_title", "job(s)"),
        "route": ("source", "source name", "sourced_from"),
        "stage": ("stage", "current stage", "stage name", "new_stage"),
        "received_on": ("application date", "applied on", "date applied", "applied_at", "applied at"),
        "status": ("status", "application status", "current_status"),
        "rejected_on": ("date rejected", "rejected on", "rejection date", "rejected_at", "rejected at"),
        "hired_on": ("date hired", "hired on", "hire date", "hired_at", "offer accepted on"),
        "starts_on": ("start date", "offer start date", "starts_at"),
        "reason": ("rejection reason", "rejection_reason"),
        "referrer": ("who gets credit", "referrer", "credited to", "referrer_name"),
    },
}
"""Of each format: our word, and the headings that mean it (width and case aside)."""

REQUIRED = {"generic": ("email", "received_on", "status"), "greenhouse-export": ("received_on", "status")}

STATUSES = {
    **dict.fromkeys(("active", "選考中", "進行中", "in process", "converted"), Told.ACTIVE),
    **dict.fromkeys(("rejected", "不採用", "お見送り", "見送り", "不合格"), Told.REJECTED),
    **dict.fromkeys(("hired", "採用", "入社", "内定承諾"), Told.HIRED),
    **dict.fromkeys(("withdrawn", "辞退", "選考辞退"), Told.WITHDRAWN),
}

ERAS = (
    (("令和", "令", "r"), date(2019, 5, 1), date(9999, 12, 31)),
    (("平成", "平", "h"), date(1989, 1, 8), date(2019, 4, 30)),
    (("昭和", "昭", "s"), date(1926, 12, 25), date(1989, 1, 7)),
)
"""Names, first and last day of each era (元号) that a file may use."""

_ERA_DAY = re.compile(
    r"(令和|平成|昭和|[令平昭rhs])\.?\s*(元|\d{1,2})\s*[年./-]\s*(\d{1,2})\s*[月./-]\s*(\d{1,2})\s*日?"
)
_DAY = re.compile(r"(\d{4})\s*[年./-]\s*(\d{1,2})\s*[月./-]\s*(\d{1,2})\s*日?(?:[ t]\d.*)?")
_PACKED_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})")
_AMERICAN_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})(?: .*)?")
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")


class Unreadable(Exception):  # noqa: N818  (what the file is)
    """The file as a whole cannot be read; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one cell; it never quotes the cell."""

    line: int
    column: str
    problem: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it stands in the file. `line` is its first line there, from 1."""

    line: int
    cells: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows, and where our words stand in them."""

    encoding: str
    delimiter: str
    form: str
    headings: list[str]
    places: Mapping[str, int]
    rows: list[Row]

    def heading(self, word: str) -> str:
        """What the file itself calls a word."""
        return self.headings[self.places[word]] if word in self.places else word


def read_table(data: bytes, form: str) -> Table:
    """The table in a file's bytes. Raises Unreadable when it is none, or lacks a required column."""
    encoding, text = _decode(data)
    first = text.partition("\n")[0]
    delimiter = max(",\t;", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    rows, line = list[Row](), 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append(Row(line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"line {line} is not CSV ({error}): check its quotation marks") from None
    if not rows:
        raise Unreadable("the file is empty: its first line names the columns")
    headings = rows[0].cells
    folded = [_plain(heading).lower() for heading in headings]
    places = {
        word: next(folded.index(name) for name in names if name in folded)
        for word, names in COLUMNS[form].items()
        if any(name in folded for name in names)
    }
    twice = sorted({headings[place].strip() for place in places.values() if folded.count(folded[place]) > 1})
    if twice:
        raise Unreadable(f"more than one column is named {', '.join(twice)}: name each once in the first line")
    missing = [word for word in REQUIRED[form] if word not in places]
    if missing:
        known = "; ".join(f"{word}: {', '.join(COLUMNS[form][word])}" for word in missing)
        raise Unreadable(f"a column is missing. Name one of these in the first line: {known}")
    return Table(encoding, delimiter, form, headings, places, rows[1:])


def read_row(
    table: Table, row: Row, now: datetime, as_of: datetime | None = None
) -> tuple[ApplicationState | None, list[Problem]]:
    """The application that a row tells of, as it stood at `as_of` (`now` when left out), or on the day of its decision
    if that is later; None, and why, when it cannot be read."""
    reader = _Cells(table, row, now, as_of or now)
    told = reader.application()
    return (None if reader.problems else told), reader.problems


def read_day(text: str) -> date | None:
    """A day, in the Western calendar or an era: 2026-04-01, 2026年4月1日, 20260401, 令和8年4月1日, R8.4.1, H31/4/30."""
    plain = _plain(text).lower()
    if found := _ERA_DAY.fullmatch(plain):
        era, year, month, day = found.groups()
        first, last = next((first, last) for names, first, last in ERAS if era in names)
        made = _day(first.year + (1 if year == "元" else int(year)) - 1, int(month), int(day))
        return made if made and first <= made <= last else None
    for form, order in ((_DAY, (1, 2, 3)), (_PACKED_DAY, (1, 2, 3)), (_AMERICAN_DAY, (3, 1, 2))):
        if found := form.fullmatch(plain):
            return _day(*(int(found[place]) for place in order))
    return None


class _Cells:
    """The cells of one row by our words, and what was wrong with them."""

    def __init__(self, table: Table, row: Row, now: datetime, as_of: datetime) -> None:
        self._table, self._row, self._now, self._as_of = table, row, now, as_of
        self.problems: list[Problem] = []

    def application(self) -> ApplicationState:
        if any(cell.strip() for cell in self._row.cells[len(self._table.headings) :]):
            told = "has more cells than the first line names columns: put a cell with a comma in quotation marks"
            self.problems.append(Problem(self._row.line, "", told))
        status = self._status()
        received_at = self._instant("received_on") or self._now
        decided_at = self._decided(status)
        starts_on = self._day("starts_on", required=status is Told.HIRED and self._table.form == "generic")
        email, title = self._email(), self._text("job")
        if starts_on and decided_at and status is Told.HIRED and not may_start(starts_on, decided_at):
            self._wrong("starts_on", "is more than two years from the decision")
        if decided_at and decided_at < received_at:
            self._wrong(self._decision_word(status), "is before the application was received")
        external_id = self._id("application_id") or self._made_id(email, title, received_at)
        credit = self._credit()
        return ApplicationState(
            external_id=external_id,
            applicant=Applicant(
                external_id=self._id("candidate_id") or f"row {external_id}",
                name=self._text("name") or full_name(self._text("last_name"), self._text("first_name")),
                kana=self._text("kana"),
                email=email,
                phone=(self._text("phone") or "")[:50] or None,
                prefecture=prefecture_in(self._text("prefecture")),
            ),
            status=status,
            as_of=max(self._as_of, decided_at or received_at),
            received_at=received_at,
            job=self._job(title),
            stage=stage_of(self._text("stage")),
            decided_at=decided_at,
            starts_on=starts_on,
            reason=self._text("reason"),
            route="EMPLOYEE_REFERRAL" if credit else route_of(self._text("route")),
            credit=credit,
        )

    def _text(self, word: str) -> str | None:
        place = self._table.places.get(word)
        if place is None or place >= len(self._row.cells):
            return None
        text = _plain(self._row.cells[place])
        if len(text) > CELL_CHARACTERS_MAX:
            self._wrong(word, f"has more than {CELL_CHARACTERS_MAX} characters")
        return text[:CELL_CHARACTERS_MAX] or None

    def _wrong(self, word: str, problem: str) -> None:
        self.problems.append(Problem(self._row.line, self._table.heading(word), problem))

    def _status(self) -> Told:
        text = self._text("status")
        found = STATUSES.get((text or "").lower())
        if found is None:
            self._wrong("status", "is not a status: use 選考中 active, 不採用 rejected, 採用 hired or 辞退 withdrawn")
        return found or Told.ACTIVE

    def _decision_word(self, status: Told) -> str:
        if self._table.form == "generic":
            return "decided_on"
        return "hired_on" if status is Told.HIRED else "rejected_on"

    def _decided(self, status: Told) -> datetime | None:
        if status is Told.ACTIVE:
            return None
        return self._instant(self._decision_word(status))

    def _day(self, word: str, *, required: bool = False) -> date | None:
        text = self._text(word)
        if text is None:
            if required:
                self._wrong(word, "is missing")
            return None
        found = read_day(text)
        if found is None:
            self._wrong(word, "is not a day: write 2026-04-01, 2026年4月1日, 令和8年4月1日 or R8.4.1")
        return found

    def _instant(self, word: str) -> datetime | None:
        """The first moment in Japan of a day on which something happened."""
        found = self._day(word, required=True)
        if found is None:
            return None
        instant = midnight(found)
        if instant > self._now:
            self._wrong(word, "lies in the future")
        return instant

    def _email(self) -> str | None:
        text = self._text("email")
        if text is None:
            return None
        found = _EMAIL.search(text)
        address = plain_email(found[0]) if found else None
        if address is None:
            self._wrong("email", "is not an e-mail address")
        return address

    def _id(self, word: str) -> str | None:
        text = self._text(word)
        if text and len(text) > ID_CHARACTERS_MAX:
            self._wrong(word, f"has more than {ID_CHARACTERS_MAX} characters")
        return text

    def _made_id(self, email: str | None, title: str | None, received_at: datetime) -> str:
        """A file without ids: the same person, job and day are the same application."""
        if email is None:
            self._wrong("application_id", "is missing, and without an e-mail address nothing else tells rows apart")
        value = f"{seal.fold_email(email or '')}\0{title or ''}\0{received_at.isoformat()}"
        return f"row {seal.blind_index('csv', value).hex()[:32]}"

    def _job(self, title: str | None) -> JobState | None:
        job_id = self._id("job_id") or (f"title {title}"[:ID_CHARACTERS_MAX] if title else None)
        if job_id is None:
            return None
        return JobState(job_id, (title or job_id)[:TITLE_CHARACTERS_MAX], mention=True)

    def _credit(self) -> Credit | None:
        name, number, email = self._text("referrer"), self._text("referrer_id"), self._text("referrer_email")
        return Credit(name, None, number, email) if name or number or email else None


def bad_rows(table: Table, bad: list[Row]) -> bytes:
    """These rows as a file of the same form, to be mended and imported again."""
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=table.delimiter)
    writer.writerow(table.headings)
    writer.writerows(row.cells for row in bad)
    return written.getvalue().encode(table.encoding)


def canonical(table: Table, row: Row) -> bytes:
    """A row by its content, whatever the order of its columns and the width of its digits."""
    there = [(word, place) for word, place in sorted(table.places.items()) if place < len(row.cells)]
    return "\n".join([table.form, *(f"{word}={_plain(row.cells[place])}" for word, place in there)]).encode()


def _decode(data: bytes) -> tuple[str, str]:
    for encoding in ENCODINGS:
        try:
            return encoding, data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable("the file is neither UTF-8 nor Shift_JIS (CP932): save it as one of the two")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("\0", "").strip()


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if year in YEARS else None
    except ValueError:
        return None
