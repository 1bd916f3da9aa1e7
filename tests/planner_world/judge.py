"""The judge: graphql-core over plain Python rows. Policies, filters, orders and pages are written again here, in
Python; it shares no SQL and no tree with the planner."""

from __future__ import annotations

import datetime
import functools
import json
import re
import uuid
from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any

from graphql import DocumentNode, ExecutionResult, build_schema, execute, print_schema

from planner.codec import cursor
from tests.planner_world.rows import Row, Rows
from tests.planner_world.schema import schema as strawberry_schema

JUDGE_SCHEMA = build_schema(print_schema(strawberry_schema._schema))
PREFIXES = {"job": "job", "can": "candidate", "ref": "referral", "out": "outcome", "mai": "mail", "par": "partner"}
TYPES = {"COMPANY": "Company", "SCHOOL": "School", "REFERRER": "Referrer"}
ORDERS: dict[str, list[tuple[str, bool]]] = {
    "PartnerOrder.NAME": [("name", False)], "PartnerOrder.NEWEST": [("joined_at", True)],
    "JobOrder.NEWEST": [("opened_at", True)], "JobOrder.OLDEST": [("opened_at", False)],
    "JobOrder.MIXED": [("openings", True), ("title", False)], "JobOrder.CLOSING": [("closing", False)],
    "ReferralOrder.NEWEST": [("submitted_at", True)],
    "ReferralOrder.STATUS": [("status", False), ("submitted_at", False)],
    "OutcomeOrder.RECORDED": [("batch", False), ("position", False)],
}  # fmt: skip


def instant(value: datetime.datetime) -> str:
    text = value.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return f"{text}+00:00"


def sql_text(value: Any) -> str:
    if isinstance(value, datetime.datetime):
        return instant(value).replace("T", " ").replace("+00:00", "+00")
    if value == datetime.date.max:
        return "infinity"
    return str(value)


def read(text: str, like: Any) -> Any:
    if isinstance(like, datetime.datetime):
        return datetime.datetime.fromisoformat(text)
    if isinstance(like, datetime.date):
        return datetime.date.max if text == "infinity" else datetime.date.fromisoformat(text)
    return uuid.UUID(text) if isinstance(like, uuid.UUID) else type(like)(text)


class Judge:
    """One viewer's view of the world. `shouts` are the values that the finisher gets; with `hush` it fails."""

    def __init__(self, rows: Rows, viewer: Mapping[str, Any]) -> None:
        self.rows = rows
        self.viewer = viewer
        self.shouts: list[str] = []
        self.hush = False
        self.index = {(table, row["id"]): row for table, each in rows.items() for row in each if "id" in row}

    def answer(self, ast: DocumentNode, variables: dict[str, Any]) -> ExecutionResult:
        """What graphql-core says."""
        self.shouts, self.hush = [], False
        result = self._execute(ast, variables)
        if any("\u2028" in each for each in self.shouts):
            self.hush = True
            result = self._execute(ast, variables)
        return result

    def _execute(self, ast: DocumentNode, variables: dict[str, Any]) -> ExecutionResult:
        result = execute(
            JUDGE_SCHEMA, ast, variable_values=variables,
            field_resolver=self.resolve, type_resolver=lambda value, *_: value["__type"],
        )  # fmt: skip
        assert isinstance(result, ExecutionResult)
        return result

    # ------------------------------------------------------------------------------------------------- visibility

    def visible(self, table: str, row: Row) -> bool:
        me = self.viewer["partner"]
        if table == "job":
            return not row["hidden"] or row["company_id"] == me
        if table == "candidate":
            return row["partner_id"] == me or row["alias"] != "plain"
        if table == "referral":
            return me in (row["company_id"], row["referrer_id"]) or row["status"] != "DRAFT"
        return not (table in ("outcome", "kinship") and row["secret"])

    def seen(self, table: str) -> list[Row]:
        return [row for row in self.rows[table] if self.visible(table, row)]

    def get(self, table: str, key: uuid.UUID | None) -> Row | None:
        row = self.index.get((table, key))
        return self.object(table, row) if row is not None and self.visible(table, row) else None

    def object(self, table: str, row: Row | None) -> Any:
        if row is None:
            return None
        name = TYPES[row["kind"]] if table == "partner" else table.capitalize()
        return {**row, "__type": name, "__table": table}

    def by_id(self, text: str, table: str | None = None) -> Any:
        prefix, _, key = text.partition("_")
        if prefix == "fig" and table is None:
            return next((each for each in self.figures(None, None, 0) if each["id"] == key), None)
        if prefix not in PREFIXES or (table is not None and PREFIXES[prefix] != table):
            return None
        try:
            known = uuid.UUID(key)
        except ValueError:
            return None
        return self.get(PREFIXES[prefix], known) if str(known) == key else None

    def figures(self, subject: uuid.UUID | None, names: list[str] | None, least: float) -> list[Any]:
        found: list[Any] = []
        for partner in self.rows["partner"]:
            count = float(len(partner["tags"]))
            for name, value, low, high in (("COUNT", count, None, None), ("RATE", 0.5, 0.25, 0.75)):
                if (
                    (subject is None or partner["id"] == subject)
                    and (names is None or name in names)
                    and value >= least
                ):
                    steps = [{"kind": "SENT", "count": 3, "inner": {"deep": partner["name"]}},
                             {"kind": "OPEN", "count": None, "inner": None}]  # fmt: skip
                    found.append({
                        "__type": "Figure", "__table": "figure", "id": f"{partner['id']}:{name}", "name": name,
                        "subject_id": partner["id"], "value": value, "low": low, "high": high,
                        "first_month": "2026-01", "steps": steps if name == "COUNT" else None,
                    })  # fmt: skip
        return found

    # ------------------------------------------------------------------------------------------------------ pages

    def page(
        self, rows: list[Any], columns: list[tuple[str, bool]], label: str, first: int, after: str | None = None,
        edge: Callable[[Any], dict[str, Any]] = lambda row: {}, key: str = "id", kind: str = "",
    ) -> Any:  # fmt: skip
        order = [*columns, (key, columns[-1][1])] if all(name != key for name, _ in columns) else columns

        def compare(a: list[Any], b: list[Any]) -> int:
            for x, y, (_, descending) in zip(a, b, order, strict=True):
                if x != y:
                    return (1 if x > y else -1) * (-1 if descending else 1)
            return 0

        keyed = [([row[name] for name, _ in order], row) for row in rows]
        keyed.sort(key=functools.cmp_to_key(lambda a, b: compare(a[0], b[0])))
        start = 0
        if after is not None:
            texts = json.loads(b64decode(after))[1:]
            if keyed:
                mark = [read(text, like) for text, like in zip(texts, keyed[0][0], strict=True)]
                start = sum(1 for values, _ in keyed if compare(values, mark) <= 0)
        part = keyed[start : start + first]
        edges = [{"cursor": cursor(label, *map(sql_text, values)), "node": row, **edge(row)} for values, row in part]
        info = {
            "hasNextPage": start + first < len(keyed), "hasPreviousPage": after is not None and start > 0,
            "startCursor": edges[0]["cursor"] if edges else None, "endCursor": edges[-1]["cursor"] if edges else None,
        }  # fmt: skip
        return {"edges": edges, "pageInfo": info, "totalCount": len(keyed)}

    def paged(self, table: str, rows: list[Row], order: str, args: dict[str, Any]) -> Any:
        """A page of plain rows in a declared order."""
        objects = [self.object(table, row) for row in rows]
        for each in objects:
            if table == "job":
                each["closing"] = each["closes_on"] or datetime.date.max
        return self.page(objects, ORDERS[order], order.partition(".")[2], args["first"], args.get("after"))

    # -------------------------------------------------------------------------------------------------- resolvers

    def resolve(self, source: Any, info: Any, **args: Any) -> Any:
        name = info.field_name
        parent = info.parent_type.name
        special = getattr(self, f"{parent}_{name}", None) or getattr(self, f"any_{name}", None)
        if special is not None:
            return special(source, **args)
        value = source[name] if name in source else source.get(re.sub("([A-Z])", r"_\1", name).lower())
        return spelled(value, str(info.return_type))

    def any_id(self, source: Any) -> str:
        prefixes = {**{table: prefix for prefix, table in PREFIXES.items()}, "figure": "fig"}
        return f"{prefixes[source['__table']]}_{source['id']}"

    def any_company(self, source: Any) -> Any:
        return self.get("partner", source["company_id"])

    def any_loud(self, source: Any) -> str:
        return "".join(each.upper() if each.isascii() or each == "é" else each for each in source["name"])

    def any_figures(self, source: Any, first: int, names: Any = None, after: Any = None, filter: Any = None,
                    period: Any = None) -> Any:  # fmt: skip
        if source and source.get("__table") == "partner":
            return self.page(self.figures(source["id"], names, 0), [("name", False)], "name", first, after)
        subject = None
        if filter.get("partnerId") is not None:
            found = self.by_id(filter["partnerId"], "partner")
            subject = found["id"] if found else uuid.UUID(int=0)
        rows = self.figures(subject, filter["names"], filter["least"])
        return self.page(rows, [("name", False), ("subject_id", False)], "name,subject_id", first, after)

    def any_jobs(self, source: Any, filter: Any = None, orderBy: str = "NEWEST", **args: Any) -> Any:  # noqa: N803
        rows = [row for row in self.seen("job") if not source or row["company_id"] == source["id"]]
        rows = [row for row in rows if job_matches(row, filter or {})]
        return self.paged("job", rows, f"JobOrder.{orderBy}", args)

    def any_fixedJobs(self, source: Any, **args: Any) -> Any:  # noqa: N802
        rows = [row for row in self.seen("job") if row["company_id"] == source["id"]]
        return self.paged("job", rows, "JobOrder.MIXED", args)

    def any_referrals(self, source: Any, filter: Any = None, orderBy: str = "NEWEST", **args: Any) -> Any:  # noqa: N803
        columns = {"Company": "company_id", "Referrer": "referrer_id", "Job": "job_id"}
        column = columns.get(source["__type"]) if source else None
        rows = [row for row in self.seen("referral") if column is None or row[column] == source["id"]]
        rows = [row for row in rows if referral_matches(row, filter or {})]
        order = "STATUS" if column == "job_id" else orderBy
        return self.paged("referral", rows, f"ReferralOrder.{order}", args)

    def Company_people(self, source: Any, verified: bool | None = None, **args: Any) -> Any:  # noqa: N802
        rows = [row for row in self.rows["partner"] if row["employer_id"] == source["id"] and row["kind"] == "REFERRER"]
        rows = [row for row in rows if verified is None or (row["verified_at"] is not None) == verified]
        return self.paged("partner", rows, "PartnerOrder.NAME", args)

    def Company_mail(self, source: Any, language: str) -> Any:  # noqa: N802
        wanted = (source["id"], language)
        return next(
            (self.object("mail", row) for row in self.rows["mail"] if (row["partner_id"], row["language"]) == wanted),
            None,
        )

    def Referrer_employer(self, source: Any) -> Any:  # noqa: N802
        return self.get("partner", source["employer_id"])

    def Job_interval(self, source: Any) -> Any:  # noqa: N802
        return None if source["low"] is None or source["high"] is None else source

    def Figure_interval(self, source: Any) -> Any:  # noqa: N802
        return None if source["low"] is None else source

    def Figure_window(self, source: Any) -> Any:  # noqa: N802
        return source

    def Figure_partner(self, source: Any) -> Any:  # noqa: N802
        return self.get("partner", source["subject_id"])

    def Job_titleAgain(self, source: Any) -> Any:  # noqa: N802
        return source["title"]

    def Job_shouted(self, source: Any) -> Any:  # noqa: N802
        self.shouts.append(source["title"])
        if self.hush:
            raise ValueError("a line separator")
        return None if source["title"].startswith('"') else source["title"].upper() + "!"

    Job_insisted = Job_shouted

    def Job_share(self, source: Any, times: int) -> Any:  # noqa: N802
        return str(source["salary"] * times)

    def Job_kin(self, source: Any, filter: Any = None, **args: Any) -> Any:  # noqa: N802
        rows: list[Any] = []
        for edge in self.rows["kinship"]:
            other = self.index["job", edge["other_id"]]
            seen = self.visible("kinship", edge) and self.visible("job", other)
            if edge["job_id"] == source["id"] and seen and job_matches(other, filter or {}):
                rows.append({**(self.object("job", other) or {}), "weight": edge["weight"], "edge": edge})
        return self.page(
            rows, [("weight", True), ("title", False)], "-edge.weight,title", args["first"], args.get("after"),
            lambda row: {**row["edge"], "heavier": row["weight"] > row["openings"]},
        )  # fmt: skip

    def KinEdge_origin(self, source: Any) -> Any:  # noqa: N802
        return self.get("job", source["job_id"])

    def Job_firstOutcomes(self, source: Any) -> Any:  # noqa: N802
        referrals = {row["id"] for row in self.rows["referral"] if row["job_id"] == source["id"]}
        rows = [row for row in self.seen("outcome") if row["referral_id"] in referrals]
        rows.sort(key=lambda row: (row["batch"], row["position"], row["id"]))
        return [self.object("outcome", row) for row in rows[:3]]

    def Terms_steps(self, source: Any) -> Any:  # noqa: N802
        return source.get("steps")

    def Referral_referrer(self, source: Any) -> Any:  # noqa: N802
        return self.get("partner", source["referrer_id"])

    def Referral_job(self, source: Any) -> Any:  # noqa: N802
        return self.get("job", source["job_id"])

    Referral_sureJob = Referral_job

    def Referral_candidate(self, source: Any) -> Any:  # noqa: N802
        linked = self.index.get(("candidate", source["candidate_id"]))
        for row in self.seen("candidate"):
            own = row["partner_id"] == self.viewer["partner"]
            if own and linked is not None and row["person_id"] == linked["person_id"]:
                return self.object("candidate", row)
        return None

    def Referral_outcome(self, source: Any) -> Any:  # noqa: N802
        found = (row for row in self.seen("outcome") if row["referral_id"] == source["id"])
        return self.object("outcome", next(found, None))

    def Outcome_referral(self, source: Any) -> Any:  # noqa: N802
        return self.get("referral", source["referral_id"])

    def Candidate_personal(self, source: Any) -> Any:  # noqa: N802
        mine = [
            row for row in self.rows["personal_item"]
            if row["person_id"] == source["person_id"] and row["reader_id"] == self.viewer["partner"]
        ]  # fmt: skip
        return {row["item"]: row["sealed"].decode()[::-1] for row in mine} or None

    def AroundEdge_via(self, source: Any) -> Any:  # noqa: N802
        return self.get("partner", source["via_id"])

    def Viewer_partner(self, source: Any) -> Any:  # noqa: N802
        return self.get("partner", self.viewer["partner"])

    def Viewer_throttle(self, source: Any) -> Any:  # noqa: N802
        return dict(self.viewer)

    def Query_viewer(self, source: Any) -> Any:  # noqa: N802
        return dict(self.viewer)

    def Query_clock(self, source: Any) -> str:  # noqa: N802
        return "noon"

    def Query_node(self, source: Any, id: str) -> Any:  # noqa: N802
        return self.by_id(id)

    def Query_nodes(self, source: Any, ids: list[str]) -> Any:  # noqa: N802
        return [self.by_id(each) for each in ids]

    def Query__entities(self, source: Any, representations: list[Any]) -> Any:  # noqa: N802
        return [self.entity(each) for each in representations]

    def entity(self, each: Any) -> Any:
        name = each.get("__typename")
        found = None
        if isinstance(each.get("id"), str):
            found = self.by_id(each["id"])
        elif isinstance(each.get("number"), str) and name in ("Company", "School"):
            rows = [row for row in self.rows["partner"] if row["number"] == each["number"]]
            found = self.object("partner", rows[0]) if rows else None
        fits = found is not None and (found["__type"] == name or (name == "Partner" and found["__table"] == "partner"))
        return found if fits else None

    def Query_partner(self, source: Any, id: str) -> Any:  # noqa: N802
        return self.by_id(id, "partner")

    def Query_job(self, source: Any, id: str) -> Any:  # noqa: N802
        return self.by_id(id, "job")

    def Query_company(self, source: Any, number: str) -> Any:  # noqa: N802
        rows = [row for row in self.rows["partner"] if row["number"] == number and row["kind"] == "COMPANY"]
        return self.object("partner", rows[0]) if rows else None

    def Query_partners(self, source: Any, orderBy: str, filter: Any = None, **args: Any) -> Any:  # noqa: N802, N803
        rows = [row for row in self.rows["partner"] if partner_matches(row, filter or {}, self.viewer)]
        return self.paged("partner", rows, f"PartnerOrder.{orderBy}", args)

    def Query_outcomes(self, source: Any, orderBy: str, **args: Any) -> Any:  # noqa: N802, N803
        return self.paged("outcome", self.seen("outcome"), f"OutcomeOrder.{orderBy}", args)

    def Query_around(self, source: Any, of: str, depth: int, **args: Any) -> Any:  # noqa: N802
        centre = self.by_id(of, "partner")
        found: list[Any] = []
        ring = [(centre["id"], 0)] if centre else []
        while ring:
            here, distance = ring.pop(0)
            for row in self.rows["partner"]:
                if row["employer_id"] == here and distance < max(1, min(depth, 3)):
                    edge = {"distance": distance + 1, "via_id": here, "kinds": ["EMPLOYS"]}
                    found.append({**(self.object("partner", row) or {}), **edge, "edge": edge})
                    ring.append((row["id"], distance + 1))
        return self.page(
            found, [("distance", False)], "edge.distance", args["first"], args.get("after"),
            lambda row: row["edge"],
        )  # fmt: skip


def spelled(value: Any, type_: str) -> Any:
    """A value as the API spells it."""
    if isinstance(value, datetime.datetime):
        return instant(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    if type_.strip("!") in ("Decimal", "BigInt") and value is not None:
        return str(value)
    return value


def _within(value: datetime.datetime, limits: Any) -> bool:
    if not limits:
        return True
    low, high = limits.get("from"), limits.get("to")
    after = low is None or value >= datetime.datetime.fromisoformat(low)
    return after and (high is None or value < datetime.datetime.fromisoformat(high))


def job_matches(row: Row, asked: Mapping[str, Any]) -> bool:
    from decimal import Decimal

    tests: dict[str, Callable[[Any], bool]] = {
        "statuses": lambda value: row["status"] in value,
        "status": lambda value: row["status"] == value,
        "companyId": lambda value: value == f"par_{row['company_id']}",
        "ids": lambda value: f"job_{row['id']}" in value,
        "opened": lambda value: _within(row["opened_at"], value),
        "titleContains": lambda value: value in row["title"],
        "leastOpenings": lambda value: row["openings"] >= value,
        "leastSalary": lambda value: row["salary"] >= Decimal(value),
        "closesOn": lambda value: row["closes_on"] == datetime.date.fromisoformat(value),
    }
    return all(tests[name](value) for name, value in asked.items() if value is not None)


def referral_matches(row: Row, asked: Mapping[str, Any]) -> bool:
    tests: dict[str, Callable[[Any], bool]] = {
        "statuses": lambda value: row["status"] in value,
        "submitted": lambda value: _within(row["submitted_at"], value),
        "noteContains": lambda value: row["note"] is not None and value in row["note"],
    }
    return all(tests[name](value) for name, value in asked.items() if value is not None)


def partner_matches(row: Row, asked: Mapping[str, Any], viewer: Mapping[str, Any]) -> bool:
    tests: dict[str, Callable[[Any], bool]] = {
        "kinds": lambda value: row["kind"] in value,
        "nameStartsWith": lambda value: row["name"].startswith(value),
        "verified": lambda value: (row["verified_at"] is not None) == value,
        "mine": lambda value: (row["employer_id"] == viewer["partner"]) == value,
    }
    return all(tests[name](value) for name, value in asked.items() if value is not None)
