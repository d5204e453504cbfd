// A real, OpenID-certified provider (npm oidc-provider) for the end-to-end tests: client_credentials, JWT access
// tokens by resource indicator (RFC 8707, RFC 9068), scopes, custom claims, over TLS with the harness's own CA.
//
//   node provider.mjs CONFIG.json
//
// CONFIG: {issuer, port, controlPort, cert, key, scopes: [..], resources: [..], clients: [{client_id, client_secret,
// claims: {..}, alg, ttl}]}. It listens on 127.0.0.1 alone. The control port (plain HTTP, loopback) is the tests'
// hand on it and no part of the provider:
//   POST /rotate    a new key set signs; the one before stays published
//   POST /announce  a new key set is published, but does not sign yet
//   POST /retire    only the set that signs stays published
//   POST /replace   a new key set signs, nothing else is published: a key was lost
//   POST /down      no longer listens      POST /up    listens again
//   GET  /state     {up, keySets, counts: {path: n}}; every command answers the same
import { generateKeyPair as generate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { promisify } from 'node:util';

// Node 20 before 20.19 lacks it, and the library calls it.
URL.parse ??= (text, base) => (URL.canParse(text, base) ? new URL(text, base) : null);

const { Provider } = await import('oidc-provider');
const generateKeyPair = promisify(generate);
const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const clientsById = new Map(config.clients.map((client) => [client.client_id, client]));

let keySets = []; // the first one signs; all are published
let provider;
let listening = true;
const counts = {};

async function newKeySet() {
  const make = async (alg, type, options) => {
    const { privateKey } = await generateKeyPair(type, options);
    return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg };
  };
  return Promise.all([
    make('RS256', 'rsa', { modulusLength: 2048 }),
    make('ES256', 'ec', { namedCurve: 'P-256' }),
    make('EdDSA', 'ed25519', {}),
  ]);
}

function makeProvider() {
  const known = ({ client_id, client_secret }) => ({
    client_id,
    client_secret,
    grant_types: ['client_credentials'],
    redirect_uris: [],
    response_types: [],
  });
  const made = new Provider(config.issuer, {
    clients: config.clients.map(known),
    jwks: { keys: keySets.flat() },
    scopes: config.scopes,
    extraTokenClaims: (ctx, token) => clientsById.get(token.clientId)?.claims,
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (ctx, resource, client) => {
          if (!config.resources.includes(resource)) throw new Error(`unknown resource ${resource}`);
          const { alg = 'RS256', ttl = 3600 } = clientsById.get(client.clientId);
          return {
            scope: config.scopes.join(' '),
            audience: resource,
            accessTokenTTL: ttl,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg } },
          };
        },
      },
    },
  });
  made.on('server_error', (ctx, error) => console.error('server error:', error));
  made.on('grant.error', (ctx, error) => console.error('grant error:', error.message, error.error_description ?? ''));
  return made.callback();
}

async function setKeys(sets) {
  keySets = sets;
  provider = makeProvider();
}

const server = https.createServer(
  { cert: readFileSync(config.cert), key: readFileSync(config.key) },
  (request, response) => {
    const path = request.url.split('?')[0];
    counts[path] = (counts[path] ?? 0) + 1;
    provider(request, response);
  },
);

function listen(target, port) {
  return new Promise((resolve, reject) => {
    target.once('error', reject);
    target.listen(port, '127.0.0.1', resolve);
  });
}

const commands = {
  'POST /rotate': async () => setKeys([await newKeySet(), ...keySets]),
  'POST /announce': async () => setKeys([...keySets, await newKeySet()]),
  'POST /retire': async () => setKeys(keySets.slice(0, 1)),
  'POST /replace': async () => setKeys([await newKeySet()]),
  'POST /down': async () => {
    if (!listening) return;
    listening = false;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  },
  'POST /up': async () => {
    if (listening) return;
    await listen(server, config.port);
    listening = true;
  },
  'GET /state': async () => {},
};

const control = http.createServer(async (request, response) => {
  const command = commands[`${request.method} ${request.url}`];
  response.setHeader('Content-Type', 'application/json');
  if (!command) {
    response.statusCode = 404;
    response.end(JSON.stringify({ error: `no ${request.method} ${request.url}` }));
    return;
  }
  try {
    await command();
    response.end(JSON.stringify({ up: listening, keySets: keySets.length, counts }));
  } catch (error) {
    response.statusCode = 500;
    response.end(JSON.stringify({ error: String(error) }));
  }
});

await setKeys([await newKeySet()]);
await listen(server, config.port);
await listen(control, config.controlPort);
console.log(`${config.issuer} is up; control on http://127.0.0.1:${config.controlPort}`);
