"""The schema: described throughout, committed as printed, and each of its fields answered from real rows."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    is_leaf_type,
    is_non_null_type,
    parse,
    visit,
)

from models.db import credentials, unit_of_work
from schema.build import sdl
from tests import everything, network
from tests.conftest import ROOT
from tests.network import Network
from tests.served import Served, running

__all__ = ["running"]

PERSONAL = frozenset({"Candidate.personal"})  # read in a short transaction: tests/test_isolation.py
FEDERATION = ("_", "link__")


def _undescribed() -> list[str]:
    found: list[str] = []
    for name, type_ in everything.graph().type_map.items():
        if name.startswith(FEDERATION) or name in ("String", "Int", "Float", "Boolean", "ID"):
            continue
        places = {name: type_}
        if isinstance(type_, GraphQLEnumType):
            places |= {f"{name}.{each}": value for each, value in type_.values.items()}
        elif isinstance(type_, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for each, field in type_.fields.items():
                places[f"{name}.{each}"] = field
                places |= {f"{name}.{each}({arg})": value for arg, value in getattr(field, "args", {}).items()}
        found += [place for place, element in places.items() if not (element.description or "").strip()]
    return [place for place in found if not place.startswith(("Query._", "Any"))]


def test_every_element_is_described() -> None:
    assert _undescribed() == []


def test_the_committed_schema_is_what_the_subgraph_prints() -> None:
    assert (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8") == sdl()


def test_no_type_behind_an_interface_or_union_has_scopes_of_its_own() -> None:
    """The gate asks such a type's fields; composers would add up scopes that stood on the type itself."""
    schema = everything.graph()
    behind = {
        each.name
        for type_ in schema.type_map.values()
        if isinstance(type_, GraphQLInterfaceType) or type_.name == "_Entity"
        for each in schema.get_possible_types(type_)
    }
    scoped = {
        name
        for name in behind
        for line in [next(row for row in sdl().splitlines() if row.startswith(f"type {name} "))]
        if "@requiresScopes" in line
    }
    assert {"Company", "Referral", "HandoverPayload"} <= behind
    assert scoped == set()


class Selected(Visitor):
    """Notes each field that a document selects, as `Type.field`."""

    def __init__(self, info: TypeInfo, found: set[str]) -> None:
        super().__init__()
        self.info, self.found = info, found

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        parent = self.info.get_parent_type()
        assert parent
        self.found.add(f"{parent.name}.{node.name.value}")


class Asked:
    """Asks as everybody, and keeps which fields were selected and which of them held a value for somebody."""

    def __init__(self, served: Served, made: Network) -> None:
        self.served, self.made = served, made
        self.selected: set[str] = set()
        self.valued: set[str] = set()

    async def ask(self, text: str, variables: dict[str, Any] | None = None, *, who: UUID | None = None) -> None:
        info = TypeInfo(everything.graph())
        visit(parse(text), TypeInfoVisitor(info, Selected(info, self.selected)))
        everybody = (self.made.company, self.made.agency, self.made.referrer, self.made.stranger)
        for partner_id in [who] if who else everybody:
            self._note(await self.served.ask(partner_id, text, variables))

    def _note(self, value: Any) -> None:
        if isinstance(value, list):
            for each in value:
                self._note(each)
        elif isinstance(value, dict):
            type_ = value.get("__typename", "Query")
            self.valued |= {f"{type_}.{key}" for key, each in value.items() if each not in (None, [])}
            for each in value.values():
                self._note(each)


@pytest.fixture
async def owner(database: str) -> Any:
    connection = await asyncpg.connect(**credentials(database))
    yield connection
    await connection.close()


# Only the transaction in which the candidate answers reads a survey: tests/test_perform.py.
SURVEY = {"Survey.id", "Survey.stage", "Survey.sentAt"}
# Nothing was taken back here: tests/test_query_flow.py.
TAKEN_BACK = {"LedgerTransfer.reverses", "OutcomeEvent.corrects"}


async def test_every_field_is_one_statement_on_real_rows(served: Served, owner: asyncpg.Connection) -> None:
    """Each field of each stored type and of the questions' root, asked by everybody: one statement, no error."""
    async with unit_of_work() as connection:
        made = await network.network(connection)
    asked = Asked(served, made)
    for name, (table, kind, prefix) in everything.tables().items():
        type_ = everything.graph().type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        text = everything.selection(type_, 1, without=PERSONAL)
        if table == "kpi":
            continue
        where = f" where {kind[0]} = '{kind[1]}'" if kind else ""
        ids = [f"{prefix}_{row['id']}" for row in await owner.fetch(f"select id from {table}{where} limit 100")]
        document = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {name} {{ {text} }} }} }}"
        await asked.ask(document, {"ids": ids})
    for document in roots(made):
        await asked.ask(document, who=made.company)
    stored = {name for name, _ in everything.fields() if name.split(".")[0] in everything.tables()}
    assert stored - asked.selected - PERSONAL == set()
    assert {f"Query.{name}" for name in questions()} - asked.selected == set()
    # What held no value for anybody is a fact that may be missing: every relation led to something.
    empty = stored - asked.valued - PERSONAL
    assert {name for name in empty if not may_be_missing(name)} == SURVEY | TAKEN_BACK


def may_be_missing(name: str) -> bool:
    """Whether a field is a nullable leaf."""
    field = dict(everything.fields())[name]
    return is_leaf_type(get_named_type(field.type)) and not is_non_null_type(field.type)


def questions() -> dict[str, GraphQLField]:
    """The fields of the questions' root that are planned."""
    query = everything.graph().query_type
    assert query
    return {name: field for name, field in query.fields.items() if not name.startswith("_")}


def roots(made: Network) -> Iterator[str]:
    """One document for each field of the questions' root."""
    given = {
        **everything.GIVEN, "id": f'"par_{made.company}"', "ids": f'["par_{made.agency}"]',
        "of": f'"par_{made.company}"', "to": f'"hire_{made.hire}"', "corporateNumber": '"1234567890123"',
        "schoolCode": '"F113310100010"', "licenseNumber": '"13-ユ-000001"',
    }  # fmt: skip
    for name, field in questions().items():
        base = get_named_type(field.type)
        assert isinstance(base, GraphQLObjectType | GraphQLInterfaceType)
        text = everything.selection(base, 3 if name == "kpis" else 1, without=PERSONAL)
        yield f"{{ {name}{everything.arguments(field, given)} {{ {text} }} }}"
