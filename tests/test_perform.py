"""Verbs: once per key, all or nothing, and never for a selection that is refused."""

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from graphql import GraphQLError

from api.perform import Context, perform
from auth.viewer import Viewer
from models import job, outcome, seal
from models.db import after_commit, credentials, retried, settled_together, unit_of_work
from planner import Answer
from schema.act import Act
from schema.prefecture import Prefecture
from schema.verbs import application
from schema.verbs.application import PostJobInput
from tests import builders
from tests.deadlock import undone_once
from tests.network import digest
from tests.served import ALL, Served, running

__all__ = ["running"]

POST = """mutation ($key: ID!, $title: String = "設計") {
  postJob(input: {clientMutationId: $key, title: $title, requirements: "CAD", prefecture: TOKYO})
  { clientMutationId userErrors { code message path } job { id title status } } }"""
STAGE = """mutation ($key: ID!, $id: ID!) {
  recordStage(input: {clientMutationId: $key, applicationId: $id, stage: INTERVIEW})
  { userErrors { code message path } event { id kind stage } application { stage } } }"""


@pytest.fixture
async def company(served: Served) -> UUID:
    async with unit_of_work() as connection:
        return await builders.company(connection)


async def jobs() -> int:
    async with unit_of_work() as connection:
        return await connection.fetchval("select count(*) from job")


async def test_a_replay_gets_the_first_result_read_anew(served: Served, company: UUID) -> None:
    """proof 4.6: the same key and input: the verb has run once, the selection is that of now, and may be another."""
    first = (await served.ask(company, POST, {"key": "one"}))["postJob"]
    assert first == {
        "clientMutationId": "one",
        "userErrors": [],
        "job": {**first["job"], "title": "設計", "status": "OPEN"},
    }
    job_id = first["job"]["id"]
    close = """mutation ($id: ID!) {
      updateJob(input: {clientMutationId: "two", jobId: $id, title: "生産技術", status: CLOSED})
      { job { status } } }"""
    assert (await served.ask(company, close, {"id": job_id}))["updateJob"] == {"job": {"status": "CLOSED"}}
    again = (await served.ask(company, POST, {"key": "one"}))["postJob"]
    assert again == {**first, "job": {"id": job_id, "title": "生産技術", "status": "CLOSED"}}
    less = POST.replace("job { id title status }", "job { closedAt }")
    assert (await served.ask(company, less, {"key": "one"}))["postJob"]["job"]["closedAt"]
    assert await jobs() == 1


async def test_another_input_or_verb_under_the_same_key_is_a_conflict(served: Served, company: UUID) -> None:
    """proof 4.6: IDEMPOTENCY_CONFLICT, and nothing has run; another client's keys are its own."""
    await served.ask(company, POST, {"key": "one"})
    [error] = await served.errors(company, POST, {"key": "one", "title": "製造"})
    assert error["extensions"] == {"code": "IDEMPOTENCY_CONFLICT"}
    assert error["path"] == ["postJob"]
    refer = """mutation {
      registerReferrer(input: {clientMutationId: "one", companyId: "x", name: "x", affiliation: EMPLOYEE,
      email: "x@example.jp", prefecture: TOKYO}) { partner { id } } }"""
    [error] = await served.errors(company, refer)
    assert error["extensions"] == {"code": "IDEMPOTENCY_CONFLICT"}
    assert await jobs() == 1
    other = await served.ask(
        company, POST, {"key": "one", "title": "製造"}, scope=("applications:write", "network:read")
    )
    assert other["postJob"]["job"]["title"] == "製造"
    assert await jobs() == 2


async def test_of_calls_at_once_one_runs_and_the_others_wait(served: Served, company: UUID) -> None:
    """proof 4.6: ten times the same call at the same time: one verb, ten equal answers."""
    token = await served.token(company)
    answers = await asyncio.gather(*(served.insist(POST, token, {"key": "one"}) for _ in range(10)))
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].json()["data"]["postJob"]["job"]["title"] == "設計"
    assert await jobs() == 1


async def test_a_refusal_is_not_remembered_and_changes_nothing(served: Served, company: UUID, database: str) -> None:
    """A key whose verb was refused is free: the same call works once the reason has gone."""
    async with unit_of_work() as connection:
        application_id = await builders.rejected(connection, company)
    given = {"key": "one", "id": f"app_{application_id}"}
    await served.token(company)
    owner = await asyncpg.connect(**credentials(database))
    before = await digest(owner)
    refused = (await served.ask(company, STAGE, given))["recordStage"]
    assert (refused["event"], refused["application"]) == (None, None)
    [error] = refused["userErrors"]
    assert error["code"] == "WRONG_STATE"
    assert await digest(owner) == before
    await owner.close()
    revert = """mutation ($id: ID!) {
      revertDecision(input: {clientMutationId: "two", applicationId: $id, reason: "誤り"})
      { userErrors { code } event { corrects { kind } } } }"""
    reverted = (await served.ask(company, revert, {"id": given["id"]}))["revertDecision"]
    assert reverted == {"userErrors": [], "event": {"corrects": {"kind": "REJECTED"}}}
    done = (await served.ask(company, STAGE, given))["recordStage"]
    assert done["userErrors"] == []
    assert (done["event"]["kind"], done["event"]["stage"], done["application"]["stage"]) == (
        "STAGE_CHANGED", "INTERVIEW", "INTERVIEW",
    )  # fmt: skip


async def test_a_refusal_speaks_the_callers_language(served: Served, company: UUID) -> None:
    headers = {"Authorization": f"Bearer {await served.token(company)}"}
    body = {"query": STAGE, "variables": {"key": "one", "id": "app_x"}}
    said: list[str] = []
    for language in ("ja,en;q=0.5", "en-GB,ja;q=0.2", ""):
        answer = await served.http.post("/graphql", json=body, headers={**headers, "Accept-Language": language})
        said.append(answer.json()["data"]["recordStage"]["userErrors"][0]["message"])
    assert said[0].startswith("対象が見つからない")
    assert said[1] == said[2] == "No such object, or not yours to see. Check the id."


TWO = """mutation ($id: ID!) {
  a: postJob(input: {clientMutationId: "a", title: "設計", requirements: "CAD", prefecture: TOKYO})
    { job { title } }
  b: recordStage(input: {clientMutationId: "b", applicationId: $id, stage: OFFER})
    { userErrors { code path } event { id } }
  c: postJob(input: {clientMutationId: "a", title: "別", requirements: "CAD", prefecture: TOKYO})
    { job { title } }
  d: postJob(input: {clientMutationId: "d", title: "製造", requirements: "CAD", prefecture: TOKYO})
    { job { title } } }"""


async def test_verbs_of_one_document_stand_or_fall_each_by_itself(served: Served, company: UUID) -> None:
    answer = (await served.post(TWO, await served.token(company), {"id": "app_x"})).json()
    assert answer["data"] == {
        "a": {"job": {"title": "設計"}},
        "b": {"userErrors": [{"code": "NOT_FOUND", "path": ["input", "applicationId"]}], "event": None},
        "c": None,
        "d": {"job": {"title": "製造"}},
    }
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["c"], "IDEMPOTENCY_CONFLICT")
    assert await jobs() == 2


async def test_a_selection_that_is_refused_runs_no_verb(served: Served, company: UUID) -> None:
    """Scope, cost, pages and unknown fields of a payload are asked before the first verb."""
    pages = " ".join(f"p{number}: jobs(first: 100) {{ edges {{ cursor }} }}" for number in range(12))
    page = f"applications(first: 100) {{ edges {{ node {{ company {{ {pages} }} }} }} }}"
    for selection, code in (
        ("job { applications(first: 1) { totalCount } }", "INSUFFICIENT_SCOPE"),
        ("job { referrals(first: 0) { totalCount } }", "BAD_PAGE"),
        (f"job {{ company {{ {page} }} }}", "TOO_COSTLY"),
        ("job { nothing }", "BAD_REQUEST"),
    ):
        scope = ("applications:write",) if code == "INSUFFICIENT_SCOPE" else ALL
        text = POST.replace("job { id title status }", selection)
        answer = (await served.post(text, await served.token(company, scope), {"key": "one"})).json()
        assert "data" not in answer
        assert answer["errors"][0]["extensions"]["code"] == code, answer
    assert await jobs() == 0


async def test_a_verb_that_fails_leaves_nothing_and_says_nothing(
    served: Served, company: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure of ours: rolled back with its key, one error with a path, and no word of SQL."""
    post_job = application.jobs.post_job

    async def fails(connection: Any, **given: Any) -> UUID:
        await post_job(connection, **given)
        await connection.execute("select 1 / 0")
        raise AssertionError

    monkeypatch.setattr(application.jobs, "post_job", fails)
    answer = (await served.post(POST, await served.token(company), {"key": "one"})).json()
    assert answer["data"] == {"postJob": None}
    [error] = answer["errors"]
    assert (error["path"], error["extensions"]) == (["postJob"], {"code": "INTERNAL"})
    assert "zero" not in error["message"]
    assert await jobs() == 0
    monkeypatch.undo()
    assert (await served.ask(company, POST, {"key": "one"}))["postJob"]["job"]["title"] == "設計"


async def test_people_of_one_product_have_keys_of_their_own(served: Served, company: UUID) -> None:
    """One public client serves people of many partners: nobody's key blocks another's, or leads to their result."""
    program = await served.app.state.endpoint.tokens.verify(await served.token(company))
    one, other = (replace(program, member_id=uuid4()) for _ in range(2))
    assert len({program.caller, one.caller, other.caller}) == 3

    async def post(viewer: Viewer, title: str) -> Any:
        given = PostJobInput(client_mutation_id="one", title=title, requirements="CAD", prefecture=Prefecture.TOKYO)
        seen: list[Any] = []

        async def read(row: Any, connection: Any, claim: Any = None) -> Answer | None:
            seen.append(row["job_id"])
            return Answer(b"") if claim is None or await connection.fetchval(claim[0], *claim[1]) else None

        await perform(application.post_job, Context(viewer, "ja"), given, read)
        return seen[-1]

    assert await post(one, "設計") != await post(other, "製造")
    with pytest.raises(GraphQLError, match="another input"):
        await post(one, "製造")
    assert await jobs() == 2


async def test_a_survey_is_read_by_the_call_that_answers_it_alone(served: Served, company: UUID) -> None:
    async with unit_of_work() as connection:
        application_id = await builders.application(connection, company)
        said = builders.said(company, datetime.now(UTC))
        await outcome.reject(connection, application_id=application_id, acting=company, said=said)
        survey_id = await connection.fetchval("select id from survey")
    answer = """mutation ($token: String!) { answerSurvey(input: {clientMutationId: "1", token: $token, score: 4})
      { userErrors { code } survey { id score sentAt answeredAt } } }"""
    given = {"token": seal.survey_token(survey_id)}
    data = (await served.ask(company, answer, given))["answerSurvey"]
    assert (data["userErrors"], data["survey"]["id"], data["survey"]["score"]) == ([], f"sur_{survey_id}", 4)
    assert data["survey"]["sentAt"]  # whoever answers has the letter
    assert (await served.ask(company, f'{{ node(id: "sur_{survey_id}") {{ id }} }}'))["node"] is None
    assert (await served.ask(company, answer, given))["answerSurvey"] == {"userErrors": [], "survey": None}


GIVEN = PostJobInput(client_mutation_id="one", title="設計", requirements="CAD", prefecture=Prefecture.TOKYO)


async def read_key(row: Any, connection: Any, claim: Any = None) -> Answer | None:
    """A payload that takes its key, where there is one to take, and shows nothing else."""
    return Answer(row["told"]) if claim is None or await connection.fetchval(claim[0], *claim[1]) else None


async def test_verbs_that_deadlock_are_both_answered(served: Served, company: UUID) -> None:
    """PostgreSQL undoes one of the two, and it is run again: each has taken effect once."""
    viewer = await served.app.state.endpoint.tokens.verify(await served.token(company))
    async with unit_of_work() as connection:
        posted = {"said": builders.said(company), "title": "設計", "requirements": "", "prefecture": "TOKYO"}
        rows = [await job.post_job(connection, **posted) for _ in range(2)]
    runs: list[str] = []
    both = asyncio.Barrier(2)

    def verb(name: str, first: UUID, second: UUID) -> Any:
        async def run(act: Act, given: Any) -> dict[str, Any]:
            change = "update job set title = title || $2 where id = $1"
            runs.append(name)
            await act.connection.execute(change, first, name)
            if runs.count(name) == 1:
                await both.wait()
            await act.connection.execute(change, second, name)
            return {"told": name.encode()}

        return run

    one, two = verb("A", *rows), verb("B", *reversed(rows))
    answers = await asyncio.gather(
        perform(one, Context(viewer, "ja"), GIVEN, read_key),
        perform(two, Context(viewer, "ja"), replace(GIVEN, client_mutation_id="two"), read_key),
    )
    assert [answer.body for answer in answers] == [b"A", b"B"]
    assert sorted(runs) in (["A", "A", "B"], ["A", "B", "B"])
    async with unit_of_work() as connection:
        titles = await connection.fetch("select title from job")
        assert {row["title"] for row in titles} < {"設計AB", "設計BA"}  # one after the other


@pytest.mark.parametrize(("failures", "runs"), [(2, 3), (3, 3)])
async def test_what_cannot_be_serialized_is_run_twice_more_at_most(
    served: Served, company: UUID, failures: int, runs: int
) -> None:
    viewer = await served.app.state.endpoint.tokens.verify(await served.token(company))
    run = 0

    async def verb(act: Act, given: Any) -> dict[str, Any]:
        nonlocal run
        run += 1
        row = await application.post_job(act, given)
        if run <= failures:  # as `keep_candidate` says it of somebody who was erased meanwhile
            await act.connection.execute("do $$ begin raise exception using errcode = 'serialization_failure'; end $$")
        return {**row, "told": b"done"}

    called = perform(verb, Context(viewer, "ja"), GIVEN, read_key)
    if failures < runs:
        assert (await called).body == b"done"
    else:
        with pytest.raises(asyncpg.SerializationError):
            await called
    assert (run, await jobs()) == (runs, int(failures < runs))


async def test_a_verb_that_met_another_the_wrong_way_is_run_again(served: Served, company: UUID) -> None:
    """Retention and the taking back of a hire, say: who waits for each other is told apart by PostgreSQL, not by us."""
    async with unit_of_work() as connection:
        application_id = await builders.application(connection, company)
        words = {"application_id": application_id, "acting": company, "starts_on": builders.TODAY}
        hired = await outcome.hire(connection, said=builders.said(company), **words)
    verb = """mutation ($id: ID!) {
      recordRetention(input: {clientMutationId: "k", hireId: $id, day: 30, status: EMPLOYED})
      { userErrors { code } hire { retention { day } } } }"""
    await served.token(company)
    answer = await undone_once(
        served.database, "hire", "outcome_event", served.ask(company, verb, {"id": f"hire_{hired.hire_id}"})
    )
    assert answer["recordRetention"] == {"userErrors": [], "hire": {"retention": [{"day": 30}]}}
    async with unit_of_work() as connection:
        told = "select count(*) from outcome_event where kind = 'RETENTION_CHECKED'"
        assert await connection.fetchval(told) == 1


async def test_what_is_committed_settles_once_and_is_never_run_again(connected: str) -> None:
    """Waiting for replicas may fail as a transaction does, but then nothing was undone."""
    done: list[str] = []

    async def settle() -> None:
        done.append("settled")
        raise asyncpg.SerializationError

    async def work() -> None:
        async with unit_of_work() as connection:
            await connection.execute("select")
        done.append("committed")

    after_commit(settle)
    try:
        for around in (nullcontext(), settled_together()):
            with pytest.raises(asyncpg.SerializationError):
                async with around:
                    await retried(work)
    finally:
        after_commit(None)
    assert done == ["committed", "settled"] * 2
