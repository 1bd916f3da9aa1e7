"""What a token for one agreement (契約) sees: what its parties share through it, and nothing else.

The viewer's own records are seen as far as the agreement shares them too: a page made for one partner shows both
sides of that one room. Figures, people and the house's own affairs lie outside it. The scopes only read.
"""

ONE_AGREEMENT = "one agreement"
"""Stands in a viewer's standing beside the scopes, so that plans for such a token are plans of their own. It has a
blank, and no scope has one."""

SCOPES = frozenset(
    {"network:read", "referrals:read", "applications:read", "relay:read", "outcomes:read", "agreements:read"}
)
"""What such a token may be asked for at most."""

VIEWER, AGREEMENT = "{viewer.partner}", "{viewer.agreement}"


def _shared(category: str) -> str:
    # Who gives this category through the agreement, to the viewer or, being the viewer, to somebody else.
    return (
        f"any(array(select s.giver_id from agreement_share s where s.agreement_id = {AGREEMENT} "
        f"and s.category = '{category}' and s.granularity = 'FIELDS' and {VIEWER} in (s.giver_id, s.receiver_id) "
        "and s.starts_on <= (now() at time zone 'Asia/Tokyo')::date "
        "and (s.ends_on is null or s.ends_on >= (now() at time zone 'Asia/Tokyo')::date)))"
    )


NOTHING = "false"
MINE = (
    f"any(array(select m.agreement_id from agreement_party m where m.agreement_id = {AGREEMENT} "
    f"and m.partner_id = {VIEWER}))"
)
OF_AGREEMENT = f"({{row}}.agreement_id = {AGREEMENT} and {VIEWER} in ({{row}}.company_id, {{row}}.agency_id))"
OF_ACCOUNT = (
    f"{{row}}.account_id = any(array(select a.id from relay_account a where a.agreement_id = {AGREEMENT} "
    f"and {VIEWER} in (a.company_id, a.agency_id)))"
)
HIRE = (
    f"({{row}}.company_id = {_shared('OUTCOMES')} and ({{row}}.company_id = {VIEWER} or exists ("
    f"select from contribution c where c.hire_id = {{row}}.id and c.contributor_id = {VIEWER})))"
)

PREDICATES: dict[str, str] = {
    "partner": "true",
    "community_member": "true",
    "agreement": f"{{row}}.id = {MINE}",
    "agreement_party": f"{{row}}.agreement_id = {MINE}",
    "agreement_version": f"{{row}}.agreement_id = {MINE}",
    "agreement_acceptance": "{row}.version_id = any(array(select v.id from agreement_version v "
    f"where v.agreement_id = {MINE}))",
    "candidate": NOTHING,
    "consent": NOTHING,
    "provision": NOTHING,
    "job": f"(({{row}}.status <> 'DRAFT' or {{row}}.company_id = {VIEWER}) and {{row}}.company_id = {_shared('JOBS')})",
    "referral": f"{{row}}.company_id = {_shared('REFERRALS')}",
    "application": f"{{row}}.company_id = {_shared('APPLICATIONS')}",
    "relay_invitation": NOTHING,
    "rejection_mail": NOTHING,
    "handover": OF_AGREEMENT,
    "relay_account": OF_AGREEMENT,
    "slot": OF_ACCOUNT,
    "ledger_transfer": OF_ACCOUNT,
    "hire": HIRE,
    "outcome_event": "({row}.kind not in ('RELAY_INVITED', 'RELAY_OPENED') and ("
    + " or ".join(
        f"({{row}}.category = '{category}' and {{row}}.company_id = {_shared(category)})"
        for category in ("REFERRALS", "APPLICATIONS", "HANDOVERS", "OUTCOMES")
    )
    + f" or ({{row}}.parties @> array[{VIEWER}] and exists (select from handover h "
    f"where h.id = {{row}}.handover_id and h.agreement_id = {AGREEMENT}))))",
    "contribution": f"{{row}}.company_id = {_shared('OUTCOMES')}",
    "contribution_evidence": "true",
    "survey": NOTHING,
    "ats_integration": NOTHING,
    "kpi": NOTHING,
    "neighbourhood": NOTHING,
    "hire_path": f"exists (select from hire h where h.id = {{row}}.hire_id and {HIRE.replace('{row}', 'h')})",
}
"""One predicate per table of `auth.policy`, and no table more."""
