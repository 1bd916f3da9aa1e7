/** How operations travel: POST for queries and mutations, graphql-transport-ws for subscriptions. */
import type { Fetcher, FetcherOpts, FetcherParams, FetcherReturnType } from '@graphiql/toolkit';
import { Kind, parse, type OperationDefinitionNode } from 'graphql';
import { CloseCode, createClient, type Client, type ExecutionResult } from 'graphql-ws';
import * as live from './live';
import { language } from './preferences';
import { bearer, renew, SessionEnded } from './session';
import { sayNow } from './words';

const RETRY_FIRST_MS = 1_000;
const RETRY_LONGEST_MS = 30_000;
/** Closed by the server for these reasons, the same operation would be refused again. */
const FINAL_CODES = new Set<number>([
  CloseCode.BadRequest, CloseCode.BadResponse, CloseCode.SubprotocolNotAcceptable, CloseCode.InternalClientError,
]);
const TOKEN_CODES = new Set<number>([CloseCode.Unauthorized, CloseCode.Forbidden]);

type Observer = { next(value: unknown): void; error(reason: unknown): void; complete(): void };

export const fetcher: Fetcher = (asked, options) => {
  const { params, operation } = settled(asked);
  return operation?.operation === 'subscription'
    ? (watch(params) as unknown as FetcherReturnType)
    : post(params, options);
};

/** GraphiQL learns the operation's name a moment after a tab is opened; what is run is decided by the text itself. */
function settled(params: FetcherParams): { params: FetcherParams; operation?: OperationDefinitionNode } {
  let operations: OperationDefinitionNode[];
  try {
    operations = parse(params.query).definitions.filter((one) => one.kind === Kind.OPERATION_DEFINITION);
  } catch {
    return { params };
  }
  const operation = operations.find(({ name }) => name?.value === params.operationName) ?? operations[0];
  if (!operation) return { params };
  return { params: { ...params, operationName: operation.name?.value ?? null }, operation };
}

async function post(params: FetcherParams, options?: FetcherOpts) {
  live.cleared();
  const headers = new Headers(options?.headers as Record<string, string> | undefined);
  // A token typed into the Headers tab wins: that is how one tries a backend's token here.
  const own = headers.has('authorization');
  headers.set('content-type', 'application/json');
  headers.set('accept', 'application/graphql-response+json, application/json;q=0.9');
  if (!headers.has('accept-language')) headers.set('accept-language', language());
  const send = async () => {
    if (!own) headers.set('authorization', `Bearer ${await bearer()}`);
    return fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(params), credentials: 'omit' });
  };
  try {
    let response = await send();
    if (response.status === 401 && !own) {
      await renew();
      response = await send();
    }
    return await read(response);
  } catch (error) {
    throw inWords(error);
  }
}

async function read(response: Response) {
  if (response.headers.get('content-type')?.includes('json')) return response.json();
  throw told(`HTTP ${response.status}: ${(await response.text()).slice(0, 200)}`);
}

/** Errors for the response pane, in the reader's language. */
function inWords(reason: unknown): unknown {
  if (reason instanceof SessionEnded) return told(sayNow('sessionEnded'));
  if (reason instanceof TypeError) return told(sayNow('unreachable'));
  return reason;
}

/** GraphiQL would print the stack, which tells a reader nothing. */
function told(message: string) {
  const error = new Error(message);
  delete error.stack;
  return error;
}

/** An observable, because GraphiQL can stop one at once; an async generator would wait for the next event. */
function watch(params: FetcherParams) {
  return { subscribe: (observer: Observer) => ({ unsubscribe: follow(params, observer) }) };
}

/** Keeps one subscription going over closed connections and ended tokens, from the last cursor on. */
function follow(params: FetcherParams, observer: Observer): () => void {
  let stopped = false;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let client: Client | undefined;
  let cursor: string | undefined;
  const finish = (tell: () => void) => {
    stopped = true;
    clearTimeout(timer);
    void client?.dispose();
    live.ended();
    tell();
  };
  const resume = async (reason: unknown) => {
    const code = closeCode(reason);
    if (stopped) return;
    if (code === undefined || FINAL_CODES.has(code)) return finish(() => observer.error(refusal(reason)));
    try {
      if (TOKEN_CODES.has(code)) await renew();
    } catch (error) {
      if (error instanceof SessionEnded) return finish(() => observer.error(inWords(error)));
    }
    live.waiting();
    timer = setTimeout(connect, failures === 0 ? 0 : Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_LONGEST_MS));
    failures += 1;
  };
  const receive = (result: ExecutionResult) => {
    if (stopped) return;
    failures = 0;
    const delivery = live.received(result);
    cursor = delivery.cursor ?? cursor;
    if (!delivery.bookmark) observer.next(result);
  };
  const connect = () => {
    if (stopped) return;
    live.connecting();
    void client?.dispose();
    client = createClient({
      url: `${location.origin.replace(/^http/, 'ws')}/graphql`,
      retryAttempts: 0,
      connectionParams: async () => ({ authorization: `Bearer ${await bearer()}` }),
    });
    client.subscribe(from(params, cursor), {
      next: receive,
      error: (reason) => void resume(reason),
      complete: () => stopped || finish(() => observer.complete()),
    });
  };
  connect();
  return () => stopped || finish(() => undefined);
}

function from(params: FetcherParams, cursor: string | undefined) {
  const variables = (params.variables ?? {}) as Record<string, unknown>;
  const resumable = cursor !== undefined && /\$after\b/.test(params.query);
  return {
    query: params.query,
    operationName: params.operationName ?? null,
    variables: resumable ? { ...variables, after: cursor } : variables,
  };
}

function closeCode(reason: unknown): number | undefined {
  if (reason instanceof SessionEnded) return CloseCode.Unauthorized;
  if (reason instanceof CloseEvent) return reason.code;
  return reason instanceof Event ? 1006 : undefined;
}

function refusal(reason: unknown): unknown {
  if (reason instanceof CloseEvent) return told(`WebSocket ${reason.code}: ${reason.reason}`);
  return Array.isArray(reason) ? { errors: reason } : reason;
}
