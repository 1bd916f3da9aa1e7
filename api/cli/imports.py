"""`import`: applications and decisions from a CSV file, for companies whose system sends no webhooks."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import UUID

import click

from api import intake_applications, intake_rows
from api.cli import typed
from api.cli.installation import data_dir_option, installation
from api.intake import ApplicationState
from api.intake_people import News, Source
from api.intake_rows import Problem, Row, Table, Unreadable
from api.settings import Settings
from models import ats, db, delivery, seal
from models.ats import System
from models.delivery import Taken
from models.errors import Refusal
from models.japan import JAPAN

FILE_BYTES_MAX = 200 * 1024 * 1024
PROBLEMS_SHOWN = 20
ROWS_AT_ONCE = 20
"""In one transaction: few enough that whoever else writes about the same people or slots hardly waits."""


@dataclass(slots=True)
class Report:
    """What became of a file's rows."""

    rows: int = 0
    imported: int = 0
    unchanged: int = 0
    bad: int = 0
    problems: list[Problem] = field(default_factory=list[Problem])
    bad_file: str | None = None


def _time(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("write a time like 2026-04-30T18:00 (in Japan) or 2026-04-30T09:00Z") from None
    told = told if told.tzinfo else told.replace(tzinfo=JAPAN)
    if told > datetime.now(UTC):
        raise click.BadParameter("it lies in the future")
    return told


@click.command("import", short_help="Read applications and rejections from a CSV file.")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--partner", required=True, metavar="SLUG", help="The company, by its short name.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(intake_rows.COLUMNS)),
    default="generic",
    show_default=True,
    help="How the columns are named; docs/ats.md lists the headings.",
)
@click.option(
    "--as-of",
    callback=_time,
    metavar="TIME",
    help="When the file was written by its system; the time of the file's last change when left out.",
)
@data_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object.")
def import_(file: Path, partner: str, form: str, as_of: datetime | None, data_dir: Path, as_json: bool) -> None:
    """Read applications, rejections and hires of one company from FILE (CSV, in UTF-8 or Shift_JIS).

    Every good row is taken in; bad rows are written to FILE.bad.csv (FILE.bad-2.csv where that is there already), to be
    mended and imported again. A row that was imported before changes nothing, and none takes back a decision that was
    told for a later time than --as-of. Exit status 1 when any row was bad.
    """
    if file.stat().st_size > FILE_BYTES_MAX:
        raise click.ClickException(f"the file has more than {FILE_BYTES_MAX} bytes: split it")
    try:
        table = intake_rows.read_table(file.read_bytes(), form)
    except Unreadable as error:
        raise click.ClickException(f"{file}: {error}") from None
    with installation(data_dir) as installed:
        written = min(as_of or datetime.fromtimestamp(file.stat().st_mtime, UTC), datetime.now(UTC))
        report, bad = asyncio.run(take_in(installed, partner, table, written))
    if bad:
        report.bad_file = _keep(file, intake_rows.bad_rows(table, bad))
    _print(report, as_json)
    if bad:
        raise SystemExit(1)


def _keep(file: Path, rows: bytes) -> str | None:
    """Writes bad rows beside their file, over no other: it may hold rows that somebody has mended since."""
    name = file.name.removesuffix(".csv")
    kept = file.with_name(f"{name}.bad.csv")
    try:
        if kept.exists():
            others = (file.with_name(f"{name}.bad-{number}.csv") for number in count(2))
            kept = next(other for other in others if not other.exists())
        with kept.open("xb") as written:
            written.write(rows)
    except OSError as error:
        click.echo(f"cannot write {kept} ({error.strerror}): import a copy that lies where you may write", err=True)
        return None
    return str(kept)


async def take_in(installed: Settings, slug: str, table: Table, as_of: datetime) -> tuple[Report, list[Row]]:
    """Takes a file that was written at `as_of` into the company of that short name. Returns what came of it, and bad
    rows."""
    seal.use(installed.master_key)
    await db.connect(installed.database_url, pool_max=2)
    try:
        async with db.unit_of_work() as connection:
            company_id = await typed.company_of(connection, slug)
            integration_id = await ats.connect(
                connection, company_id=company_id, system="CSV", secret=secrets.token_urlsafe(32)
            )
        given = _Given(table, as_of, company_id, integration_id)
        for start in range(0, len(table.rows), ROWS_AT_ONCE):
            await given.take(table.rows[start : start + ROWS_AT_ONCE])
        return given.report, given.bad
    finally:
        await db.disconnect()


class _Given:
    """A file on its way into a company, and what came of its rows so far."""

    def __init__(self, table: Table, as_of: datetime, company_id: UUID, integration_id: UUID) -> None:
        self.table, self.as_of, self.company_id, self.integration_id = table, as_of, company_id, integration_id
        self.system: System = "GREENHOUSE" if table.form == "greenhouse-export" else "CSV"
        self.report, self.bad = Report(rows=len(table.rows)), list[Row]()

    async def take(self, rows: Sequence[Row]) -> None:
        """Takes rows in, in one transaction; where one of them fails, each half in one of its own."""
        read = [(row, *intake_rows.read_row(self.table, row, datetime.now(UTC), self.as_of)) for row in rows]
        told = [(row, told) for row, told, _ in read if told is not None]
        try:
            imported = await db.retried(lambda: self._apply(told))
        except Exception as failure:
            if len(rows) > 1:
                middle = len(rows) // 2
                await self.take(rows[:middle])
                await self.take(rows[middle:])
                return
            if not isinstance(failure, Refusal):
                raise
            self._refuse(rows[0], [Problem(rows[0].line, "", f"{failure.code}: {failure.en}")])
            return
        self.report.imported += imported
        self.report.unchanged += len(told) - imported
        for row, _, problems in read:
            if problems:
                self._refuse(row, problems)

    def _refuse(self, row: Row, problems: list[Problem]) -> None:
        self.report.bad += 1
        self.report.problems += problems
        self.bad.append(row)

    async def _apply(self, rows: Sequence[tuple[Row, ApplicationState]]) -> int:
        """Takes rows in, each kept like an ATS's delivery. Returns how many had not been taken in before."""
        taken, news = list[Taken](), dict[UUID, News]()
        for row, told in rows:
            body = intake_rows.canonical(self.table, row)
            each = Taken(seal.content_index(self.integration_id, body), f"application:{told.external_id}", body)
            taken.append(each)
            news[each.id] = News(Source(self.company_id, self.system, "IMPORT", each.event_id), told)
        async with db.unit_of_work() as connection:
            fresh = await delivery.take(
                connection, integration_id=self.integration_id, action=self.table.form, told=taken
            )
            news = {each: told for each, told in news.items() if each in fresh}
            await intake_applications.take_in(connection, list(news.values()))
            await delivery.are_of(connection, {each: told.person_id for each, told in news.items()})
        return len(news)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(report), ensure_ascii=False))
        return
    for problem in report.problems[:PROBLEMS_SHOWN]:
        where = f'line {problem.line}, "{problem.column}"' if problem.column else f"line {problem.line}"
        click.echo(f"{where} {problem.problem}", err=True)
    if len(report.problems) > PROBLEMS_SHOWN:
        click.echo(f"… and {len(report.problems) - PROBLEMS_SHOWN} more; --json lists them all", err=True)
    click.echo(f"{report.rows} rows: {report.imported} imported, {report.unchanged} unchanged, {report.bad} bad")
    if report.bad_file:
        click.echo(f"mend and import again: {report.bad_file}")
