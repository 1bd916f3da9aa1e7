"""Random valid documents over the toy schema, each with several sets of variables."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLUnionType,
    Undefined,
    parse,
    validate,
)

from planner.codec import is_plural, named
from tests.planner_world.judge import JUDGE_SCHEMA
from tests.planner_world.rows import EVIL, STATUSES, Rows

DEEPEST = 9
LONGEST_CHARACTERS = 2_500
ALIASES = ("1", "t9", "j", "e0", "n", "c", "x" * 63, "y" * 64, "z" * 70, "row", "id", "node", "data", "select", "_")


@dataclass
class Document:
    """A text, and the sets of variables to send with it."""

    text: str
    ast: DocumentNode
    variables: list[dict[str, Any]]


@dataclass
class Maker:
    """Makes one document."""

    source: random.Random
    rows: Rows
    definitions: dict[str, Any] = field(default_factory=dict)
    meant: dict[str, str] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    fragments: dict[str, str] = field(default_factory=dict)
    aliases: int = 0

    def document(self) -> str:
        """The text of a query."""
        body = self.selection(JUDGE_SCHEMA.query_type, 0)
        variables = ", ".join(
            f"${name}: {type_}"
            + (f" = {self.literal(named(type_), self.defaults[name])}" if name in self.defaults else "")
            for name, type_ in self.definitions.items()
        )
        head = f"query Q({variables})" if variables else "query Q"
        return "\n".join([f"{head} {body}", *self.fragments.values()])

    def chance(self, share: float) -> bool:
        return self.source.random() < share

    def selection(self, type_: Any, depth: int) -> str:
        """A selection set of a composite type."""
        parts = [self.part(type_, depth) for _ in range(self.source.randrange(1, 5))]
        if self.chance(0.25):
            parts.append(self.source.choice(parts))
        return "{ " + " ".join(parts) + " }"

    def part(self, type_: Any, depth: int) -> str:
        if isinstance(type_, (GraphQLInterfaceType, GraphQLUnionType)) and self.chance(0.6):
            inner: Any = self.source.choice(JUDGE_SCHEMA.get_possible_types(type_))
            if self.chance(0.3):
                inner = self.source.choice([JUDGE_SCHEMA.type_map["Node"], JUDGE_SCHEMA.type_map["Partner"]])
            return self.fragment(inner, depth)
        if self.chance(0.1) and not isinstance(type_, GraphQLUnionType):
            return self.fragment(type_, depth)
        return self.field(type_, depth)

    def fragment(self, type_: Any, depth: int) -> str:
        body = self.selection(type_, depth)
        if self.chance(0.4):
            name = f"F{len(self.fragments)}"
            self.fragments[name] = f"fragment {name} on {type_.name} {body}"
            return f"...{name}{self.directive()} " + (f"...{name}" if self.chance(0.3) else "")
        return f"... on {type_.name}{self.directive()} {body}"

    def directive(self) -> str:
        if not self.chance(0.15):
            return ""
        name = self.source.choice(("skip", "include"))
        value = self.variable("Boolean!") if self.chance(0.6) else self.source.choice(("true", "false"))
        return f" @{name}(if: {value})"

    def field(self, type_: Any, depth: int) -> str:
        if isinstance(type_, GraphQLUnionType):
            return "__typename"
        fields: dict[str, Any] = {
            name: each for name, each in type_.fields.items()
            if depth < DEEPEST or not isinstance(named(each.type), (GraphQLObjectType, GraphQLInterfaceType))
        }  # fmt: skip
        fields.pop("_service", None)
        if self.chance(0.08) or not fields:
            return "__typename"
        name = self.source.choice(list(fields))
        chosen = fields[name]
        arguments = self.arguments(chosen)
        target = named(chosen.type)
        composite = isinstance(target, (GraphQLObjectType, GraphQLInterfaceType, GraphQLUnionType))
        body = " " + self.selection(target, depth + 1) if composite else ""
        alias = ""
        if arguments or self.chance(0.3):
            self.aliases += 1
            picked = self.source.choice(ALIASES)
            alias = (f"{picked}{self.aliases}" if self.chance(0.7) or picked == "1" else picked) + ": "
            alias = f"a{alias}" if alias[0].isdigit() else alias
        return f"{alias}{name}{arguments}{self.directive()}{body}"

    def arguments(self, chosen: Any) -> str:
        parts: list[str] = []
        for name, argument in chosen.args.items():
            needed = str(argument.type).endswith("!") and argument.default_value is Undefined
            if not needed and self.chance(0.5):
                continue
            parts.append(f"{name}: {self.given(name, argument.type, argument.default_value is not Undefined)}")
        return f"({', '.join(parts)})" if parts else ""

    def given(self, name: str, type_: Any, has_default: bool = False) -> str:
        """A literal, a variable, or for an input object both mixed."""
        base = named(type_)
        if self.chance(0.45):
            text = str(type_)
            if has_default and text.endswith("!") and self.chance(0.3):
                text = text[:-1]
                return self.variable(text, self.value(type_, name), name)
            default = self.value(type_, name) if self.chance(0.3) else None
            return self.variable(text, default, name)
        if isinstance(base, GraphQLInputObjectType) and not is_plural(type_):
            members: list[str] = []
            for member, each in base.fields.items():
                needed = str(each.type).endswith("!") and each.default_value is Undefined
                if needed or self.chance(0.25):
                    members.append(f"{member}: {self.given(member, each.type)}")
            return "{" + ", ".join(members) + "}"
        return self.literal(base, self.value(type_, name))

    def variable(self, type_: str, default: Any = None, meant: str = "") -> str:
        known = [
            name for name, each in self.definitions.items()
            if str(each) == type_ and name not in self.defaults and self.meant[name] == meant
        ]  # fmt: skip
        if known and default is None and self.chance(0.3):
            return "$" + self.source.choice(known)
        name = f"v{len(self.definitions)}"
        self.definitions[name] = _type(type_)
        self.meant[name] = meant
        if default is not None:
            self.defaults[name] = default
        return f"${name}"

    def value(self, type_: Any, name: str) -> Any:
        """A random value of an input type, as JSON."""
        text, base = str(type_), named(type_)
        if not text.endswith("!") and self.chance(0.15):
            return None
        if is_plural(type_) and base.name == "_Any":
            return [self.representation() for _ in range(self.source.randrange(4))]
        if is_plural(type_):
            return [self.one(base, name) for _ in range(self.source.randrange(4))]
        return self.one(base, name)

    def one(self, base: Any, name: str) -> Any:
        source = self.source
        if isinstance(base, GraphQLEnumType):
            return source.choice(list(base.values))
        if isinstance(base, GraphQLInputObjectType):
            made: dict[str, Any] = {}
            for member, each in base.fields.items():
                needed = str(each.type).endswith("!") and each.default_value is Undefined
                if needed or self.chance(0.3):
                    made[member] = self.value(each.type, member)
            return made
        if base.name == "Int":
            return source.choice((1, 2, 3, 5, 7, 100)) if name == "first" else source.choice((0, 1, 2, 3))
        makers = {
            "Boolean": lambda: self.chance(0.5),
            "ID": lambda: self.identifier(name),
            "DateTime": lambda: f"2026-01-0{source.randrange(1, 8)}T09:00:00+09:00",
            "Date": lambda: "2026-05-01",
            "Decimal": lambda: source.choice(("0.001", "1.5", "2")),
            "Month": lambda: "2026-01",
            "String": lambda: self.text(name),
        }
        return makers[base.name]()

    def text(self, name: str) -> Any:
        if name == "after":
            return None
        if name == "kinds":
            return self.source.choice(("COMPANY", "SCHOOL", "REFERRER"))
        if name == "names":
            return self.source.choice(("COUNT", "RATE", "OTHER"))
        if name == "number":
            return f"N{self.source.randrange(15)}"
        return self.source.choice((*EVIL, *STATUSES, "a", "e"))

    def identifier(self, name: str) -> str:
        tables = {
            "can": "candidate",
            "job": "job",
            "par": "partner",
            "ref": "referral",
            "out": "outcome",
            "mai": "mail",
        }
        likely = {"companyId": "par", "partnerId": "par", "of": "par"}.get(name)
        prefix = likely if likely is not None and self.chance(0.8) else self.source.choice([*tables, "fig", "zzz"])
        if prefix == "fig":
            return f"fig_{self.source.choice(self.rows['partner'])['id']}:{self.source.choice(('COUNT', 'RATE', 'X'))}"
        if prefix == "zzz" or self.chance(0.1):
            return self.source.choice(("", "par", "par_", "job_x", "_", "job_" + "0" * 36, "'; --", "par_é"))
        return f"{prefix}_{self.source.choice(self.rows[tables[prefix]])['id']}"

    def representation(self) -> Any:
        name = self.source.choice(("Company", "School", "Partner", "Job", "Referral", "Figure", "Nothing"))
        if name in ("Company", "School") and self.chance(0.5):
            return {"__typename": name, "number": f"N{self.source.randrange(15)}"}
        return self.source.choice(({"__typename": name, "id": self.identifier("id")},) * 4 + ({"__typename": name},))

    def literal(self, base: Any, value: Any) -> str:
        """A JSON value as GraphQL."""
        if isinstance(value, list):
            return "[" + ", ".join(self.literal(base, each) for each in value) + "]"
        if isinstance(value, dict):
            members = getattr(base, "fields", {})
            parts = (
                f"{name}: {self.literal(named(members[name].type) if name in members else None, each)}"
                for name, each in value.items()
            )
            return "{" + ", ".join(parts) + "}"
        if isinstance(base, GraphQLEnumType) and value is not None:
            return value
        return json.dumps(value, ensure_ascii=False)


def make(source: random.Random, rows: Rows, sets: int = 3) -> Document:
    """A valid document that asks something, with so many sets of variables."""
    while True:
        maker = Maker(source, rows)
        text = maker.document()
        if len(text) > LONGEST_CHARACTERS:
            continue
        ast = parse(text)
        if not validate(JUDGE_SCHEMA, ast):
            return Document(text, ast, [_variables(maker) for _ in range(sets)])


def _variables(maker: Maker) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, type_ in maker.definitions.items():
        optional = name in maker.defaults or not str(type_).endswith("!")
        if optional and maker.chance(0.4):
            continue
        value = maker.value(type_, maker.meant[name])
        found[name] = value
    return found


def _type(text: str) -> Any:
    from graphql import parse_type, type_from_ast

    return type_from_ast(JUDGE_SCHEMA, parse_type(text))
