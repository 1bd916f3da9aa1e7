"""When a link to a candidate (候補者) resolves, in the planner's SQL.

A link leads to the viewer's own row of the same person, and only where the viewer takes part in that flow or holds a
record of its provision. A row shared by agreement alone never says which of one's own candidates it is about.
"""

OWN_CANDIDATE = "{row}.person_id = {parent}.person_id and {row}.partner_id = {viewer.partner}"

# As row-level security asks it of personal data: what rests on an agreement rests with it.
PROVIDED = (
    "exists (select from provision v where v.person_id = {parent}.person_id and v.giver_id = {parent}.company_id"
    " and v.receiver_id = {viewer.partner} and v.ended_at is null"
    " and (v.agreement_id is null or in_force(v.agreement_id)))"
)

OWN_CANDIDATE_OF_COMPANY = f"{OWN_CANDIDATE} and ({{parent}}.company_id = {{viewer.partner}} or {PROVIDED})"

# Until the person agrees, the company does not learn whom somebody recommends: not even one whom it knows already.
OWN_CANDIDATE_OF_REFERRAL = (
    f"{OWN_CANDIDATE} and ({{parent}}.referrer_id = {{viewer.partner}}"
    " or ({parent}.company_id = {viewer.partner} and {parent}.confirmed_at is not null))"
)
REFERRAL_OF_CANDIDATE = (
    "{row}.person_id = {parent}.person_id and ({row}.referrer_id = {viewer.partner}"
    " or ({row}.company_id = {viewer.partner} and {row}.confirmed_at is not null))"
)
