/** The sample queries. Each .graphql file is checked against the committed schema by tests/test_graphiql.py. */
import contributions from './contributions.graphql?raw';
import handovers from './handovers.graphql?raw';
import kpis from './kpis.graphql?raw';
import neighbourhood from './neighbourhood.graphql?raw';
import outcomeEvents from './outcome_events.graphql?raw';
import relay from './relay.graphql?raw';
import satisfaction from './satisfaction.graphql?raw';
import viewer from './viewer.graphql?raw';
import type { Viewer } from '../session';

const KPI_MONTHS = 24;
const SURVEY_MONTHS = 12;

export type Sample = {
  query: string;
  title: readonly [ja: string, en: string];
  /** Scopes without which the server refuses the document. */
  scopes: readonly string[];
  variables?: (viewer: Viewer) => object;
};

export const SAMPLES: readonly Sample[] = [
  { query: viewer, title: ['わたしは誰か', 'Who am I'], scopes: [] },
  {
    query: contributions,
    title: ['パートナーの貢献', 'A partner’s contributions'],
    scopes: ['network:read', 'outcomes:read'],
    variables: ({ partner }) => ({ partner: partner.id, after: null }),
  },
  { query: relay, title: ['リレー口座と無料紹介枠', 'Relay accounts and slots'], scopes: ['relay:read'] },
  {
    query: handovers,
    title: ['リレーの受信箱', 'Inbox of handovers'],
    scopes: ['relay:read'],
    variables: () => ({ after: null }),
  },
  {
    query: kpis,
    title: ['直近24か月のKPI', 'KPIs of 24 months'],
    scopes: ['outcomes:read'],
    variables: () => ({ period: lastMonths(KPI_MONTHS, new Date()) }),
  },
  {
    query: satisfaction,
    title: ['直近12か月の候補者満足度', 'Candidate satisfaction of 12 months'],
    scopes: ['outcomes:read'],
    variables: () => ({ period: lastMonths(SURVEY_MONTHS, new Date()) }),
  },
  {
    query: neighbourhood,
    title: ['つながり', 'Neighbourhood'],
    scopes: ['network:read'],
    variables: ({ partner }) => ({ of: partner.id, depth: 2 }),
  },
  {
    query: outcomeEvents,
    title: ['成果イベントのライブ購読', 'Live outcome events'],
    scopes: ['events:subscribe', 'outcomes:read'],
    variables: () => ({ after: null }),
  },
];

export const variablesOf = (sample: Sample, viewer: Viewer) =>
  sample.variables ? JSON.stringify(sample.variables(viewer), null, 2) : '';

/** This month and the ones before it, in Japan's time, both ends inclusive. */
function lastMonths(count: number, now: Date) {
  const [year, month] = new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Tokyo', year: 'numeric', month: '2-digit' })
    .format(now)
    .split('-')
    .map(Number) as [number, number];
  const name = (date: Date) => date.toISOString().slice(0, 7);
  return { from: name(new Date(Date.UTC(year, month - count, 1))), to: name(new Date(Date.UTC(year, month - 1, 1))) };
}
