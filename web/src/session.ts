/**
 * Who is signed in. OAuth 2.1 authorization code with PKCE (S256), as the public client `graphiql`.
 *
 * Tokens live in memory. They rest in sessionStorage only while the page reloads, and are taken out at once, so
 * that a duplicated tab never holds the same refresh token: two holders would look like a stolen one to the server.
 */
import * as oauth from 'oauth4webapi';
import { useSyncExternalStore } from 'react';
import type { Word } from './words';

export type Viewer = {
  login: string;
  scopes: string[];
  partner: { __typename: string; id: string; name: string };
};
export type Problem = { word: Word; detail?: string; href?: string };
export type Session =
  | { phase: 'starting' }
  | { phase: 'out'; problem?: Problem }
  | { phase: 'in'; viewer: Viewer }
  | { phase: 'ended'; viewer: Viewer; problem: Problem };

type Tokens = { access: string; refresh: string | undefined; expiresAtMs: number };

const CLIENT: oauth.Client = { client_id: 'graphiql', token_endpoint_auth_method: 'none' };
const HOME = '/graphiql';
const CALLBACK = '/graphiql/callback';
const PENDING_KEY = 'kyoso:sign-in';
const RESTING_KEY = 'kyoso:tokens';
const OPERATOR_SCOPE = 'network:admin';
const REFRESH_BEFORE_END_MS = 30_000;
const VIEWER_QUERY = 'query Session { viewer { login scopes partner { __typename id name } } }';

export class SessionEnded extends Error {}

let session: Session = { phase: 'starting' };
let tokens: Tokens | undefined;
let renewal: Promise<Tokens> | undefined;
let knownServer: oauth.AuthorizationServer | undefined;
const listeners = new Set<() => void>();

export const useSession = () =>
  useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => session,
  );

function become(next: Session) {
  session = next;
  listeners.forEach((listener) => listener());
}

function options() {
  return { [oauth.allowInsecureRequests]: location.protocol === 'http:', signal: AbortSignal.timeout(15_000) };
}

async function server(): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(location.origin);
  knownServer ??= await oauth.processDiscoveryResponse(
    issuer,
    await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...options() }),
  );
  return knownServer;
}

const redirectUri = () => new URL(CALLBACK, location.origin).href;

function accept(answer: oauth.TokenEndpointResponse): Tokens {
  tokens = {
    access: answer.access_token,
    refresh: answer.refresh_token ?? tokens?.refresh,
    expiresAtMs: Date.now() + (answer.expires_in ?? 0) * 1000,
  };
  return tokens;
}

/** Called once: finishes a sign-in when the address is the callback, else picks up the tokens of a reload. */
export async function start() {
  addEventListener('pagehide', () => {
    if (tokens) sessionStorage.setItem(RESTING_KEY, JSON.stringify(tokens));
  });
  addEventListener('pageshow', () => sessionStorage.removeItem(RESTING_KEY));
  const resting = sessionStorage.getItem(RESTING_KEY);
  sessionStorage.removeItem(RESTING_KEY);
  try {
    if (location.pathname === CALLBACK) await finishSignIn();
    else if (resting) tokens = JSON.parse(resting) as Tokens;
    if (tokens) become({ phase: 'in', viewer: await readViewer() });
    else become({ phase: 'out' });
  } catch (error) {
    tokens = undefined;
    become(error instanceof SessionEnded ? { phase: 'out' } : { phase: 'out', problem: problemOf(error) });
  }
}

/** Who somebody is, this page asks the API itself: it needs none of OpenID's scopes, which have no colon. */
const isOfTheApi = (scope: string) => scope.includes(':') && scope !== OPERATOR_SCOPE;

export async function signIn() {
  try {
    const metadata = await server();
    const [state, verifier] = [oauth.generateRandomState(), oauth.generateRandomCodeVerifier()];
    sessionStorage.setItem(PENDING_KEY, JSON.stringify({ state, verifier }));
    const address = new URL(metadata.authorization_endpoint ?? missing('authorization_endpoint'));
    address.search = new URLSearchParams({
      response_type: 'code',
      client_id: CLIENT.client_id,
      redirect_uri: redirectUri(),
      scope: (metadata.scopes_supported ?? []).filter(isOfTheApi).join(' '),
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    }).toString();
    location.assign(address);
  } catch (error) {
    const problem = problemOf(error);
    become(session.phase === 'ended' ? { ...session, problem } : { phase: 'out', problem });
  }
}

async function finishSignIn() {
  const parameters = new URLSearchParams(location.search);
  // The code leaves the address bar and the history before anything else can fail.
  history.replaceState(null, '', HOME);
  const pending = sessionStorage.getItem(PENDING_KEY);
  sessionStorage.removeItem(PENDING_KEY);
  if (!pending) throw new SignInLost();
  const { state, verifier } = JSON.parse(pending) as { state: string; verifier: string };
  const metadata = await server();
  const valid = oauth.validateAuthResponse(metadata, CLIENT, parameters, state);
  const response = await oauth.authorizationCodeGrantRequest(
    metadata, CLIENT, oauth.None(), valid, redirectUri(), verifier, options(),
  );
  accept(await oauth.processAuthorizationCodeResponse(metadata, CLIENT, response));
}

/** Revokes the grant, then forgets it. Offline it is forgotten all the same. */
export async function signOut() {
  const refresh = tokens?.refresh ?? tokens?.access;
  tokens = undefined;
  become({ phase: 'out' });
  if (!refresh) return;
  try {
    await oauth.revocationRequest(await server(), CLIENT, oauth.None(), refresh, options());
  } catch {
    become({ phase: 'out', problem: { word: 'revocationFailed' } });
  }
}

/** A token good for the next seconds; throws SessionEnded when only a new sign-in can help. */
export async function bearer(): Promise<string> {
  if (!tokens) throw new SessionEnded();
  const current = tokens.expiresAtMs - Date.now() > REFRESH_BEFORE_END_MS ? tokens : await renew();
  return current.access;
}

/** Rotates the refresh token. All who ask at once share one rotation. */
export function renew(): Promise<Tokens> {
  renewal ??= rotate().finally(() => {
    renewal = undefined;
  });
  return renewal;
}

async function rotate(): Promise<Tokens> {
  if (!tokens?.refresh) return end();
  const metadata = await server();
  try {
    const response = await oauth.refreshTokenGrantRequest(
      metadata, CLIENT, oauth.None(), tokens.refresh, options(),
    );
    return accept(await oauth.processRefreshTokenResponse(metadata, CLIENT, response));
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError && error.status < 500) return end();
    throw error;
  }
}

export function end(): never {
  tokens = undefined;
  if (session.phase === 'in') become({ phase: 'ended', viewer: session.viewer, problem: { word: 'sessionEnded' } });
  throw new SessionEnded();
}

async function readViewer(): Promise<Viewer> {
  const response = await fetch('/graphql', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await bearer()}` },
    body: JSON.stringify({ query: VIEWER_QUERY }),
    credentials: 'omit',
  });
  if (response.status === 401) return end();
  const answer = (await response.json()) as { data?: { viewer: Viewer } | null; errors?: { message: string }[] };
  if (!answer.data) throw new Error(answer.errors?.[0]?.message ?? `HTTP ${response.status}`);
  return answer.data.viewer;
}

class SignInLost extends Error {}

function missing(field: string): never {
  throw new Error(`The authorization server's metadata has no ${field}.`);
}

function problemOf(error: unknown): Problem {
  if (error instanceof SignInLost) return { word: 'signInLost' };
  if (error instanceof oauth.AuthorizationResponseError) {
    if (error.error === 'access_denied') return { word: 'accessDenied' };
    return { word: 'signInRefused', detail: error.error_description ?? error.error };
  }
  if (error instanceof oauth.ResponseBodyError) {
    return { word: 'signInRefused', detail: error.error_description ?? error.error };
  }
  if (error instanceof oauth.OperationProcessingError && error.code === oauth.JSON_ATTRIBUTE_COMPARISON) {
    const { body } = (error.cause ?? {}) as { body?: { issuer?: string } };
    if (body?.issuer) return { word: 'otherAddress', href: new URL(HOME, body.issuer).href };
  }
  if (error instanceof TypeError || (error instanceof DOMException && error.name === 'TimeoutError')) {
    return { word: 'unreachable' };
  }
  return { word: 'signInFailed', detail: error instanceof Error ? error.message : String(error) };
}
