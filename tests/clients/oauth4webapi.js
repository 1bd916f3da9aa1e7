// oauth4webapi 3, which checks each answer by itself and repairs nothing, through the same.

import * as oauth from 'oauth4webapi';
import {JSON_HEADERS, leave, play, privateKey, QUESTION, type, visit} from './person.js';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';
const INSECURE = {[oauth.allowInsecureRequests]: true};

// From nothing but the API's address: the resource names its server, the server its endpoints.
async function discovered({issuer}, algorithm = 'oauth2') {
  const api = new URL(issuer + '/graphql');
  const resource = await oauth.processResourceDiscoveryResponse(api, await oauth.resourceDiscoveryRequest(api, INSECURE));
  const server = new URL(resource.authorization_servers[0]);
  const answer = await oauth.discoveryRequest(server, {algorithm, ...INSECURE});
  return oauth.processDiscoveryResponse(server, answer);
}

async function asked({issuer}, token, DPoP) {
  const body = JSON.stringify({query: QUESTION});
  const url = new URL(issuer + '/graphql');
  const request = () =>
    oauth.protectedResourceRequest(token, 'POST', url, new Headers(JSON_HEADERS), body, {DPoP, ...INSECURE});
  return (await (await withNonce(request)).json()).data.viewer;
}

// The first proof has no nonce; the answer names one, and the second has it.
async function withNonce(request, process = (answer) => answer) {
  try {
    return await process(await request());
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error;
    return process(await request());
  }
}

async function refused(work) {
  try {
    await work;
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? error.code;
  }
  return 'not refused';
}

function credentials(as, client, authentication, parameters) {
  return oauth
    .clientCredentialsGrantRequest(as, client, authentication, parameters, INSECURE)
    .then((answer) => oauth.processClientCredentialsResponse(as, client, answer));
}

function refresh(as, client, token, additionalParameters, DPoP) {
  return withNonce(
    () => oauth.refreshTokenGrantRequest(as, client, oauth.None(), token, {DPoP, additionalParameters, ...INSECURE}),
    (answer) => oauth.processRefreshTokenResponse(as, client, answer),
  );
}

function redeem(as, client, {callback}, parameters, verifier, DPoP, checks) {
  return withNonce(
    () => oauth.authorizationCodeGrantRequest(as, client, oauth.None(), parameters, callback, verifier, {DPoP, ...INSECURE}),
    (answer) => processed(as, client, answer, checks),
  );
}

// An ID token is believed for its signature, not only for the way that it came.
async function processed(as, client, answer, checks) {
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, answer, checks);
  if (checks) await oauth.validateApplicationLevelSignature(as, answer, INSECURE);
  return tokens;
}

async function logIn(as, client, world, scope, DPoP, more = {}, checks) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const request = new URLSearchParams({
    client_id: client.client_id,
    response_type: 'code',
    redirect_uri: world.callback,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    scope,
    ...more,
  });
  const url = new URL(as.authorization_endpoint);
  url.search = DPoP ? await pushed(as, client, request, DPoP) : request;
  const returned = await visit(url);
  const parameters = oauth.validateAuthResponse(as, client, returned, state);
  return {url, parameters, verifier, tokens: await redeem(as, client, world, parameters, verifier, DPoP, checks)};
}

async function pushed(as, client, request, DPoP) {
  const {request_uri} = await withNonce(
    () => oauth.pushedAuthorizationRequest(as, client, oauth.None(), request, {DPoP, ...INSECURE}),
    (answer) => oauth.processPushedAuthorizationResponse(as, client, answer),
  );
  return new URLSearchParams({client_id: client.client_id, request_uri});
}

// A resource server that knows nothing but the metadata checks the token (RFC 9068).
async function checked(as, {issuer}, token, DPoP) {
  const request = new Request(issuer + '/graphql', {headers: {authorization: `Bearer ${token}`}});
  const claims = await oauth.validateJwtAccessToken(as, request, issuer + '/graphql', INSECURE);
  return claims.scope;
}

await play({
  async program(world) {
    const as = await discovered(world);
    const client = {client_id: world.backend.id};
    const authentication = oauth.ClientSecretBasic(world.backend.secret);
    const parameters = {scope: 'network:read', resource: world.issuer + '/graphql'};
    const tokens = await credentials(as, client, authentication, parameters);
    const viewer = await asked(world, tokens.access_token);
    const introspected = async () =>
      oauth.processIntrospectionResponse(
        as, client, await oauth.introspectionRequest(as, client, authentication, tokens.access_token, INSECURE),
      );
    const alive = await introspected();
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, authentication, tokens.access_token, INSECURE),
    );
    return {
      viewer,
      type: tokens.token_type,
      life: tokens.expires_in,
      checked: await checked(as, world, tokens.access_token),
      introspected: [alive.active, alive.client_id, alive.scope],
      revoked: [(await introspected()).active, await refused(asked(world, tokens.access_token))],
      wider: await refused(credentials(as, client, authentication, {scope: 'agreements:write'})),
    };
  },

  async signing(world) {
    const as = await discovered(world);
    const client = {client_id: world.signer.id};
    const told = {};
    for (const jwk of world.signer.keys) {
      const authentication = oauth.PrivateKeyJwt(await privateKey(jwk));
      const tokens = await credentials(as, client, authentication, {scope: 'network:read'});
      told[jwk.crv] = (await asked(world, tokens.access_token)).login;
    }
    return told;
  },

  async person(world) {
    const as = await discovered(world);
    const client = {client_id: world.app.id};
    const {parameters, verifier, tokens} = await logIn(as, client, world, 'network:read relay:read');
    const refreshed = await refresh(as, client, tokens.refresh_token, {scope: 'network:read'});
    const viewer = await asked(world, refreshed.access_token);
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(as, client, oauth.None(), refreshed.refresh_token, INSECURE),
    );
    return {
      viewer,
      granted: tokens.scope,
      iss: parameters.get('iss'),
      again: await refused(redeem(as, client, world, parameters, verifier)),
      ended: [
        await refused(asked(world, refreshed.access_token)),
        await refused(refresh(as, client, refreshed.refresh_token)),
      ],
    };
  },

  async bound(world) {
    const as = await discovered(world);
    const client = {client_id: world.app.id};
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const thief = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const {url, tokens} = await logIn(as, client, world, 'network:read', DPoP);
    const refreshed = await refresh(as, client, tokens.refresh_token, {}, DPoP);
    return {
      viewer: await asked(world, refreshed.access_token, DPoP),
      pushed: [...url.searchParams.keys()].sort(),
      type: tokens.token_type,
      stolen: [
        await refused(asked(world, refreshed.access_token)),
        await refused(asked(world, refreshed.access_token, thief)),
        await refused(refresh(as, client, refreshed.refresh_token, {}, thief)),
      ],
    };
  },

  async exchange(world) {
    const as = await discovered(world);
    const client = {client_id: world.backend.id};
    const authentication = oauth.ClientSecretBasic(world.backend.secret);
    const first = await credentials(as, client, authentication, {});
    const parameters = {subject_token: first.access_token, subject_token_type: ACCESS_TOKEN, scope: 'network:read'};
    const exchanged = async (more) => {
      const asks = {...parameters, ...more};
      const answer = await oauth.genericTokenEndpointRequest(as, client, authentication, EXCHANGE, asks, INSECURE);
      return oauth.processGenericTokenEndpointResponse(as, client, answer);
    };
    const lesser = await exchanged({});
    const persons = await exchanged({requested_subject: world.person});
    return {
      before: first.scope,
      after: lesser.scope,
      kind: lesser.issued_token_type,
      life: lesser.expires_in,
      viewer: await asked(world, lesser.access_token),
      person: await asked(world, persons.access_token),
    };
  },

  async device(world) {
    const as = await discovered(world);
    const client = {client_id: world.device.id};
    const begun = await oauth.deviceAuthorizationRequest(as, client, oauth.None(), {scope: 'network:read'}, INSECURE);
    const shown = await oauth.processDeviceAuthorizationResponse(as, client, begun);
    const poll = async () =>
      oauth.processDeviceCodeResponse(
        as, client, await oauth.deviceCodeGrantRequest(as, client, oauth.None(), shown.device_code, INSECURE),
      );
    const before = await refused(poll());
    await type(shown.user_code);
    await new Promise((done) => setTimeout(done, shown.interval * 1000));
    const tokens = await poll();
    return {
      before,
      viewer: await asked(world, tokens.access_token),
      refreshed: (await refresh(as, client, tokens.refresh_token)).scope,
      again: await refused(poll()),
    };
  },

  async openid(world) {
    const as = await discovered(world, 'oidc');
    const client = {client_id: world.app.id, require_auth_time: true};
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const expectedNonce = oauth.generateRandomNonce();
    const more = {nonce: expectedNonce, max_age: 3600};
    const checks = {expectedNonce, maxAge: 3600, requireIdToken: true};
    const {tokens} = await logIn(as, client, world, 'openid profile email network:read', DPoP, more, checks);
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    const refreshed = await refresh(as, client, tokens.refresh_token, {}, DPoP);
    const person = await withNonce(
      () => oauth.userInfoRequest(as, client, refreshed.access_token, {DPoP, ...INSECURE}),
      (answer) => oauth.processUserInfoResponse(as, client, claims.sub, answer),
    );
    const leaving = new URL(as.end_session_endpoint);
    leaving.searchParams.set('post_logout_redirect_uri', world.after);
    leaving.searchParams.set('id_token_hint', refreshed.id_token);
    leaving.searchParams.set('state', 'bye');
    return {
      amr: claims.amr,
      same: oauth.getValidatedIdTokenClaims(refreshed).sub === claims.sub,
      person,
      as_access_token: await refused(asked(world, tokens.id_token)),
      left: (await leave(leaving)).href,
      ended: await refused(refresh(as, client, refreshed.refresh_token, {}, DPoP)),
    };
  },

  async registration(world) {
    const as = await discovered(world);
    const {tokens} = await logIn(as, {client_id: world.admin.id}, world, 'partner:admin network:read');
    const metadata = {client_name: 'registered', grant_types: ['client_credentials'], response_types: [], scope: 'network:read'};
    const answer = await oauth.dynamicClientRegistrationRequest(as, metadata, {initialAccessToken: tokens.access_token, ...INSECURE});
    const client = await oauth.processDynamicClientRegistrationResponse(answer);
    const granted = await credentials(as, client, oauth.ClientSecretBasic(client.client_secret), {});
    return {viewer: await asked(world, granted.access_token)};
  },
});
