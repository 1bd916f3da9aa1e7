/** What the footer shows of a running subscription: its state and the last deliveries, newest first. */
import { useSyncExternalStore } from 'react';

export type LiveState = 'idle' | 'connecting' | 'live' | 'waiting' | 'ended';
export type Delivery = { key: number; at: Date; label: string; text: string };
type Live = { state: LiveState; count: number; deliveries: Delivery[] };

const KEPT_DELIVERIES = 50;
let current: Live = { state: 'idle', count: 0, deliveries: [] };
const listeners = new Set<() => void>();

export const useLive = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => current,
  );

function become(next: Partial<Live>) {
  current = { ...current, ...next };
  listeners.forEach((listener) => listener());
}

export function connecting() {
  const fresh = current.state === 'idle' || current.state === 'ended';
  become(fresh ? { state: 'connecting', count: 0, deliveries: [] } : { state: 'connecting' });
}
export const waiting = () => become({ state: 'waiting' });
export const ended = () => become({ state: 'ended' });
export const cleared = () => become({ state: 'idle', count: 0, deliveries: [] });

/** Notes one result. A bookmark (event: null) only moves the cursor: it must not wipe the last event off the screen.
 * The first result says that the subscription is live; a connection that stands does not say so yet. */
export function received(result: { data?: unknown }): { cursor?: string; bookmark: boolean } {
  const [field, payload] = Object.entries((result.data ?? {}) as Record<string, unknown>)[0] ?? ['', null];
  const { cursor, event } = (payload ?? {}) as { cursor?: string; event?: { kind?: string } | null };
  const bookmark = event === null;
  if (current.state !== 'live') become({ state: 'live' });
  if (!bookmark) {
    const count = current.count + 1;
    const one = { key: count, at: new Date(), label: event?.kind ?? field, text: JSON.stringify(result, null, 2) };
    become({ count, deliveries: [one, ...current.deliveries].slice(0, KEPT_DELIVERIES) });
  }
  return { ...(cursor === undefined ? {} : { cursor }), bookmark };
}
