"""What every word shares: anything with an id, what a verb returns, why it was refused, and ranges."""

from __future__ import annotations

import enum

import strawberry
from strawberry import UNSET

from planner.declare import column, key, listed
from schema.scalars import DateTime, Month


@strawberry.enum(description="Why a verb was refused (お断りの理由)")
class RefusalCode(enum.Enum):
    NOT_FOUND = strawberry.enum_value("NOT_FOUND", description="No such object, or not yours to see")
    NOT_YOURS = strawberry.enum_value("NOT_YOURS", description="You see it, but this verb is another party's")
    INVALID = strawberry.enum_value("INVALID", description="A value breaks a rule; see path")
    WRONG_STATE = strawberry.enum_value("WRONG_STATE", description="The flow does not allow this step now")
    VERSION_CHANGED = strawberry.enum_value("VERSION_CHANGED", description="The terms changed since you read them")
    AGREEMENT_MISSING = strawberry.enum_value("AGREEMENT_MISSING", description="No active agreement covers this")
    CONSENT_MISSING = strawberry.enum_value(
        "CONSENT_MISSING", description="The candidate has not consented, or no longer does"
    )
    TOKEN_INVALID = strawberry.enum_value("TOKEN_INVALID", description="The personal token is unknown, used or expired")
    LICENSE_EXPIRED = strawberry.enum_value(
        "LICENSE_EXPIRED", description="The agency's licence is missing or expired (許可切れ)"
    )
    DUPLICATE = strawberry.enum_value("DUPLICATE", description="This person was referred here before, by you")
    NOT_ELIGIBLE = strawberry.enum_value(
        "NOT_ELIGIBLE", description="This handover cannot count; nothing more is said (対象外)"
    )
    SLOT_UNAVAILABLE = strawberry.enum_value("SLOT_UNAVAILABLE", description="No slot is available (枠なし)")


@strawberry.input(description="Instants, from ≤ x < to; an open end when left out")
class DateTimeRange:
    from_: DateTime | None = strawberry.field(name="from", description="From, inclusive", default=UNSET)
    to: DateTime | None = strawberry.field(description="To, exclusive", default=UNSET)


@strawberry.input(description="Months of Japan, both inclusive")
class MonthRange:
    from_: Month = strawberry.field(name="from", description="First month")
    to: Month = strawberry.field(description="Last month; at most 36 after the first")


@strawberry.interface(description="Anything with a global id. Seen by whoever may see the object.")
class Node:
    id: strawberry.ID = key("Opaque global id, stable for ever; for a candidate, a different one for each partner")


@strawberry.interface(
    description="What every verb returns; `... on Payload { userErrors { code message } }` is the error handling of all. Seen by the caller."
)
class Payload:
    client_mutation_id: strawberry.ID = column("The id you sent", total=True)
    user_errors: list[UserError] = listed(
        "Why nothing was changed; empty on success", json="{row}.user_errors", at_most=5
    )


@strawberry.type(description="A refusal (お断り) that a person can act upon. Seen by the caller.")
class UserError:
    code: RefusalCode = column("Reason, for programs", total=True)
    message: str = column("What to do, for people, in the language of Accept-Language (ja, en)", total=True)
    path: list[str] | None = column(
        'Path of the input member at fault, such as ["input", "email"]; null when it is the whole', at_most=4
    )
