"""`./kyoso import`: files as companies really have them, row by row, once."""

import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from api.cli.imports import ROWS_AT_ONCE
from api.intake_rows import Unreadable, read_day, read_row, read_table
from models import outcome
from models.japan import JAPAN
from models.outbox import Said
from tests import builders
from tests.deadlock import undone_once
from tests.edge import Edge, edge, fixture

__all__ = ["edge"]

ROOT = Path(__file__).parent.parent
HEAD = "応募ID,氏名,メールアドレス,電話番号,都道府県,求人,応募経路,選考段階,応募日,結果,結果日,入社日,不採用理由,紹介者"
GOOD = [
    "１００１,架空 花子,hanako@example.com,０９０-５５５５-０１０１,東京都,営業,リクナビ,一次面接,"
    "令和8年4月1日,不採用,R8.4.20,,経験不足,",
    "1002,架空 太郎,taro@example.com,,大阪府,営業,,最終面接,2026/4/2,採用,2026年5月1日,令和8年7月1日,,佐藤 花子",
    "1003,ｶｸｳ ｼﾞﾛｳ,jiro@example.com,,,開発,エージェント,書類選考,20260403,選考中,,,,",
    "1004,架空 三郎,saburo@example.com,,,開発,,,2026-04-04,辞退,2026-04-10,,,",
]
BAD = [
    "1005,架空 四郎,shiro@example,,,営業,,,2026-04-05,選考中,,,,",
    "1006,架空 五郎,goro@example.com,,,営業,,,H31/5/1,不採用,,,,",
    "1007,架空 六郎,rokuro@example.com,,,営業,,,2026-04-05,採用,2026-04-01,2026-07-01,,",
    "1008,架空 七郎,shichiro@example.com,,,営業,,,2026-02-30,保留,,,,",
]


async def company(edge: Edge) -> tuple[UUID, str]:
    async with edge.work() as connection:
        company_id = await builders.company(connection)
    return company_id, await edge.value("select slug from partner where id = $1", company_id)


@dataclass(frozen=True)
class Answer:
    """What the command said, and its exit status."""

    status: int
    out: str
    err: str


Run = Callable[..., Awaitable[Answer]]


INTEGRATION = "select id from ats_integration where system = 'GREENHOUSE'"


@pytest.fixture
def environment(edge: Edge) -> dict[str, str]:
    """The shell's, of an installation on this test's database."""
    return {
        **os.environ,
        "KYOSO_DATABASE_URL": edge.settings.database_url,
        "KYOSO_ISSUER": "http://127.0.0.1:8000",
        "KYOSO_MASTER_KEY": b64encode(builders.MASTER_KEY).decode(),
    }


async def shell(*words: str, environment: dict[str, str]) -> Answer:
    """Runs `./kyoso` with these words, as a shell does."""
    command = [sys.executable, "-m", "api", *words]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd=ROOT, env=environment)
    out, err = await process.communicate()
    return Answer(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs `./kyoso import` on a file with these bytes."""

    async def run(data: bytes, *arguments: str, as_of: datetime | None = None) -> Answer:
        file = tmp_path / "applications.csv"
        file.write_bytes(data)
        if as_of:
            os.utime(file, (as_of.timestamp(),) * 2)
        return await shell("import", str(file), *arguments, environment=environment)

    return run


STATE = """
select a.external_id, a.status, a.stage, a.route, a.received_at, a.decided_at, j.title, h.starts_on,
  p.legal_name as referrer
from application a join job j on j.id = a.job_id left join hire h on h.id = a.hire_id
left join referral r on r.id = a.referral_id left join partner p on p.id = r.referrer_id order by a.external_id
"""


def midnight(year: int, month: int, day: int) -> datetime:
    """The first moment of a day in Japan."""
    return datetime(year, month, day, tzinfo=JAPAN).astimezone(UTC)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
async def test_good_rows_go_in_whatever_the_encoding(edge: Edge, run: Run, encoding: str) -> None:
    company_id, slug = await company(edge)
    answer = await run("\r\n".join([HEAD, *GOOD]).encode(encoding), "--partner", slug)
    assert (answer.status, answer.out) == (0, "4 rows: 4 imported, 0 unchanged, 0 bad\n"), answer.err
    rows = await edge.rows(STATE)
    assert [(row["external_id"], row["status"], row["stage"], row["route"]) for row in rows] == [
        ("1001", "REJECTED", "INTERVIEW", "MEDIA"),
        ("1002", "HIRED", "OFFER_ACCEPTED", "EMPLOYEE_REFERRAL"),
        ("1003", "ACTIVE", "SCREENING", "AGENCY"),
        ("1004", "WITHDRAWN", "APPLIED", "DIRECT"),
    ]
    assert [row["received_at"] for row in rows] == [midnight(2026, 4, day) for day in (1, 2, 3, 4)]
    assert [row["decided_at"] for row in rows] == [
        midnight(2026, 4, 20), midnight(2026, 5, 1), None, midnight(2026, 4, 10),
    ]  # fmt: skip
    assert (rows[1]["starts_on"], rows[1]["referrer"]) == (date(2026, 7, 1), "佐藤 花子")
    items = sorted(await edge.items(company_id), key=lambda each: each["EMAIL"])
    assert items[0] == {
        "NAME": "架空 花子",
        "EMAIL": "hanako@example.com",
        "PHONE": "090-5555-0101",
        "PREFECTURE": "TOKYO",
    }
    assert items[1]["NAME"] == "カクウ ジロウ"
    assert await edge.value("select count(*) from outcome_event where source <> 'IMPORT'") == 0


async def test_importing_again_changes_nothing_also_from_another_program(edge: Edge, run: Run) -> None:
    _, slug = await company(edge)
    await run("\n".join([HEAD, *GOOD]).encode(), "--partner", slug)
    before = await edge.everything()
    for data in ("\n".join([HEAD, *GOOD]).encode("cp932"), "\r\n".join([HEAD, *reversed(GOOD), ""]).encode()):
        answer = await run(data, "--partner", slug)
        assert answer.out == "4 rows: 0 imported, 4 unchanged, 0 bad\n"
    after = await edge.everything()
    del before["ats_integration"], after["ats_integration"]  # its unused secret is made anew
    assert after == before


async def test_bad_rows_are_named_by_line_and_column_and_can_be_mended(edge: Edge, run: Run, tmp_path: Path) -> None:
    _, slug = await company(edge)
    data = "\n".join([HEAD, GOOD[0], *BAD, GOOD[2]]).encode("cp932")
    answer = await run(data, "--partner", slug, "--json")
    report = json.loads(answer.out)
    assert answer.status == 1
    assert {key: report[key] for key in ("rows", "imported", "unchanged", "bad")} == {
        "rows": 6,
        "imported": 2,
        "unchanged": 0,
        "bad": 4,
    }
    day = "is not a day: write 2026-04-01, 2026年4月1日, 令和8年4月1日 or R8.4.1"
    assert [tuple(each.values()) for each in report["problems"]] == [
        (3, "メールアドレス", "is not an e-mail address"),
        (4, "応募日", day),
        (4, "結果日", "is missing"),
        (5, "結果日", "is before the application was received"),
        (6, "結果", "is not a status: use 選考中 active, 不採用 rejected, 採用 hired or 辞退 withdrawn"),
        (6, "応募日", day),
    ]
    assert "架空" not in answer.out + answer.err
    bad = tmp_path / "applications.bad.csv"
    assert bad.read_bytes().decode("cp932").splitlines() == [HEAD, *BAD]
    mended = bad.read_bytes().decode("cp932").replace("shiro@example,", "shiro@example.com,")
    again = json.loads((await run(mended.encode("cp932"), "--partner", slug, "--json")).out)
    assert (again["imported"], again["bad"]) == (1, 3)


async def test_bad_rows_are_written_over_no_file(edge: Edge, run: Run, tmp_path: Path) -> None:
    """Somebody may have mended the ones of last time."""
    _, slug = await company(edge)
    data = "\n".join([HEAD, BAD[0]]).encode()
    for name in ("applications.bad.csv", "applications.bad-2.csv", "applications.bad-3.csv"):
        answer = await run(data, "--partner", slug)
        assert (answer.status, answer.out.splitlines()[-1]) == (1, f"mend and import again: {tmp_path / name}")
        (tmp_path / name).write_text("mended")
    assert (tmp_path / "applications.bad.csv").read_text() == "mended"


def test_a_row_with_more_cells_than_headings_is_refused() -> None:
    rows = ["架空 花子,hanako@example.com,2026-04-01,選考中", "架空 太郎,taro@example.com,2026-04-01,選考中,,"]
    rows += ["架空 三郎,saburo@example.com,2026-04-01,選考中,営業"]
    table = read_table("\n".join(["氏名,メール,応募日,結果", *rows]).encode(), "generic")
    wrong = [[astuple(each) for each in read_row(table, row, datetime.now(UTC))[1]] for row in table.rows]
    told = "has more cells than the first line names columns: put a cell with a comma in quotation marks"
    assert wrong == [[], [], [(4, "", told)]]


def test_two_columns_of_one_name_are_refused() -> None:
    with pytest.raises(Unreadable, match=r"^more than one column is named 応募日: name each once in the first line$"):
        read_table("氏名,メール,応募日,結果,応募日\n".encode(), "generic")
    read_table("氏名,メール,応募日,結果,,,備考,備考\n".encode(), "generic")  # what nobody reads may have any name


async def test_where_bad_rows_cannot_be_written_it_says_so_and_good_ones_are_in(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    _, slug = await company(edge)
    file = tmp_path / f"{'a' * 250}.csv"  # four characters more, and no file system takes its name
    refused = GOOD[1].replace("1002", "1009").replace(GOOD[1].split(",")[1], "\u200b")
    file.write_text("\n".join([HEAD, GOOD[0], refused, GOOD[2], BAD[0]]), encoding="utf-8")
    answer = await shell("import", str(file), "--partner", slug, environment=environment)
    assert answer.status == 1
    kept = f"{tmp_path}/{'a' * 250}.bad.csv"
    assert (
        f"cannot write {kept} (File name too long): import a copy that lies where you may write"
        in answer.err.splitlines()
    )
    assert "line 3 INVALID: An item of personal data" in answer.err  # and undoes nobody else's of its transaction
    assert "4 rows: 2 imported, 0 unchanged, 2 bad" in answer.out + answer.err
    assert [row["external_id"] for row in await edge.rows(STATE)] == ["1001", "1003"]


def line(number: int, email: str, told: str = "選考中,,,,佐藤 花子", name: str = "架空 花子") -> str:
    """One line of an application that was received on 1 April."""
    return f"{number},{name},{email},,,営業,,,2026-04-01,{told}"


async def test_a_line_that_is_refused_keeps_none_of_the_others_out(edge: Edge, run: Run, tmp_path: Path) -> None:
    """Lines are taken together: what is wrong with one is found by halves, and told again changes nothing."""
    _, slug = await company(edge)
    lines = [line(number, f"{number}@example.jp") for number in range(30)]
    lines[13] = line(13, "13@example.jp", name="\u200b")
    lines += [line(3, "3@example.jp", "不採用,2026-04-20,,経験不足,"), lines[7]]
    data = "\n".join([HEAD, *lines]).encode()
    answer = await run(data, "--partner", slug)
    assert (answer.status, answer.out.splitlines()[0]) == (1, "32 rows: 30 imported, 1 unchanged, 1 bad")
    assert (tmp_path / "applications.bad.csv").read_text("utf-8-sig").splitlines() == [HEAD, lines[13]]
    found = await edge.rows("select external_id, status from application order by external_id::int")
    assert [(row["external_id"], row["status"]) for row in found] == [
        (str(number), "REJECTED" if number == 3 else "ACTIVE") for number in range(30) if number != 13
    ]
    assert await edge.value("select count(*) from partner where kind = 'REFERRER'") == 1
    assert await edge.value("select count(*) from referral where status = 'IN_SELECTION'") == 28
    assert await edge.value("select count(*) from ats_delivery where person_id is not null") == 30
    before = await edge.everything()
    assert "0 imported, 31 unchanged, 1 bad" in (await run(data, "--partner", slug)).out
    after = await edge.everything()
    del before["ats_integration"], after["ats_integration"]  # its unused secret is made anew
    assert after == before


async def test_an_import_that_is_stopped_has_taken_in_whole_transactions(
    edge: Edge, environment: dict[str, str], tmp_path: Path
) -> None:
    _, slug = await company(edge)
    file = tmp_path / "applications.csv"
    file.write_text("\n".join([HEAD, *(line(number, f"{number}@example.jp") for number in range(4_000))]))
    command = [sys.executable, "-m", "api", "import", str(file), "--partner", slug]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, cwd=ROOT, env=environment)
    while not await edge.value("select exists (select from application)"):
        assert process.returncode is None
    process.send_signal(signal.SIGINT)
    await process.communicate()
    assert process.returncode != 0
    applications = await edge.value("select count(*) from application")
    assert 0 < applications < 4_000
    assert applications % ROWS_AT_ONCE == 0
    for table in ("person", "ats_delivery", "ats_application", "ats_candidate", "referral"):
        assert await edge.value(f"select count(*) from {table}") == applications


async def test_a_row_that_changed_is_brought_up_to_date(edge: Edge, run: Run) -> None:
    _, slug = await company(edge)
    await run("\n".join([HEAD, GOOD[2]]).encode(), "--partner", slug)
    told = GOOD[2].replace("選考中,", "不採用,2026-04-30").replace("書類選考", "一次面接")
    assert "1 imported" in (await run("\n".join([HEAD, told]).encode(), "--partner", slug)).out
    (row,) = await edge.rows(STATE)
    assert (row["status"], row["stage"], row["decided_at"]) == ("REJECTED", "INTERVIEW", midnight(2026, 4, 30))


async def test_rows_that_met_another_the_wrong_way_are_taken_in_again(edge: Edge, run: Run) -> None:
    _, slug = await company(edge)
    importing = run("\n".join([HEAD, GOOD[2]]).encode(), "--partner", slug)
    done = await undone_once(edge.settings.database_url, "application", "outcome_event", importing)
    assert (done.status, "1 imported" in done.out) == (0, True)
    assert len(await edge.rows(STATE)) == 1


async def test_nobody_who_guesses_a_row_can_tell_that_it_was_imported(edge: Edge, run: Run) -> None:
    """Its id is a hash with a key: that of a guessed row is another's, also at another company."""
    company_id, slug = await company(edge)
    other_id, others = await company(edge)
    data = "メールアドレス,応募日,結果,結果日\nhanako@example.com,2026-04-01,不採用,2026-04-20\n".encode()
    for each in (slug, others):
        assert "1 imported" in (await run(data, "--partner", each)).out
    guess = "generic\ndecided_on=2026-04-20\nemail=hanako@example.com\nreceived_on=2026-04-01\nstatus=不採用".encode()
    ids = [
        {
            row["id"]
            for row in await edge.rows(
                "select distinct source_event_id as id from outcome_event where company_id = $1", of
            )
        }
        for of in (company_id, other_id)
    ]
    assert [len(each) for each in ids] == [1, 1]
    assert len({hashlib.sha256(guess).hexdigest(), *ids[0], *ids[1]}) == 3
    assert await edge.value("select count(*) from ats_delivery where event_id = any($1)", [*ids[0], *ids[1]]) == 2


async def test_ids_of_before_are_made_unreadable_and_their_rows_change_nothing(edge: Edge, run: Run) -> None:
    """Its events and its delivery keep one id. Come again, a row is new by its id, but not by what it tells."""
    _, slug = await company(edge)
    data = "\n".join([HEAD, *GOOD]).encode()
    await run(data, "--partner", slug)
    told = "select id, source_event_id from outcome_event where source_event_id = any($1) order by id"
    hashes = [hashlib.sha256(row.encode()).hexdigest() for row in GOOD]
    ids = await edge.rows("select event_id from ats_delivery order by id")
    for new, old in zip(hashes, ids, strict=True):
        await edge.owner.execute(
            "update outcome_event set source_event_id = $1 where source_event_id = $2", new, old["event_id"]
        )
        await edge.owner.execute("update ats_delivery set event_id = $1 where event_id = $2", new, old["event_id"])
    before = await edge.rows(told, hashes)
    await edge.owner.execute((ROOT / "models" / "migrations" / "0040_unreadable.sql").read_text(encoding="utf-8"))
    ids = [row["event_id"] for row in await edge.rows("select event_id from ats_delivery")]
    after = await edge.rows(told, ids)
    assert (len(set(ids)), set(ids) & set(hashes)) == (4, set())
    assert [row["id"] for row in after] == [row["id"] for row in before]
    assert len({row["source_event_id"] for row in after}) == 4
    events, state = await edge.value("select count(*) from outcome_event"), await edge.rows(STATE)
    assert (await run(data, "--partner", slug)).out == "4 rows: 4 imported, 0 unchanged, 0 bad\n"
    assert (await run(data, "--partner", slug)).out == "4 rows: 0 imported, 4 unchanged, 0 bad\n"
    assert (await edge.value("select count(*) from outcome_event"), await edge.rows(STATE)) == (events, state)


async def test_a_greenhouse_export_meets_its_webhooks(edge: Edge, run: Run) -> None:
    company_id = await edge.company()
    slug = await edge.value("select slug from partner where id = $1", company_id)
    await edge.deliver(company_id, "new_candidate_application")
    head = (
        "Application ID,Candidate ID,First Name,Last Name,Email,Job Name,Job ID,Status,Application Date,Date Rejected"
    )
    line = "90210077,81200417,結衣,佐々木,yui.sasaki@example.com,サーバー,551203,Rejected,2026-09-01,09/20/2026"
    answer = await run(f"{head}\n{line}\n".encode(), "--partner", slug, "--format", "greenhouse-export")
    assert answer.status == 0, answer.out + answer.err
    rows = await edge.rows("select status, decided_at from application")
    assert rows == [{"status": "REJECTED", "decided_at": midnight(2026, 9, 20)}]
    assert await edge.value("select count(*) from candidate where partner_id = $1", company_id) == 1


@pytest.mark.parametrize("rejected_by", ["a webhook", "the API"])
@pytest.mark.parametrize("told", ["the day of the file", "--as-of"])
async def test_a_file_takes_back_no_decision_that_was_told_after_it_was_written(
    edge: Edge, run: Run, rejected_by: str, told: str
) -> None:
    """An export is always older than its import; of a file that was copied meanwhile, somebody has to say how old."""
    company_id = await edge.company()
    await edge.relay(company_id)
    slug = await edge.value("select slug from partner where id = $1", company_id)
    now = datetime.now(UTC)
    head = "Application ID,Candidate ID,Last Name,Email,Job Name,Job ID,Status,Application Date,Date Rejected"
    active = f"{head}\n90210077,81200417,佐々木,yui.sasaki@example.com,サーバー,551203,Active,2026-09-01,\n".encode()
    asked = ("--partner", slug, "--format", "greenhouse-export")
    await edge.deliver(company_id, "new_candidate_application")
    if rejected_by == "a webhook":
        document = fixture("reject_candidate")
        document["payload"]["application"]["rejected_at"] = (now - timedelta(minutes=10)).isoformat()
        await edge.deliver(company_id, document)
    else:
        earlier = (now - timedelta(hours=2)).isoformat()
        answer = await run(active.replace("サーバー".encode(), "開発".encode()), *asked, "--as-of", earlier)
        assert answer.status == 0, answer.err
        application_id = await edge.value("select id from application")
        said = Said(company_id, "API", now - timedelta(minutes=10))
        async with edge.work() as connection:
            await outcome.reject(connection, application_id=application_id, acting=company_id, said=said)
    before = await edge.rows("select kind from outcome_event order by position")
    as_of = now - timedelta(hours=1)
    given = {"as_of": as_of} if told == "the day of the file" else {}
    answer = await run(active, *asked, *(() if given else ("--as-of", as_of.isoformat())), **given)
    assert answer.out == "1 rows: 1 imported, 0 unchanged, 0 bad\n", answer.err
    assert await edge.value("select status from application") == "REJECTED"
    assert await edge.value("select revoked_at from relay_invitation") is None
    assert await edge.rows("select kind from outcome_event order by position") == before
    assert "1 imported" in (await run(active.replace("サーバー".encode(), b"Server"), *asked)).out
    assert await edge.value("select status from application") == "ACTIVE"  # told now


async def test_nobody_tells_what_is_to_come(edge: Edge, run: Run) -> None:
    _, slug = await company(edge)
    answer = await run("\n".join([HEAD, *GOOD]).encode(), "--partner", slug, "--as-of", "2999-01-01T00:00")
    assert (answer.status, "lies in the future" in answer.err) == (2, True)
    assert await edge.value("select count(*) from application") == 0


async def test_the_file_in_the_documentation_goes_in(edge: Edge, run: Run) -> None:
    _, slug = await company(edge)
    page = (ROOT / "docs" / "ats.md").read_text(encoding="utf-8")
    block = page.partition("```csv\n")[2].partition("```")[0]
    assert (await run(block.encode(), "--partner", slug)).out == "1 rows: 1 imported, 0 unchanged, 0 bad\n"


async def test_a_file_without_ids_is_told_apart_by_person_job_and_day(edge: Edge, run: Run) -> None:
    _, slug = await company(edge)
    head = "氏名\tメールアドレス\t求人\t応募日\t結果\t結果日"
    lines = [
        "架空 花子\thanako@example.com\t営業\t2026-04-01\t選考中\t",
        "架空 花子\thanako@example.com\t開発\t2026-04-01\t選考中\t",
        "架空 花子\thanako@example.com\t営業\t2026-04-01\t不採用\t2026-04-20",
    ]
    answer = await run("\n".join([head, *lines]).encode(), "--partner", slug)
    assert answer.status == 0, answer.err
    rows = await edge.rows("select j.title, a.status from application a join job j on j.id = a.job_id order by 1")
    assert rows == [{"title": "営業", "status": "REJECTED"}, {"title": "開発", "status": "ACTIVE"}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        ("氏名,結果\n".encode(), "a column is missing"),
        (b"\x81\xff\xfe\x00", "neither UTF-8 nor Shift_JIS"),
    ],
)
async def test_a_file_that_is_no_table_says_so_in_one_line(edge: Edge, run: Run, data: bytes, words: str) -> None:
    _, slug = await company(edge)
    answer = await run(data, "--partner", slug)
    assert answer.status == 1
    assert words in answer.err
    assert "Traceback" not in answer.err


async def test_an_operator_connects_looks_and_replays(edge: Edge, environment: dict[str, str]) -> None:
    _, slug = await company(edge)

    async def ats(*words: str) -> Answer:
        return await shell("ats", *words, "--partner", slug, "--json", environment=environment)

    made = json.loads((await ats("connect")).out)
    assert made["url"] == f"{environment['KYOSO_ISSUER']}/ats/greenhouse/{await edge.value(INTEGRATION)}"
    path = made["url"].removeprefix(environment["KYOSO_ISSUER"])
    body = json.dumps(fixture("ping")).encode()
    signature = hmac.new(made["secret"].encode(), body, hashlib.sha256).hexdigest()
    answer = await edge.http.post(path, content=body, headers={"Signature": f"sha256 {signature}"})
    assert answer.status_code == 200
    event_id = await edge.value("update ats_delivery set state = 'FAILED', failure = 'X' returning event_id")
    assert [row["event_id"] for row in json.loads((await ats("failures")).out)] == [event_id]
    assert json.loads((await ats("replay")).out) == [event_id]
    assert await edge.value("select state from ats_delivery") == "PENDING"
    assert (await ats("replay", "--event-id", "unknown")).status == 1


async def test_a_row_of_a_file_is_not_replayed(edge: Edge, run: Run, environment: dict[str, str]) -> None:
    _, slug = await company(edge)
    await run("\n".join([HEAD, GOOD[0]]).encode(), "--partner", slug)
    event_id = await edge.value("select event_id from ats_delivery")
    words = ("ats", "replay", "--event-id", event_id, "--partner", slug)
    refused = await shell(*words, environment=environment)
    assert (refused.status, "row of a file" in refused.err) == (1, True)
    assert await edge.value("select state from ats_delivery") == "APPLIED"


async def test_an_unknown_company_says_so_in_one_line(edge: Edge, run: Run) -> None:
    answer = await run("\n".join([HEAD, *GOOD]).encode(), "--partner", "nobody")
    assert (answer.status, "Traceback" in answer.err) == (1, False)
    assert "there is no company 'nobody'" in answer.err


async def test_a_partner_of_another_kind_is_told_from_none(
    edge: Edge, run: Run, environment: dict[str, str], tmp_path: Path
) -> None:
    async with edge.work() as connection:
        slug = await connection.fetchval("select slug from partner where id = $1", await builders.agency(connection))
    said = f"Error: {slug!r} is an agency: --partner takes a company's short name (slug)\n"
    answer = await run("\n".join([HEAD, *GOOD]).encode(), "--partner", slug)
    assert (answer.status, answer.err) == (1, said)
    answer = await shell("ats", "connect", "--partner", slug, environment=environment)
    assert (answer.status, answer.out, answer.err) == (1, "", said)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("令和6年4月1日", date(2024, 4, 1)),
        ("令和元年5月1日", date(2019, 5, 1)),
        ("R6.4.1", date(2024, 4, 1)),
        ("Ｒ６／４／１", date(2024, 4, 1)),
        ("H31/4/30", date(2019, 4, 30)),
        ("H31/5/1", None),
        ("平成元年1月8日", date(1989, 1, 8)),
        ("平成元年1月7日", None),
        ("昭和64年1月7日", date(1989, 1, 7)),
        ("S64.1.8", None),
        ("２０２６年４月１日", date(2026, 4, 1)),
        ("2026-04-01 10:00", date(2026, 4, 1)),
        ("2026-04-01T10:00:00Z", date(2026, 4, 1)),
        ("20260401", date(2026, 4, 1)),
        ("04/15/2026", date(2026, 4, 15)),
        ("2026-13-01", None),
        ("明日", None),
        ("0001-01-01", None),
        ("9999-12-31", None),
    ],
)
def test_days_as_they_are_written_in_japan(text: str, day: date | None) -> None:
    assert read_day(text) == day


def test_nothing_was_received_or_decided_tomorrow() -> None:
    """A day that began in Japan is past; a year mistaken for another, such as 令和50年, is named."""
    now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)  # midnight in Japan
    head = "email,received_on,status,decided_on,starts_on\n"
    rows = "a@b.jp,R50.4.1,採用,2026-11-23,2027-04-01\na@b.jp,2026-11-22,不採用,2026-11-22,\n"
    table = read_table((head + rows).encode(), "generic")
    wrong, right = (read_row(table, row, now)[1] for row in table.rows)
    assert [(each.line, each.column, each.problem) for each in wrong] == [
        (2, "received_on", "lies in the future"),
        (2, "decided_on", "lies in the future"),
        (2, "decided_on", "is before the application was received"),
    ]
    assert right == []


def test_nobody_begins_to_work_years_from_the_decision() -> None:
    now = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    head = "email,received_on,status,decided_on,starts_on\n"
    rows = [
        f"a@b.jp,2024-04-01,採用,2024-05-01,{day}\n" for day in ("2022-04-30", "2022-05-01", "2026-05-02", "2062-06-01")
    ]
    table = read_table((head + "".join(rows)).encode(), "generic")
    found = [[(each.line, each.column, each.problem) for each in read_row(table, row, now)[1]] for row in table.rows]
    problem = "is more than two years from the decision"
    assert found == [[(2, "starts_on", problem)], [], [], [(5, "starts_on", problem)]]


def test_a_quoted_cell_over_two_lines_keeps_the_line_numbers() -> None:
    table = read_table('email,received_on,status,reason\na@b.jp,x,不採用,"一\n二"\nc@d.jp,y,z,\n'.encode(), "generic")
    assert [row.line for row in table.rows] == [2, 4]


def test_an_open_quotation_mark_is_no_table() -> None:
    with pytest.raises(Unreadable):
        read_table(b'email,received_on,status\n"' + b"x" * 200_000, "generic")
