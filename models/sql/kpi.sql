-- name: rebuild!
-- Every rollup anew from the rows.
select kpi_rebuild();

-- name: differences
-- Cells in which rollup and rows disagree, the network's totals among them (partner_id null).
select coalesce(k.partner_id, r.partner_id) as partner_id, coalesce(k.measure, r.measure) as measure, coalesce(k.month, r.month) as month,
  k.numerator as kept, r.numerator as raw, k.denominator as kept_denominator, r.denominator as raw_denominator
from (
  select partner_id, measure, month, numerator, denominator from kpi_month where numerator <> 0 or denominator <> 0
  union all
  select null, measure, month, sum(numerator), sum(denominator) from kpi_network_month group by 2, 3 having sum(numerator) <> 0
) k
full join (
  select partner_id, measure, month, numerator, denominator from kpi_raw
  union all
  select null, measure, month, sum(numerator), sum(denominator) from kpi_raw
  where measure in ('CONTRIBUTION_HANDOVERS', 'CONTRIBUTION_HIRES', 'CONTRIBUTION_RETAINED') group by 2, 3 having sum(numerator) <> 0
) r on coalesce(k.partner_id, :network) = coalesce(r.partner_id, :network) and k.measure = r.measure and k.month = r.month
where (k.numerator, k.denominator) is distinct from (r.numerator, r.denominator);
