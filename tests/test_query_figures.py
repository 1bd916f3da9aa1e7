"""Figures, neighbourhoods and paths: by agreement, under small-cell rules, within bounds."""

from typing import Any
from uuid import UUID

import pytest

from models.db import unit_of_work
from models.terms import Sharing
from tests import builders, network
from tests.network import Network
from tests.served import Served, running

__all__ = ["running"]

KPIS = """query ($of: ID, $under: ID, $names: [KpiName!] = [HIRE_RATE]) { kpis(first: 10, filter: {names: $names,
  period: {from: "2025-01", to: "2026-12"}, partnerId: $of, agreementId: $under}) { totalCount edges { node {
  id partner { id } numerator denominator value suppressed suppressionReason } } } }"""


@pytest.fixture
async def made(served: Served) -> Network:
    async with unit_of_work() as connection:
        return await network.network(connection)


async def figures(served: Served, who: UUID, **given: Any) -> list[dict[str, Any]]:
    return [edge["node"] for edge in (await served.ask(who, KPIS, given))["kpis"]["edges"]]


async def test_figures_need_an_agreement_and_counts_show_no_rows(served: Served) -> None:
    """COUNTS_ONLY gives the figure and no application; without an agreement there is neither."""
    async with unit_of_work() as connection:
        company, reader, other = [await builders.company(connection) for _ in range(3)]
        counts = builders.terms(sharing=(Sharing("OUTCOMES", "COUNTS_ONLY"), Sharing("APPLICATIONS", "COUNTS_ONLY")))
        under = await builders.agreed(connection, "INFORMATION_SHARING", company, reader, given=counts)
        for number in range(12):
            await builders.rejected(connection, company, f"person{number}@example.jp")
    own = await figures(served, company)
    assert [(each["numerator"], each["denominator"], each["suppressed"]) for each in own] == [(0, 12, False)]
    shared = await figures(served, reader, of=f"par_{company}")
    assert [(each["denominator"], each["suppressed"], each["partner"]["id"]) for each in shared] == [
        (12, False, f"par_{company}")
    ]
    below = await served.ask(
        reader,
        f'{{ partner(id: "par_{company}") {{ kpis(first: 5, names: [HIRE_RATE], '
        'period: {from: "2025-01", to: "2026-12"}) { edges { node { denominator } } } } '
        "applications(first: 5) { totalCount } outcomes(first: 5) { totalCount } }",
    )
    assert below["partner"]["kpis"]["edges"] == [{"node": {"denominator": 12}}]
    assert (below["applications"]["totalCount"], below["outcomes"]["totalCount"]) == (0, 0)
    together = await figures(served, reader, under=f"agr_{under}")
    assert [(each["denominator"], each["suppressionReason"]) for each in together] == [(None, "FEW_PARTNERS")]
    # Nothing without an agreement: a partner's figure, the agreement's, the figure by its id.
    assert await figures(served, other, of=f"par_{company}") == []
    assert await figures(served, other, under=f"agr_{under}") == []
    node = "query ($id: ID!) { node(id: $id) { ... on Kpi { denominator } } }"
    assert (await served.ask(reader, node, {"id": shared[0]["id"]}))["node"] == {"denominator": 12}
    assert (await served.ask(other, node, {"id": shared[0]["id"]}))["node"] is None


async def test_small_groups_are_withheld_from_others_alone(served: Served, made: Network) -> None:
    [own] = await figures(served, made.company)
    assert (own["numerator"], own["denominator"], own["suppressed"]) == (2, 3, False)
    [shared] = await figures(served, made.friend, of=f"par_{made.company}")
    assert shared == {**own, "numerator": None, "denominator": None, "value": None, "suppressed": True,
                      "suppressionReason": "FEW_PEOPLE", "id": shared["id"]}  # fmt: skip


async def test_an_id_of_another_kind_is_nobodys_figure(served: Served, made: Network) -> None:
    """Given and matching nothing is not the same as left out: it must never fall back to one's own figures."""
    assert len(await figures(served, made.company)) == 1
    for junk in ("junk", "par_junk", "agr_junk", f"job_{made.job}", "", "par_", "agr_"):
        assert await figures(served, made.company, of=junk) == []
        assert await figures(served, made.company, under=junk) == []
        literal = KPIS.replace("partnerId: $of, agreementId: $under", f'partnerId: "{junk}"')
        literal = literal.replace("$of: ID, $under: ID, ", "")
        assert (await served.ask(made.company, literal))["kpis"]["totalCount"] == 0
    assert len(await figures(served, made.company, of=None, under=None)) == 1


NEAR = """query ($of: ID!, $depth: Int!, $roles: [ContributionRole!]) {
  neighbourhood(of: $of, depth: $depth, first: 10, roles: $roles) { pageInfo { hasNextPage }
  edges { distance contributions roles node { id } via { id } } } }"""


async def near(served: Served, who: UUID, of: str, depth: int = 1, roles: list[str] | None = None) -> list[Any]:
    data = await served.ask(who, NEAR, {"of": of, "depth": depth, "roles": roles})
    return [(each["distance"], each["node"]["id"], each["via"]["id"]) for each in data["neighbourhood"]["edges"]]


async def test_a_neighbourhood_is_bounded_and_shows_what_one_may_see(served: Served, made: Network) -> None:
    company, agency, referrer = (f"par_{each}" for each in (made.company, made.agency, made.referrer))
    around = sorted([(1, agency, company), (1, referrer, company)])
    for depth in (1, 2, 3):
        assert sorted(await near(served, made.company, company, depth)) == around
    assert await near(served, made.company, company, 1, ["PLACED"]) == [(1, agency, company)]
    assert sorted(await near(served, made.friend, company)) == around
    assert await near(served, made.stranger, company, 3) == []
    assert await near(served, made.company, "par_junk") == await near(served, made.company, f"agr_{made.relay}") == []
    for depth in (0, 4, -1, 2_000_000_000):
        [error] = await served.errors(made.company, NEAR, {"of": company, "depth": depth})
        assert error["extensions"]["code"] == "BAD_VALUE"
        assert error["message"] == f"`depth` must be 1 to 3; {depth} was asked."
        [error] = await served.errors(
            made.company, f'{{ neighbourhood(of: "{company}", depth: {depth}, first: 1) {{ edges {{ distance }} }} }}'
        )
        assert error["extensions"]["code"] == "BAD_VALUE"


async def test_a_path_tells_how_the_person_came(served: Served, made: Network) -> None:
    """Contributions in order of time, for whoever sees the hire; for others there is no such hire."""
    text = "query ($to: ID!) { path(to: $to) { hire { id } steps { role contributor { id } share } } }"
    path = (await served.ask(made.company, text, {"to": f"hire_{made.hire}"}))["path"]
    assert path["hire"] == {"id": f"hire_{made.hire}"}
    assert [(step["role"], step["contributor"]["id"]) for step in path["steps"]] == [("PLACED", f"par_{made.agency}")]
    assert [float(step["share"]) for step in path["steps"]] == [1.0]
    for who, hire in (
        (made.stranger, f"hire_{made.hire}"),
        (made.company, "hire_junk"),
        (made.company, f"par_{made.company}"),
    ):
        assert (await served.ask(who, text, {"to": hire}))["path"] is None
