"""Verbs: each runs in one transaction, once per clientMutationId; a refusal changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from planner.declare import verb
from schema.verbs import agreement, application, outcome, partner, referral, relay

if TYPE_CHECKING:
    from schema.verbs.agreement import AgreementPayload
    from schema.verbs.application import ApplicationPayload, JobPayload
    from schema.verbs.outcome import HirePayload, SurveyPayload
    from schema.verbs.partner import AtsIntegrationPayload, PartnerPayload
    from schema.verbs.referral import ReferralPayload
    from schema.verbs.relay import HandoverPayload, RejectionMailPayload, SlotPayload


@strawberry.type(
    description="Verbs. Each runs in one transaction, once per clientMutationId; a refusal changes nothing."
)
class Mutation:
    register_company: PartnerPayload | None = verb(
        "Register a company (企業の登録); the platform's operator",
        partner.register_company,
        "What to register",
        scopes=[["network:admin"]],
    )
    register_school: PartnerPayload | None = verb(
        "Register a school (学校の登録); the platform's operator",
        partner.register_school,
        "What to register",
        scopes=[["network:admin"]],
    )
    register_agency: PartnerPayload | None = verb(
        "Register an agency (人材紹介会社の登録); the platform's operator",
        partner.register_agency,
        "What to register",
        scopes=[["network:admin"]],
    )
    register_referrer: PartnerPayload | None = verb(
        "Register a referrer of one's own company (紹介者の登録)",
        partner.register_referrer,
        "Whom to register",
        scopes=[["partner:admin"]],
    )
    register_community: PartnerPayload | None = verb(
        "Register a community (団体の登録); the platform's operator",
        partner.register_community,
        "What to register",
        scopes=[["network:admin"]],
    )
    connect_ats: AtsIntegrationPayload | None = verb(
        "Connect an applicant-tracking system (ATS連携)",
        partner.connect_ats,
        "What to connect",
        scopes=[["partner:admin"]],
    )
    offer_agreement: AgreementPayload | None = verb(
        "Offer an agreement to other partners (契約の申し込み)",
        agreement.offer_agreement,
        "What to offer",
        scopes=[["agreements:write"]],
    )
    counter_agreement: AgreementPayload | None = verb(
        "Answer an offer with other terms (対案)",
        agreement.counter_agreement,
        "What to counter",
        scopes=[["agreements:write"]],
    )
    accept_agreement: AgreementPayload | None = verb(
        "Accept exactly the version you read (契約の承諾)",
        agreement.accept_agreement,
        "What to accept",
        scopes=[["agreements:write"]],
    )
    suspend_agreement: AgreementPayload | None = verb(
        "Suspend sharing at once (契約の一時停止)",
        agreement.suspend_agreement,
        "What to suspend",
        scopes=[["agreements:write"]],
    )
    resume_agreement: AgreementPayload | None = verb(
        "Resume a suspended agreement (契約の再開)",
        agreement.resume_agreement,
        "What to resume",
        scopes=[["agreements:write"]],
    )
    terminate_agreement: AgreementPayload | None = verb(
        "End an agreement; sharing stops at once (契約の終了)",
        agreement.terminate_agreement,
        "What to end",
        scopes=[["agreements:write"]],
    )
    submit_referral: ReferralPayload | None = verb(
        "Recommend a candidate to a company or job (紹介の提出)",
        referral.submit_referral,
        "Whom to recommend",
        scopes=[["referrals:write"]],
    )
    confirm_referral: ReferralPayload | None = verb(
        "The candidate confirms or declines a referral, by the token in their mail (本人確認)",
        referral.confirm_referral,
        "What to confirm",
        scopes=[["referrals:write"]],
    )
    post_job: JobPayload | None = verb(
        "Post a job (求人の公開)", application.post_job, "What to post", scopes=[["applications:write"]]
    )
    update_job: JobPayload | None = verb(
        "Change a job; what is left out stays (求人の変更)",
        application.update_job,
        "What to change",
        scopes=[["applications:write"]],
    )
    record_application: ApplicationPayload | None = verb(
        "Record an application where no ATS does (応募の登録)",
        application.record_application,
        "What to record",
        scopes=[["applications:write"]],
    )
    record_stage: ApplicationPayload | None = verb(
        "Record a selection stage (選考段階の記録)",
        application.record_stage,
        "What to record",
        scopes=[["applications:write"]],
    )
    reject_application: ApplicationPayload | None = verb(
        "Reject, and send the mail with the personal relay URL (不採用)",
        application.reject_application,
        "What to reject",
        scopes=[["applications:write"]],
    )
    withdraw_application: ApplicationPayload | None = verb(
        "The candidate withdrew (辞退)",
        application.withdraw_application,
        "What to close",
        scopes=[["applications:write"]],
    )
    hire_application: ApplicationPayload | None = verb(
        "Hire (採用)", application.hire_application, "What to record", scopes=[["applications:write"]]
    )
    revert_decision: ApplicationPayload | None = verb(
        "Take back a rejection or a hire by a later event (取消)",
        application.revert_decision,
        "What to revert",
        scopes=[["applications:write"]],
    )
    save_rejection_mail: RejectionMailPayload | None = verb(
        "Save the rejection mail; the relay URL is inserted exactly once (お祈りメール)",
        relay.save_rejection_mail,
        "What to save",
        scopes=[["relay:write"]],
    )
    accept_handover: HandoverPayload | None = verb(
        "Accept a handover (リレーの受諾)", relay.accept_handover, "What to accept", scopes=[["relay:write"]]
    )
    decline_handover: HandoverPayload | None = verb(
        "Decline a handover, with a reason (リレーの辞退)",
        relay.decline_handover,
        "What to decline",
        scopes=[["relay:write"]],
    )
    record_placement: HandoverPayload | None = verb(
        "Record that a handed-over person found work outside the network (決定報告); counts only",
        relay.record_placement,
        "What to record",
        scopes=[["relay:write"]],
    )
    reserve_slot: SlotPayload | None = verb(
        "Reserve a slot at offer (枠の予約)", relay.reserve_slot, "What to reserve", scopes=[["relay:write"]]
    )
    redeem_slot: SlotPayload | None = verb(
        "Redeem a reserved slot at the start date (枠の利用)",
        relay.redeem_slot,
        "What to redeem",
        scopes=[["relay:write"]],
    )
    release_slot: SlotPayload | None = verb(
        "Release a reserved slot (枠の解放)", relay.release_slot, "What to release", scopes=[["relay:write"]]
    )
    record_retention: HirePayload | None = verb(
        "Record whether a hire still works there (定着確認)",
        outcome.record_retention,
        "What to record",
        scopes=[["applications:write"]],
    )
    answer_survey: SurveyPayload | None = verb(
        "The candidate answers a survey, by the token in their mail (アンケート回答)",
        outcome.answer_survey,
        "The answer",
        scopes=[["applications:write"]],
    )
