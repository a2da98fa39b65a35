import t from 'tap';
import { answerServer } from '../../src/boot/answer-server.ts';
import type { DhcpAction, ServerEnvironment } from '../../src/boot/dhcp-action.ts';
import { identifyClient, type NetworkClient } from '../../src/boot/identify-client.ts';
import { inOneNetwork } from '../../src/boot/subnet.ts';
import { formatIpv4 } from '../../src/machine/ipv4.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';
import type { MachineEntry } from '../../src/machine/role.ts';
import { createLeaseBook } from '../../src/store/lease-book.ts';
import type { LeaseBook } from '../../src/store/port.ts';
import { ip, makeCatalog, makeEnvironment, SUBNET } from '../support/make-environment.ts';
import { IPXE, MAC, makeRequest, type RequestShape, UEFI_ROM } from '../support/make-request.ts';

const OTHER = parseMac('52:54:00:00:00:02') as Mac;
const SERVER = ip('10.77.0.1');
const NOW = 1_000_000;

/** A server with a real lease book whose store remembers nothing. */
function makeServer(overrides: Partial<ServerEnvironment> = {}) {
  let now = NOW;
  const leases: LeaseBook = createLeaseBook({
    store: { commitLeases: () => Promise.resolve() },
    leases: [],
    clock: () => now,
    isSameNetwork: inOneNetwork(overrides.subnets ?? [SUBNET]),
  });
  const environment = () => makeEnvironment({ view: leases, now, ...overrides });
  return {
    leases,
    advance: (ms: number) => (now += ms),
    async ask(request: RequestShape): Promise<DhcpAction> {
      const packet = makeRequest(request);
      const client = identifyClient(packet).client as NetworkClient;
      const action = answerServer(packet, client, environment());
      const change = action.lease;
      if (change?.kind === 'offer') leases.offer(change.address, client.mac, now + 60_000);
      if (change?.kind === 'bind') {
        const expiresAt = now + change.leaseTime * 1000;
        await leases.bind({
          address: change.address,
          mac: client.mac,
          state: 'bound',
          expiresAt,
          via: 'eth1',
        });
      }
      if (change?.kind === 'decline') await leases.decline(change.address, client.mac, now + 600_000);
      if (change?.kind === 'release') await leases.release(client.mac, change.address);
      return action;
    },
  };
}
const addressOf = (action: DhcpAction) =>
  action.kind === 'reply' && action.address !== undefined ? formatIpv4(action.address.address) : action.kind;
const reservation = (mac: Mac, address: string): MachineEntry => ({
  mac,
  address: ip(address),
  hostname: 'fixed-1',
  parameters: {},
  line: 3,
});

t.test(
  'DISCOVER, OFFER, REQUEST, ACK: one address from ROM through iPXE to the operating system',
  async (t) => {
    const server = makeServer();
    const offer = await server.ask(UEFI_ROM);
    t.match(offer, { kind: 'reply', type: 'offer', boot: { bootfile: 'snponly.efi', plane: 'server' } });
    const address = addressOf(offer);
    const ack = await server.ask({ ...UEFI_ROM, type: 'request', server: SERVER, requested: ip(address) });
    t.match(ack, { kind: 'reply', type: 'ack', lease: { kind: 'bind' }, boot: { bootfile: 'snponly.efi' } });
    t.equal(addressOf(ack), address);
    const ipxe = await server.ask(IPXE);
    t.match(ipxe, { boot: { bootfile: 'http://10.77.0.1/boot.ipxe' } });
    t.equal(addressOf(ipxe), address, 'iPXE, another client identifier, same address');
    const system = await server.ask({ vendorClass: 'udhcp 1.35.0' });
    t.equal(addressOf(system), address);
    t.equal(system.kind === 'reply' && system.boot, undefined, 'an ordinary client is told no boot file');
  },
);

t.test('two machines never get one address, and an exhausted pool is said with its remedy', async (t) => {
  const server = makeServer();
  const given = new Set<string>();
  for (let last = 1; last <= 3; last++)
    given.add(addressOf(await server.ask({ mac: parseMac(`52:54:00:00:01:0${last}`) as Mac })));
  t.same([...given].sort(), ['10.77.0.100', '10.77.0.101', '10.77.0.102']);
  const fourth = await server.ask({ mac: OTHER });
  t.match(fourth, {
    kind: 'silent',
    outcome: 'refused',
    trouble: { counter: 'pool-exhausted', text: 'no address is free in 10.77.0.0/24' },
  });
  t.match(fourth.reasons.join('; '), /no address is free .* enlarge dhcp\.range/);
  server.advance(61_000);
  t.equal((await server.ask({ mac: OTHER })).kind, 'reply', 'offers nobody took are free after a minute');
});

t.test('a reservation wins over the pool and over what the machine asks for', async (t) => {
  const catalog = makeCatalog([reservation(MAC, '10.77.0.10')]);
  const server = makeServer({ catalog, isExcluded: (address) => address === ip('10.77.0.10') });
  const offer = await server.ask({ ...UEFI_ROM, requested: ip('10.77.0.101') });
  t.equal(addressOf(offer), '10.77.0.10');
  t.match(offer, { address: { hostname: 'fixed-1' } });
  const wrong = await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.101') });
  t.match(wrong, { kind: 'reply', type: 'nak' });
  t.equal(
    addressOf(await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.10') })),
    '10.77.0.10',
  );
  t.match(await server.ask({ mac: OTHER, type: 'request', server: SERVER, requested: ip('10.77.0.10') }), {
    type: 'nak',
  });
});

t.test('a reservation that another machine still holds waits, and says who holds it', async (t) => {
  const entries: MachineEntry[] = [];
  const server = makeServer({ catalog: makeCatalog(entries) });
  await server.ask({ mac: OTHER, type: 'request', server: SERVER, requested: ip('10.77.0.100') });
  const later = makeServer({ catalog: makeCatalog([reservation(MAC, '10.77.0.100')]), view: server.leases });
  const offer = await later.ask(UEFI_ROM);
  t.not(addressOf(offer), '10.77.0.100');
  t.match(offer.reasons.join('; '), new RegExp(`10.77.0.100 is still bound by ${OTHER}`));
});

t.test('REQUEST as RFC 2131 4.3.2 has it', async (t) => {
  const rows: readonly (readonly [string, RequestShape, object])[] = [
    [
      'selecting another server: silence',
      { server: ip('10.77.0.9'), requested: ip('10.77.0.55') },
      { kind: 'silent', outcome: 'noted', uses: ip('10.77.0.55') },
    ],
    [
      'selecting us with a free address of the range (the offer was lost in a restart): ACK',
      { server: SERVER, requested: ip('10.77.0.101') },
      { type: 'ack' },
    ],
    [
      'selecting us with an address outside the range: NAK',
      { server: SERVER, requested: ip('10.77.0.50') },
      { type: 'nak' },
    ],
    ['init-reboot on another network: NAK', { requested: ip('192.168.1.5') }, { type: 'nak' }],
    [
      'init-reboot with an address that we never gave: silence',
      { requested: ip('10.77.0.101') },
      { kind: 'silent', outcome: 'ignored' },
    ],
    [
      'renewing an address that nobody else holds: ACK, the lease is learned again',
      { ciaddr: ip('10.77.0.102') },
      { type: 'ack' },
    ],
    ['the broadcast address: NAK', { ciaddr: ip('10.77.0.255') }, { type: 'nak' }],
    ['no address at all: silence', {}, { kind: 'silent' }],
  ];
  for (const [name, request, expected] of rows) {
    const action = await makeServer().ask({ ...request, type: 'request' });
    t.match(action, expected, name);
    t.ok(action.reasons.length > 0, `${name}: it says why`);
  }
});

t.test('renewing or asking for an address that another machine holds is a NAK', async (t) => {
  const server = makeServer();
  await server.ask({ mac: OTHER, type: 'request', server: SERVER, requested: ip('10.77.0.100') });
  for (const request of [
    { ciaddr: ip('10.77.0.100') },
    { requested: ip('10.77.0.100') },
    { server: SERVER, requested: ip('10.77.0.100') },
  ]) {
    t.match(await server.ask({ ...request, type: 'request' }), { kind: 'reply', type: 'nak' });
  }
});

t.test('a machine that comes back gets the address it had, also after its lease ran out', async (t) => {
  const server = makeServer();
  await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.102') });
  server.advance(SUBNET.leaseTime * 1000 + 1);
  t.equal(addressOf(await server.ask(UEFI_ROM)), '10.77.0.102');
  t.match(
    await server.ask({ type: 'request', requested: ip('10.77.0.102') }),
    { type: 'ack' },
    'init-reboot',
  );
});

t.test('a declined address rests, is said, and is given again when its time is over', async (t) => {
  const server = makeServer();
  await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.100') });
  const declined = await server.ask({ type: 'decline', server: SERVER, requested: ip('10.77.0.100') });
  t.match(declined, { kind: 'silent', outcome: 'noted' });
  t.not(addressOf(await server.ask(UEFI_ROM)), '10.77.0.100');
  t.match(await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.100') }), {
    type: 'nak',
  });
  server.advance(600_001);
  t.match(await server.ask({ mac: OTHER, type: 'request', server: SERVER, requested: ip('10.77.0.100') }), {
    type: 'ack',
  });
});

t.test(
  'a declined reservation rests: the machine gets another address meanwhile, and then its own',
  async (t) => {
    const catalog = makeCatalog([reservation(MAC, '10.77.0.20')]);
    const server = makeServer({ catalog, isExcluded: (address) => address === ip('10.77.0.20') });
    await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.20') });
    await server.ask({ type: 'decline', server: SERVER, requested: ip('10.77.0.20') });
    const offer = await server.ask(UEFI_ROM);
    t.equal(addressOf(offer), '10.77.0.100');
    t.match(offer.reasons.join('; '), /its reservation 10\.77\.0\.20 is still declined/);
    t.match(await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.100') }), {
      type: 'ack',
    });
    server.advance(600_001);
    t.equal(addressOf(await server.ask(UEFI_ROM)), '10.77.0.20');
  },
);

const SECOND = {
  ...SUBNET,
  network: { address: ip('10.88.0.0'), prefix: 24 },
  ranges: [{ first: ip('10.88.0.100'), last: ip('10.88.0.102') }],
};
const BOTH = [
  { address: ip('192.0.2.1'), url: 'http://192.0.2.1' },
  { address: ip('10.77.0.1'), url: 'http://10.77.0.1' },
  { address: ip('10.88.0.1'), url: 'http://10.88.0.1' },
];

t.test('a machine on two networks of one interface keeps an address in each', async (t) => {
  const server = makeServer({ subnets: [SUBNET, { ...SECOND, via: 'relay' }] });
  const here = {};
  const there = { giaddr: ip('10.88.0.1') };
  // Both ask at the same time, as a machine with a tagged network does.
  t.equal(addressOf(await server.ask(here)), '10.77.0.100');
  t.equal(addressOf(await server.ask(there)), '10.88.0.100');
  t.equal(addressOf(await server.ask(here)), '10.77.0.100', 'its offer is still its own');
  await server.ask({ ...here, type: 'request', server: SERVER, requested: ip('10.77.0.100') });
  server.advance(1000);
  await server.ask({ ...there, type: 'request', server: SERVER, requested: ip('10.88.0.100') });
  t.equal(server.leases.holderOf(ip('10.77.0.100'))?.mac, MAC, 'the other network changes nothing here');
  t.equal(addressOf(await server.ask(here)), '10.77.0.100');
  t.equal(addressOf(await server.ask(there)), '10.88.0.100');
  t.equal(addressOf(await server.ask({ ...here, mac: OTHER })), '10.77.0.101');
});

t.test('a rebinding with an address of another interface is a NAK', async (t) => {
  const subnets = [SUBNET, { ...SECOND, via: 'eth2' }];
  const action = await makeServer({ subnets }).ask({ type: 'request', ciaddr: ip('10.88.0.101') });
  t.match(action, { kind: 'reply', type: 'nak' });
  t.match(action.reasons.join('; '), /10\.88\.0\.101 is not in 10\.77\.0\.0\/24/);
});

t.test('a stale ciaddr of a machine that selects us decides nothing', async (t) => {
  const server = makeServer({ subnets: [SUBNET, { ...SECOND, via: 'relay' }] });
  const action = await server.ask({
    type: 'request',
    server: SERVER,
    requested: ip('10.77.0.101'),
    ciaddr: ip('10.88.0.66'),
  });
  t.match(action, { type: 'ack', reasons: ['REQUEST, selecting'] });
  t.equal(addressOf(action), '10.77.0.101');
});

t.test(
  'an interface with several addresses is called by the one of the network, and answers to each',
  async (t) => {
    const server = makeServer({
      subnets: [SECOND],
      interfaceAddresses: BOTH,
      serverAddress: ip('192.0.2.1'),
    });
    const offer = await server.ask(IPXE);
    t.match(offer, {
      type: 'offer',
      serverAddress: ip('10.88.0.1'),
      boot: { bootfile: 'http://10.88.0.1/boot.ipxe' },
    });
    const requested = ip('10.88.0.100');
    for (const { address } of BOTH) {
      const action = await server.ask({ type: 'request', server: address, requested });
      t.match(action, { type: 'ack', serverAddress: ip('10.88.0.1') }, formatIpv4(address));
    }
    t.match(await server.ask({ type: 'request', server: ip('10.88.0.2'), requested }), { kind: 'silent' });
    t.match(await server.ask({ type: 'request', server: ip('10.88.0.1'), requested: ip('10.99.0.1') }), {
      type: 'nak',
      serverAddress: ip('10.88.0.1'),
    });
    t.match(await server.ask({ type: 'decline', server: ip('192.0.2.1'), requested }), { outcome: 'noted' });
  },
);

t.test("nobody releases or declines another machine's address", async (t) => {
  const server = makeServer();
  await server.ask({ type: 'request', server: SERVER, requested: ip('10.77.0.100') });
  t.match(await server.ask({ mac: OTHER, type: 'release', ciaddr: ip('10.77.0.100') }), {
    outcome: 'refused',
  });
  t.match(await server.ask({ mac: OTHER, type: 'decline', requested: ip('10.77.0.100') }), {
    outcome: 'refused',
  });
  t.equal(server.leases.holderOf(ip('10.77.0.100'))?.mac, MAC);
  t.match(await server.ask({ type: 'release', ciaddr: ip('10.77.0.100') }), { outcome: 'noted' });
  t.equal(server.leases.holderOf(ip('10.77.0.100')), undefined);
});

t.test('INFORM gets parameters and no lease', async (t) => {
  const action = await makeServer().ask({ type: 'inform', ciaddr: ip('10.77.0.77') });
  t.match(action, { kind: 'reply', type: 'ack' });
  t.equal(action.lease, undefined);
  t.equal(addressOf(action), '0.0.0.0');
});

t.test('dhcp.knownOnly gives addresses to listed machines only', async (t) => {
  const listed = makeServer({
    knownOnly: true,
    catalog: makeCatalog([{ mac: MAC, parameters: {}, line: 2 }]),
  });
  t.equal((await listed.ask(UEFI_ROM)).kind, 'reply');
  t.match(await listed.ask({ ...UEFI_ROM, mac: OTHER }), { kind: 'silent', outcome: 'ignored' });
});

t.test("a subnet is chosen by relay, by the renewing client's address, else by the interface", async (t) => {
  const remote = {
    ...SUBNET,
    via: 'relay',
    network: { address: ip('10.88.0.0'), prefix: 24 },
    ranges: [{ first: ip('10.88.0.50'), last: ip('10.88.0.60') }],
  };
  const server = makeServer({ subnets: [SUBNET, remote] });
  t.match(addressOf(await server.ask({ ...UEFI_ROM, giaddr: ip('10.88.0.1') })), /^10\.88\.0\.[56]/);
  t.match(addressOf(await server.ask({ mac: OTHER, ...UEFI_ROM })), /^10\.77\.0\./);
  const renewed = await server.ask({ type: 'request', ciaddr: ip('10.88.0.55') });
  t.equal(addressOf(renewed), '10.88.0.55', 'a renewal comes straight from behind the relay');
  const nowhere = await server.ask({ ...UEFI_ROM, giaddr: ip('10.99.0.1') });
  t.match(nowhere, { kind: 'silent', outcome: 'refused', trouble: { counter: 'no-subnet' } });
  t.match(nowhere.reasons.join(), /dhcp\.subnets/);
});

t.test('a machine without a loader still gets an address, and the reason', async (t) => {
  const action = await makeServer().ask({ vendorClass: 'PXEClient', architectures: [6] });
  t.match(action, { kind: 'reply', type: 'offer' });
  t.equal(action.kind === 'reply' && action.boot, undefined);
  t.match(action.reasons.join('; '), /is missing/);
  t.match(action, { trouble: { counter: 'no-loader', text: /is missing/ } });
});
