import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import t from 'tap';
import { watcherEntitlement } from '../../src/pki/entitled-certificates.ts';
import type { Authorities, IssuedCertificate } from '../../src/pki/port.ts';
import { ip } from '../support/make-environment.ts';
import { CLUSTER, CONTROLLER, entitlement, makeFolder, open } from './support/make-cluster.ts';

interface Handshake {
  /** What the server made of the client: its common name, or why not. */
  readonly server: string;
  /** What the client made of the server. */
  readonly client: string;
}

/** The loopback stands in for the machine's own address. */
const API_SERVER = entitlement('kube-apiserver', {
  ...CONTROLLER,
  addresses: [ip('127.0.0.1')],
  cluster: CLUSTER,
});

/** Both demand a certificate of the other, as the API server, kubelets and etcd do. */
async function shakeHands(options: {
  readonly server: IssuedCertificate;
  readonly serverTrusts: string;
  readonly client: IssuedCertificate | undefined;
  readonly clientTrusts: string;
  readonly servername?: string;
}): Promise<Handshake> {
  const { server, client } = options;
  const listener = createServer({
    cert: server.certificatePem,
    key: server.keyPem,
    ca: options.serverTrusts,
    requestCert: true,
    // Its verdict is looked at below: Node would only close the connection.
    rejectUnauthorized: false,
  });
  const seen = Promise.withResolvers<string>();
  listener.on('secureConnection', (socket: TLSSocket) => {
    socket.on('error', () => undefined);
    const { authorized, authorizationError } = socket;
    seen.resolve(authorized ? String(socket.getPeerCertificate().subject.CN) : String(authorizationError));
    socket.end(authorized ? 'welcome' : 'go away');
  });
  listener.on('tlsClientError', (error) =>
    seen.resolve((error as NodeJS.ErrnoException).code ?? error.message),
  );
  // Who is turned away by the other side sees only the end.
  listener.on('connection', (raw) => raw.on('close', () => seen.resolve('closed')));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const socket = connect({
    host: '127.0.0.1',
    port: (listener.address() as AddressInfo).port,
    ca: options.clientTrusts,
    ...(client === undefined ? {} : { cert: client.certificatePem, key: client.keyPem }),
    ...(options.servername === undefined ? {} : { servername: options.servername }),
  });
  const said = Promise.withResolvers<string>();
  socket.on('data', (chunk) => said.resolve(String(chunk)));
  socket.on('error', (error) => said.resolve((error as NodeJS.ErrnoException).code ?? error.message));
  socket.on('close', () => said.resolve('closed'));
  try {
    return { client: await said.promise, server: await seen.promise };
  } finally {
    socket.destroy();
    listener.close();
  }
}

async function makeParties(authorities: Authorities) {
  return {
    apiServer: await authorities.issue(API_SERVER),
    node: await authorities.issue(entitlement('node')),
    watcher: await authorities.issue(watcherEntitlement()),
    etcd: await authorities.issue(entitlement('etcd-server', { ...CONTROLLER, identity: 'etcd' })),
    etcdClient: await authorities.issue(entitlement('kube-apiserver-etcd-client', CONTROLLER)),
  };
}

t.test('TLS with certificates on both sides', async (t) => {
  const authorities = await open(makeFolder(t));
  const stranger = await open(makeFolder(t));
  const parties = await makeParties(authorities);
  const strangers = await makeParties(stranger);
  const kubernetes = authorities.trustOf('kubernetes');
  const etcd = authorities.trustOf('etcd');
  const api = { server: parties.apiServer, serverTrusts: kubernetes, clientTrusts: kubernetes };

  t.test('a node and the API server know each other, by address and by name', async (t) => {
    for (const servername of [undefined, 'kubernetes.default.svc', 'k8s.example.org', 'master-1']) {
      const hands = await shakeHands({ ...api, client: parties.node, ...(servername ? { servername } : {}) });
      t.same(hands, { client: 'welcome', server: 'system:node:node-1' }, servername ?? 'by address');
    }
    t.match(await shakeHands({ ...api, client: parties.watcher }), { server: 'tinderbox' });
  });

  t.test('the API server opens etcd with its own certificate for it', async (t) => {
    const hands = await shakeHands({
      server: parties.etcd,
      serverTrusts: etcd,
      client: parties.etcdClient,
      clientTrusts: etcd,
      servername: 'localhost',
    });
    t.same(hands, { client: 'welcome', server: 'kube-apiserver-etcd-client' });
  });

  t.test('what does not belong is turned away', async (t) => {
    const rows: [string, Parameters<typeof shakeHands>[0], Partial<Record<keyof Handshake, RegExp>>][] = [
      [
        'a client without a certificate',
        { ...api, client: undefined },
        { server: /^UNABLE_TO_GET_ISSUER_CERT$/ },
      ],
      [
        "a client of another cluster's",
        { ...api, client: strangers.node },
        { server: /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE)$/ },
      ],
      [
        "a worker's certificate at etcd",
        {
          server: parties.etcd,
          serverTrusts: etcd,
          client: parties.node,
          clientTrusts: etcd,
          servername: 'localhost',
        },
        { server: /^UNABLE_TO_VERIFY_LEAF_SIGNATURE$/ },
      ],
      [
        "a server of another cluster's",
        { ...api, server: strangers.apiServer, client: parties.node },
        { client: /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_SIGNATURE_FAILURE)$/ },
      ],
      [
        'a server of another name',
        { ...api, client: parties.node, servername: 'evil.example.org' },
        { client: /ALTNAME_INVALID/ },
      ],
      [
        'a client that shows itself as a server',
        { ...api, server: parties.watcher, client: parties.node },
        { client: /^INVALID_PURPOSE$/ },
      ],
      [
        'a server that shows itself as a client',
        { ...api, client: parties.apiServer },
        { server: /^INVALID_PURPOSE$/ },
      ],
    ];
    for (const [label, options, expected] of rows) {
      const hands = await shakeHands(options);
      t.match(hands, expected, label);
      t.not(hands.client, 'welcome', label);
    }
  });
});
