// M: mercurius with JIT over fastify and pg, hand-written SQL in its resolvers and batching loaders below them.
// `node mercurius.mjs VIEWER PORT`; the database is told by libpq's environment variables.

import { readFile } from "node:fs/promises";
import Fastify from "fastify";
import mercurius from "mercurius";
import pg from "pg";

const [viewer, port] = process.argv.slice(2);
const JIT_AFTER = 1;
const KINDS = { COMPANY: "Company", SCHOOL: "School", AGENCY: "Agency", REFERRER: "Referrer", COMMUNITY: "Community" };

const asText = [1082, 1114, 1184]; // a date stays as PostgreSQL writes it
for (const type of asText) pg.types.setTypeParser(type, (text) => text);
const pool = new pg.Pool({ max: 16 });

const ask = async (name, text, values) => (await pool.query({ name, text, values })).rows;
const key = (id) => id.slice(id.indexOf("_") + 1);
const instant = (column) => `to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const PARTNER = `select id as key, 'par_' || id as id, kind, name, slug, prefecture, url, ${instant("joined_at")} as "joinedAt" from partner`;
const HIRE = `select id as key, 'hire_' || id as id, ${instant("decided_at")} as "decidedAt", starts_on as "startsOn" from hire`;

const byKey = async (name, text, keys) => {
  const found = new Map((await ask(name, text, [[...new Set(keys)]])).map((row) => [row.key, row]));
  return keys.map((one) => found.get(one) ?? null);
};
const partners = (keys) => byKey("partners", `${PARTNER} where id = any($1::uuid[])`, keys);
const hires = (keys) => byKey("hires", `${HIRE} where id = any($1::uuid[])`, keys);
const edges = (rows) => ({ edges: rows.map((node) => ({ node })) });

const resolvers = {
  Partner: { resolveType: (partner) => KINDS[partner.kind] },
  Query: {
    partner: async (_, { id }) => (await ask("partner", `${PARTNER} where id = $1`, [key(id)]))[0] ?? null,
    kpis: async (_, { first, filter: { names, period, granularity, partnerId } }) => {
      const text = `select name, json_build_object('from', to_char(from_month, 'YYYY-MM'), 'to', to_char(to_month, 'YYYY-MM'),
          'mature', mature) as "window", value, numerator, denominator, json_build_object('low', low, 'high', high) as interval, suppressed
        from kpi_figures($1, $2, ($3 || '-01')::date, ($4 || '-01')::date, $5, $6, null) order by key limit $7`;
      const asked = [viewer, names, period.from, period.to, granularity, key(partnerId), first];
      return edges(await ask("kpis", text, asked));
    },
    neighbourhood: async (_, { of, depth, first }) => {
      const text = `select distance, contributions, roles, neighbour_id, via_id from neighbourhood($1, $2, $3, null)
        order by distance, contributions desc, neighbour_id desc limit $4`;
      return { edges: await ask("neighbourhood", text, [viewer, key(of), depth, first]) };
    },
  },
};

const loaders = {
  Company: {
    contributors: async (queries) =>
      Promise.all(
        queries.map(async ({ obj, params }) => {
          const text = `select 'ctb_' || id as id, role, share, ${instant("occurred_at")} as "occurredAt", contributor_id, hire_id
            from contribution where company_id = $1 order by occurred_at desc, id desc limit $2`;
          return edges(await ask("contributors", text, [obj.key, params.first]));
        }),
      ),
    referrals: async (queries) =>
      Promise.all(
        queries.map(async ({ obj, params }) => {
          const text = `select id as key, 'ref_' || id as id, status, ${instant("submitted_at")} as "submittedAt",
              ${instant("confirmed_at")} as "confirmedAt", person_id, company_id, job_id
            from referral where company_id = $1 order by submitted_at desc, id desc limit $2`;
          return edges(await ask("referrals", text, [obj.key, params.first]));
        }),
      ),
  },
  Contribution: {
    contributor: (queries) => partners(queries.map(({ obj }) => obj.contributor_id)),
    hire: (queries) => hires(queries.map(({ obj }) => obj.hire_id)),
  },
  Referral: {
    candidate: (queries) => {
      const text = `select person_id as key, 'can_' || id as id, alias from candidate
        where partner_id = '${viewer}' and person_id = any($1::uuid[])`;
      return byKey("candidates", text, queries.map(({ obj }) => obj.person_id));
    },
    company: (queries) => partners(queries.map(({ obj }) => obj.company_id)),
    job: (queries) => {
      const text = "select id as key, 'job_' || id as id, title from job where id = any($1::uuid[])";
      return byKey("jobs", text, queries.map(({ obj }) => obj.job_id));
    },
    application: (queries) => {
      const text = `select referral_id as key, 'app_' || id as id, stage, status, ${instant("received_at")} as "receivedAt",
          ${instant("decided_at")} as "decidedAt", hire_id from application where referral_id = any($1::uuid[])`;
      return byKey("applications", text, queries.map(({ obj }) => obj.key));
    },
  },
  Application: { hire: (queries) => hires(queries.map(({ obj }) => obj.hire_id)) },
  NeighbourhoodEdge: {
    node: (queries) => partners(queries.map(({ obj }) => obj.neighbour_id)),
    via: (queries) => partners(queries.map(({ obj }) => obj.via_id)),
  },
};

const app = Fastify();
const schema = await readFile(new URL("./mercurius.graphql", import.meta.url), "utf8");
// Loaders keep what they loaded for the request alone, as everybody else's do.
await app.register(mercurius, { schema, resolvers, loaders, jit: JIT_AFTER, path: "/graphql" });
app.get("/healthz", async () => "ok");
await app.listen({ port: Number(port), host: "127.0.0.1" });
