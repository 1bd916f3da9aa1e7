// openid-client 6 through everything that the authorization server offers.

import * as client from 'openid-client';
import {JSON_HEADERS, leave, play, privateKey, QUESTION, type, visit} from './person.js';

const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

// Its own way for a secret is the body, which is not offered here: the header is.
function discovered({issuer}, {id, secret}, authentication = client.ClientSecretBasic(secret), algorithm = 'oauth2') {
  return client.discovery(new URL(issuer), id, {}, authentication, {
    algorithm,
    execute: [client.allowInsecureRequests],
  });
}

async function asked(config, {issuer}, token, options) {
  const url = new URL(issuer + '/graphql');
  const body = JSON.stringify({query: QUESTION});
  const answer = await client.fetchProtectedResource(config, token, url, 'POST', body, new Headers(JSON_HEADERS), options);
  return (await answer.json()).data.viewer;
}

async function refused(work) {
  try {
    await work;
  } catch (error) {
    return error.error ?? error.cause?.[0]?.parameters?.error ?? error.code;
  }
  return 'not refused';
}

async function logIn(config, {callback}, parameters, options, checks = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const request = {
    redirect_uri: callback,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    ...parameters,
  };
  const url = options
    ? await client.buildAuthorizationUrlWithPAR(config, request, options)
    : client.buildAuthorizationUrl(config, request);
  const returned = await visit(url);
  const tokens = await client.authorizationCodeGrant(config, returned, {pkceCodeVerifier, expectedState, ...checks}, {}, options);
  return {url, returned, tokens, pkceCodeVerifier, expectedState};
}

await play({
  async program(world) {
    const config = await discovered(world, world.backend);
    const tokens = await client.clientCredentialsGrant(config, {scope: 'network:read', resource: world.issuer + '/graphql'});
    const viewer = await asked(config, world, tokens.access_token);
    const alive = await client.tokenIntrospection(config, tokens.access_token);
    await client.tokenRevocation(config, tokens.access_token);
    const dead = await client.tokenIntrospection(config, tokens.access_token);
    return {
      viewer,
      type: tokens.token_type,
      life: tokens.expires_in,
      introspected: [alive.active, alive.client_id, alive.scope],
      revoked: [dead.active, await refused(asked(config, world, tokens.access_token))],
      wider: await refused(client.clientCredentialsGrant(config, {scope: 'agreements:write'})),
    };
  },

  async signing(world) {
    const told = {};
    for (const jwk of world.signer.keys) {
      const config = await discovered(world, world.signer, client.PrivateKeyJwt(await privateKey(jwk)));
      const tokens = await client.clientCredentialsGrant(config, {scope: 'network:read'});
      told[jwk.crv] = (await asked(config, world, tokens.access_token)).login;
    }
    return told;
  },

  async person(world) {
    const config = await discovered(world, world.app, client.None());
    const {returned, tokens, pkceCodeVerifier, expectedState} = await logIn(config, world, {scope: 'network:read relay:read'});
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, {scope: 'network:read'});
    const viewer = await asked(config, world, refreshed.access_token);
    await client.tokenRevocation(config, refreshed.refresh_token);
    return {
      viewer,
      granted: tokens.scope,
      iss: returned.searchParams.get('iss'),
      again: await refused(client.authorizationCodeGrant(config, returned, {pkceCodeVerifier, expectedState})),
      ended: [
        await refused(asked(config, world, refreshed.access_token)),
        await refused(client.refreshTokenGrant(config, refreshed.refresh_token)),
      ],
    };
  },

  async bound(world) {
    const config = await discovered(world, world.app, client.None());
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const {url, tokens} = await logIn(config, world, {scope: 'network:read'}, {DPoP});
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, {}, {DPoP});
    const thief = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    return {
      viewer: await asked(config, world, refreshed.access_token, {DPoP}),
      pushed: [...url.searchParams.keys()].sort(),
      type: tokens.token_type,
      stolen: [
        await refused(asked(config, world, refreshed.access_token)),
        await refused(asked(config, world, refreshed.access_token, {DPoP: thief})),
        await refused(client.refreshTokenGrant(config, refreshed.refresh_token, {}, {DPoP: thief})),
      ],
    };
  },

  async exchange(world) {
    const config = await discovered(world, world.backend);
    const first = await client.clientCredentialsGrant(config);
    const parameters = {subject_token: first.access_token, subject_token_type: ACCESS_TOKEN};
    const exchanged = (more) => client.genericGrantRequest(config, EXCHANGE, {...parameters, scope: 'network:read', ...more});
    const lesser = await exchanged({});
    const persons = await exchanged({requested_subject: world.person});
    return {
      before: first.scope,
      after: lesser.scope,
      kind: lesser.issued_token_type,
      life: lesser.expires_in,
      viewer: await asked(config, world, lesser.access_token),
      person: await asked(config, world, persons.access_token),
    };
  },

  async device(world) {
    const config = await discovered(world, world.device, client.None());
    const shown = await client.initiateDeviceAuthorization(config, {scope: 'network:read'});
    const polled = client.pollDeviceAuthorizationGrant(config, shown);
    await type(shown.user_code);
    const tokens = await polled;
    return {
      viewer: await asked(config, world, tokens.access_token),
      refreshed: (await client.refreshTokenGrant(config, tokens.refresh_token)).scope,
      again: await refused(client.pollDeviceAuthorizationGrant(config, shown)),
    };
  },

  async openid(world) {
    const config = await discovered(world, world.app, client.None(), 'oidc');
    client.enableNonRepudiationChecks(config);
    const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair());
    const expectedNonce = client.randomNonce();
    const request = {scope: 'openid profile email network:read', nonce: expectedNonce, max_age: 3600};
    const checks = {expectedNonce, idTokenExpected: true, maxAge: 3600};
    const {tokens} = await logIn(config, world, request, {DPoP}, checks);
    const claims = tokens.claims();
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token, {}, {DPoP});
    const leaving = {post_logout_redirect_uri: world.after, id_token_hint: refreshed.id_token, state: 'bye'};
    return {
      amr: claims.amr,
      same: refreshed.claims().sub === claims.sub,
      person: await client.fetchUserInfo(config, refreshed.access_token, claims.sub, {DPoP}),
      as_access_token: await refused(asked(config, world, tokens.id_token)),
      left: (await leave(client.buildEndSessionUrl(config, leaving))).href,
      ended: await refused(client.refreshTokenGrant(config, refreshed.refresh_token, {}, {DPoP})),
    };
  },

  async registration(world) {
    const initial = await discovered(world, world.admin, client.None());
    const {tokens} = await logIn(initial, world, {scope: 'partner:admin network:read'});
    const metadata = {client_name: 'registered', grant_types: ['client_credentials'], response_types: [], scope: 'network:read'};
    const config = await client.dynamicClientRegistration(new URL(world.issuer), metadata, client.ClientSecretBasic(), {
      algorithm: 'oauth2',
      execute: [client.allowInsecureRequests],
      initialAccessToken: tokens.access_token,
    });
    const granted = await client.clientCredentialsGrant(config);
    return {viewer: await asked(config, world, granted.access_token)};
  },
});
