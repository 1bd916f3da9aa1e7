-- As in 0003, but exactly 0 below none of n and exactly 1 above all of them, where the sum of center and margin misses
-- them by the last bit: 5.55e-17 is no share of anybody.
create or replace function wilson(k numeric, n numeric) returns table (low float8, high float8)
language sql immutable parallel safe as $$
  select case when k = 0 then 0 else greatest(0, c.center - c.margin) end,
    case when k = n then 1 else least(1, c.center + c.margin) end
  from (select k::float8 / nullif(n, 0)::float8 as p, nullif(n, 0)::float8 as n, 1.959963984540054::float8 as z) v,
    lateral (select (v.p + v.z * v.z / (2 * v.n)) / (1 + v.z * v.z / v.n) as center,
      v.z * sqrt((v.p * (1 - v.p) + v.z * v.z / (4 * v.n)) / v.n) / (1 + v.z * v.z / v.n) as margin) c
$$;
