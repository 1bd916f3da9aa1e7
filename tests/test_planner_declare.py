"""Declarations: what prints, and what refuses to start. Each wrong word gives one message that names the cure."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig

from planner import Catalogue, DeclarationError
from planner.declare import (
    arg,
    column,
    computed,
    key,
    many,
    one,
    part,
    required_scopes,
    requires_login,
    table,
    where,
    word_of,
)
from planner.words import Way
from tests.planner_world.compare import World
from tests.planner_world.fixture import toy  # noqa: F401
from tests.planner_world.schema import (
    SCALARS,
    VIEWER_VALUES,
    Company,
    JobConnection,
    JobOrder,
    PartnerConnection,
    Referrer,
    School,
    schema,
)


def test_scopes_are_read_from_where_they_are_printed() -> None:
    core = schema._schema
    sdl = schema.as_str()
    assert required_scopes(core.type_map["PartnerConnection"]) == (("partners:read",), ("partners:write", "jobs:read"))
    assert '@requiresScopes(scopes: [["partners:read"], ["partners:write", "jobs:read"]])' in sdl
    assert required_scopes(core.type_map["Job"].fields["title"]) == (("jobs:read",),)
    assert 'title: String! @requiresScopes(scopes: [["jobs:read"]])' in sdl
    assert required_scopes(core.type_map["Job"].fields["status"]) == ()
    assert required_scopes(core.mutation_type.fields["postJob"]) == (("jobs:write",),)
    assert requires_login(core.type_map["Viewer"])
    assert requires_login(core.query_type.fields["node"])
    assert not requires_login(core.type_map["Job"])
    assert word_of(core.query_type.fields["clock"]) is None


def test_cost_and_list_sizes_print_where_composers_take_them() -> None:
    sdl = schema.as_str()
    interface = sdl[sdl.index("interface Partner") : sdl.index("}", sdl.index("interface Partner"))]
    company = sdl[sdl.index("type Company ") : sdl.index("\n}", sdl.index("type Company "))]
    assert "@cost" not in interface
    assert '@listSize(slicingArguments: ["first"], sizedFields: ["edges"]) @cost(weight: 2)' in company
    assert "totalCount: Int! @cost(weight: 2)" in sdl
    assert "type PageInfo @shareable {" in sdl
    assert 'type Company implements Partner & Node @key(fields: "id") @key(fields: "number") {' in sdl
    assert "language: Language! = JA" in sdl
    assert "orderBy: JobOrder! = NEWEST" in sdl
    assert "first: Int!\n" in sdl
    assert sdl.startswith('schema @link(url: "https://specs.apollo.dev/federation/v2.9"')


def test_everything_has_a_description() -> None:
    for name, type_ in schema._schema.type_map.items():
        if name.startswith("_") or name in ("Query", "Int", "String", "Boolean", "Float", "ID"):
            continue
        for field_name, field in getattr(type_, "fields", {}).items():
            assert field.description, f"{name}.{field_name}"
            for argument_name, argument in getattr(field, "args", {}).items():
                assert argument.description, f"{name}.{field_name}({argument_name})"


def _query(member: Any, annotation: Any = strawberry.ID) -> Any:
    """A schema with one table type that has one field more."""

    def fill(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = {"id": strawberry.ID, "extra": annotation}
        namespace["id"] = key("id")
        namespace["extra"] = member

    import types

    thing = table("thing", prefix="thing")(
        strawberry.federation.type(description="Thing", name="Thing")(types.new_class("Thing", (), {}, fill))
    )

    def root(namespace: dict[str, Any]) -> None:
        namespace["__annotations__"] = {"thing": thing | None}
        namespace["thing"] = one("Thing", where="{row}.status = {status}", args={"status": arg(str, "Status")})

    return strawberry.federation.Schema(
        query=strawberry.type(types.new_class("Query", (), {}, root)),
        types=[Company, School, Referrer],
        config=StrawberryConfig(scalar_map=SCALARS),
        federation_version="2.9",
    )


@strawberry.enum(description="Moods")
class Mood(enum.Enum):
    GOOD = strawberry.enum_value("good", description="Good")


@strawberry.enum(description="Order")
class Loose(enum.Enum):
    RATIO = strawberry.enum_value("ratio", description="May be null")
    GONE = strawberry.enum_value("gone", description="Is not there")


@strawberry.enum(description="Order")
class Untyped(enum.Enum):
    EXPRESSION = strawberry.enum_value("coalesce({row}.ratio, 0)", description="No type")


@strawberry.input(description="Filter")
class Loosely:
    company_id: strawberry.ID | None = where("Company", "{row}.company_id = {value}")


@strawberry.input(description="Filter")
class InTurn:
    status: str | None = where("Status", "{row}.status = {value}", ways=(Way("true", each="select 1"),))


WRONG: list[tuple[str, Callable[[], Any], Any, str]] = [
    ("no column", lambda: column("x"), str, "has no column 'extra'"),
    ("wrong type", lambda: column("x", "opened_at"), int, "is timestamp with time zone, which Int!"),
    ("enum by value", lambda: column("x", "status"), Mood, "Mood.GOOD is stored as 'good'"),
    ("two relations", lambda: one("x", "company_id", back="id"), "Other", "exactly one of"),
    ("order may be null", lambda: many("x", order=Loose.RATIO), JobConnection, "job.ratio may be null"),
    ("order is not there", lambda: many("x", order=Loose.GONE), JobConnection, "no column 'gone' to order by"),
    ("order without type", lambda: many("x", order=Untyped.EXPRESSION), JobConnection, "end the order"),
    ("order both ways", lambda: many("x", order=("opened_at", "-id"), ways=(Way("true", each="select 1"),)),
     JobConnection, "goes up in all columns, or down in all"),
    ("order of a filter", lambda: many("x", order=("opened_at", "-id"), ways=(Way("true"),), filter=InTurn),
     JobConnection, "goes up in all columns, or down in all"),
    ("no back column", lambda: many("x", "gone", order=JobOrder.NEWEST), JobConnection, "has no column 'gone'"),
    ("no index", lambda: many("x", "status", order=JobOrder.NEWEST), JobConnection, "no index of 'job' begins with"),
    ("no function", lambda: many("x", source="gone()", order=("id",)), JobConnection, "no table or function 'gone'"),
    ("edge without to", lambda: many("x", "job_id", through="kinship"), JobConnection, "give to="),
    ("edge not unique", lambda: many("x", "referrer_id", through="referral", to="job_id"), JobConnection,
     "needs a unique index on"),
    ("id without of", lambda: many("x", order=JobOrder.NEWEST, filter=Loosely), JobConnection, "needs of="),
    ("of nothing", lambda: computed("x", "1", args={"a": arg(strawberry.ID, "A", of="gone")}), int, "no table of the"),
]  # fmt: skip


@strawberry.federation.type(description="Other")
class Other:
    name: str = column("Name")


@pytest.mark.parametrize(("member", "annotation", "message"), [each[1:] for each in WRONG], ids=[w[0] for w in WRONG])
async def test_a_wrong_declaration_refuses_to_start(
    toy: World,  # noqa: F811
    member: Callable[[], Any],
    annotation: Any,
    message: str,
) -> None:
    made = _query(member(), Other | None if annotation == "Other" else annotation)
    with pytest.raises(DeclarationError, match=message):
        await Catalogue.load(toy.connection, made, viewer=VIEWER_VALUES)


WRONG_SQL: list[tuple[str, Callable[[], Any], str]] = [
    ("a name", lambda: computed("x", "{row}.gone", total=True), "Thing.extra: column .*gone.* does not exist"),
    ("a viewer value", lambda: computed("x", "{viewer.gone}", total=True), "not among the viewer's values"),
    ("a hole", lambda: computed("x", "{gone}", total=True), "is no argument, row or viewer value"),
    ("a row", lambda: computed("x", "{edge}.id", total=True), "has no row here"),
]


@pytest.mark.parametrize(("member", "message"), [each[1:] for each in WRONG_SQL], ids=[w[0] for w in WRONG_SQL])
async def test_wrong_sql_is_found_before_the_first_request(
    toy: World,  # noqa: F811
    member: Callable[[], Any],
    message: str,
) -> None:
    from planner import Planner

    made = _query(member(), str)
    catalogue = await Catalogue.load(toy.connection, made, viewer=VIEWER_VALUES)
    planner = Planner(made, catalogue, policy=lambda *_: "true", gate=lambda _: None)
    with pytest.raises(DeclarationError, match=message):
        await planner.check(toy.connection, [None])


async def test_two_tables_cannot_share_a_prefix(toy: World) -> None:  # noqa: F811
    @table("kinship", prefix="thing", key="job_id")
    @strawberry.federation.type(description="Mail")
    class Thief:
        id: strawberry.ID = key("id")

    made = _query(one("x", where="true"), Thief | None)
    with pytest.raises(DeclarationError, match="prefix 'thing' belongs to table"):
        await Catalogue.load(toy.connection, made, viewer=VIEWER_VALUES)


def test_the_words_of_connections_are_parts() -> None:
    fields = {
        field.python_name: field.metadata["planner"] for field in PartnerConnection.__strawberry_definition__.fields
    }  # type: ignore[attr-defined]
    assert {name: word.name for name, word in fields.items()} == {
        "edges": "edges", "page_info": "pageInfo", "total_count": "totalCount",
    }  # fmt: skip
    assert part("x", "edges").description == "x"
