// The test on the other end of the pipe: it knows the clients' names, and does what a person would do in a browser.

import {createInterface} from 'node:readline';

const lines = createInterface({input: process.stdin})[Symbol.asyncIterator]();

async function heard() {
  return JSON.parse((await lines.next()).value);
}

function say(message) {
  process.stdout.write(JSON.stringify(message) + '\n');
}

// Where the browser ends when the person has logged in and allowed what the page at `url` asks.
export async function visit(url) {
  say({visit: String(url)});
  return new URL((await heard()).redirected);
}

// Where the browser ends when it was sent to log out.
export async function leave(url) {
  say({leave: String(url)});
  return new URL((await heard()).redirected);
}

// Returns when the person has typed a device's code and allowed what it asks.
export async function type(userCode) {
  say({type: userCode});
  await heard();
}

// Runs the scenario that the command line names, and tells what came of it.
export async function play(scenarios) {
  const told = await scenarios[process.argv[2]](await heard());
  say({told});
  process.exit(0);
}

export async function privateKey(jwk) {
  const named = jwk.kty === 'EC' ? {name: 'ECDSA', namedCurve: jwk.crv} : {name: jwk.crv};
  return {key: await crypto.subtle.importKey('jwk', jwk, named, false, ['sign']), kid: jwk.kid};
}

export const QUESTION = '{ viewer { login scopes partner { name } } }';
export const JSON_HEADERS = {'content-type': 'application/json', accept: 'application/graphql-response+json'};
