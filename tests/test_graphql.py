"""GraphQL over HTTP, on the running application: one statement a question, whatever its shape."""

from models.db import unit_of_work
from tests import builders
from tests.served import Served, running

__all__ = ["running"]


async def test_who_is_asking(served: Served) -> None:
    async with unit_of_work() as connection:
        company = await builders.company(connection, "株式会社青空")
    data = await served.ask(
        company, "{ viewer { login scopes partner { __typename id name slug } throttle { maximum } } }"
    )
    assert data["viewer"]["partner"] == {
        "__typename": "Company",
        "id": f"par_{company}",
        "name": "株式会社青空",
        "slug": data["viewer"]["partner"]["slug"],
    }
