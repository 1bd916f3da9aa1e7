"""Placeholder"""

import strawberry


@strawberry.type(description="Verbs.")
class Mutation:
    @strawberry.field
    def x(self) -> int:
        return 1
