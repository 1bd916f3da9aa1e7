create table partner (
    id uuid primary key,
    kind text not null check (kind in ('COMPANY', 'SCHOOL', 'REFERRER')),
    name text not null,
    number text unique,
    employer_id uuid references partner,
    tags text[] not null,
    moods text[],
    level text,
    joined_at timestamptz not null,
    verified_at timestamptz
);
create index on partner (employer_id);
create index on partner (name, id);

create table job (
    id uuid primary key,
    company_id uuid not null references partner,
    title text not null,
    status text not null,
    openings integer not null,
    ratio double precision,
    salary numeric(12, 3) not null,
    budget bigint,
    opened_at timestamptz not null,
    closes_on date,
    hidden boolean not null,
    terms jsonb not null,
    low double precision,
    high double precision
);
create index on job (company_id, opened_at, id);

create table candidate (
    id uuid primary key,
    partner_id uuid not null references partner,
    person_id uuid not null,
    alias text not null,
    unique (person_id, partner_id)
);
create table personal_item (
    person_id uuid not null,
    item text not null,
    sealed bytea not null,
    reader_id uuid not null,
    primary key (person_id, item, reader_id)
);
alter table personal_item enable row level security;
alter table personal_item force row level security;
create policy reader on personal_item using (reader_id = nullif(current_setting('world.partner_id', true), '')::uuid);

create table referral (
    id uuid primary key,
    company_id uuid not null references partner,
    referrer_id uuid not null references partner,
    job_id uuid references job,
    candidate_id uuid references candidate,
    status text not null,
    note text,
    submitted_at timestamptz not null
);
create index on referral (company_id, submitted_at, id);
create index on referral (referrer_id);
create index on referral (job_id);

create table outcome (
    id uuid primary key,
    referral_id uuid not null unique references referral,
    kind text not null,
    position bigint not null,
    batch bigint not null,
    secret boolean not null,
    unique (batch, position)
);

create table kinship (
    job_id uuid not null references job,
    other_id uuid not null references job,
    weight integer not null,
    remark text,
    secret boolean not null,
    primary key (job_id, other_id)
);

create table mail (
    id uuid primary key,
    partner_id uuid not null references partner,
    language text not null,
    subject text not null,
    unique (partner_id, language)
);

create function figures(viewer uuid, subject uuid, names text[], minimum integer)
returns table (id text, name text, subject_id uuid, value double precision, low double precision, high double precision,
               first_month text, steps jsonb)
stable language sql as $$
    select p.id::text || ':' || n.name, n.name, p.id, n.value, n.low, n.high, '2026-01',
           case when n.name = 'COUNT' then jsonb_build_array(
               jsonb_build_object('kind', 'SENT', 'count', 3, 'inner', jsonb_build_object('deep', p.name)),
               jsonb_build_object('kind', 'OPEN', 'count', null, 'inner', null)) end
    from partner p
    cross join lateral (values
        ('COUNT', cardinality(p.tags)::double precision, null::double precision, null::double precision),
        ('RATE', 0.5, 0.25, 0.75)) n(name, value, low, high)
    where (subject is null or p.id = subject) and (names is null or n.name = any(names)) and n.value >= coalesce(minimum, 0)
$$;

create function figure(viewer uuid, wanted text)
returns table (id text, name text, subject_id uuid, value double precision, low double precision, high double precision,
               first_month text, steps jsonb)
stable language sql as $$
    select f.* from figures(viewer, null, null, null) f where f.id = wanted
$$;

create function around(viewer uuid, centre uuid, depth integer)
returns table (partner_id uuid, distance integer, via_id uuid, kinds text[])
stable language sql as $$
    with recursive steps(partner_id, distance, via_id) as (
        select p.id, 1, centre from partner p where p.employer_id = centre
        union all
        select p.id, s.distance + 1, s.partner_id from steps s join partner p on p.employer_id = s.partner_id
        where s.distance < least(depth, 3)
    )
    select partner_id, distance, via_id, array['EMPLOYS'] from steps where partner_id <> centre
$$;

create table thing (
    id uuid primary key,
    status text not null,
    company_id uuid,
    opened_at timestamptz not null
);
