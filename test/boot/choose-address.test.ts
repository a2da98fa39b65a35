import t from 'tap';
import {
  type AddressInput,
  type AddressView,
  answerRequest,
  chooseOffer,
  type RequestState,
} from '../../src/boot/choose-address.ts';
import { formatIpv4, type Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { ip, SUBNET } from '../support/make-environment.ts';
import { MAC } from '../support/make-request.ts';

/** The decision in each of the three states. */
const every = (kind: string) => [kind, kind, kind];

const NOW = 1_000_000;
const OTHER = '52:54:00:00:00:02' as Mac;

/** One fact of the lease book, as `address state holder`. */
interface Held {
  readonly address: string;
  readonly mac?: Mac;
  readonly state?: 'bound' | 'offered' | 'declined';
}

interface Situation extends Partial<Omit<AddressInput, 'reservation' | 'requested' | 'view'>> {
  readonly held?: readonly Held[];
  /** The machine's own lease, which may be over. */
  readonly lease?: string;
  readonly offer?: string;
  readonly free?: string;
  readonly reservation?: string;
  readonly requested?: string;
  readonly excluded?: readonly string[];
}

function makeInput(situation: Situation): AddressInput {
  const { held = [], lease, offer, free, reservation, requested, excluded = [], ...rest } = situation;
  const view: AddressView = {
    leaseOf: (_mac, isWanted) =>
      lease !== undefined && isWanted(ip(lease))
        ? { address: ip(lease), state: 'bound', expiresAt: NOW - 1 }
        : undefined,
    offerOf: (_mac, isWanted) =>
      offer !== undefined && isWanted(ip(offer)) ? { address: ip(offer) } : undefined,
    holderOf: (address) => {
      const found = held.find((one) => ip(one.address) === address);
      return found && { mac: found.mac ?? MAC, state: found.state ?? 'bound', until: NOW + 1 };
    },
    freeAddress: (_ranges, _isExcluded, _now, preferred) => {
      if (free === undefined) return undefined;
      return preferred !== undefined && formatIpv4(preferred) === '10.77.0.102' ? preferred : ip(free);
    },
  };
  return {
    mac: MAC,
    subnet: SUBNET,
    reservation: reservation === undefined ? undefined : ip(reservation),
    requested: requested === undefined ? undefined : ip(requested),
    isExcluded: (address: Ipv4) => excluded.some((text) => ip(text) === address),
    view,
    now: NOW,
    ...rest,
  };
}

t.test(
  'what is offered: the reservation, else its own address, else the one it asks for, else a free one',
  async (t) => {
    const rows: [string, Situation, string, RegExp][] = [
      [
        'a reservation',
        { reservation: '10.77.0.20', lease: '10.77.0.100', free: '10.77.0.101' },
        '10.77.0.20',
        /reserved/,
      ],
      [
        'a reservation that it holds',
        { reservation: '10.77.0.20', held: [{ address: '10.77.0.20' }] },
        '10.77.0.20',
        /reserved/,
      ],
      [
        'a reservation that another still has',
        { reservation: '10.77.0.20', held: [{ address: '10.77.0.20', mac: OTHER }], free: '10.77.0.101' },
        '10.77.0.101',
        /reservation 10\.77\.0\.20 is still bound by 52:54:00:00:00:02/,
      ],
      [
        'a reservation that it declined itself',
        {
          reservation: '10.77.0.20',
          held: [{ address: '10.77.0.20', state: 'declined' }],
          free: '10.77.0.101',
        },
        '10.77.0.101',
        /reservation 10\.77\.0\.20 is still declined/,
      ],
      [
        'its last offer where its lease lies elsewhere',
        { lease: '10.78.0.102', offer: '10.77.0.101', free: '10.77.0.100' },
        '10.77.0.101',
        /the address it had/,
      ],
      [
        'its last offer where its lease is outside of the range',
        { lease: '10.77.0.9', offer: '10.77.0.101', free: '10.77.0.100' },
        '10.77.0.101',
        /the address it had/,
      ],
      [
        'a reservation elsewhere',
        { reservation: '10.78.0.20', free: '10.77.0.101' },
        '10.77.0.101',
        /a free address/,
      ],
      [
        'its lease, also one that is over',
        { lease: '10.77.0.102', free: '10.77.0.100' },
        '10.77.0.102',
        /the address it had/,
      ],
      ['its last offer', { offer: '10.77.0.101', free: '10.77.0.100' }, '10.77.0.101', /the address it had/],
      [
        'not its lease when another has it by now',
        { lease: '10.77.0.101', held: [{ address: '10.77.0.101', mac: OTHER }], free: '10.77.0.100' },
        '10.77.0.100',
        /a free address/,
      ],
      [
        'not its lease when it declined it itself',
        { lease: '10.77.0.101', held: [{ address: '10.77.0.101', state: 'declined' }], free: '10.77.0.100' },
        '10.77.0.100',
        /a free address/,
      ],
      [
        'not its lease when it is reserved now',
        { lease: '10.77.0.101', excluded: ['10.77.0.101'], free: '10.77.0.100' },
        '10.77.0.100',
        /free/,
      ],
      [
        'not its lease outside of the range',
        { lease: '10.77.0.9', free: '10.77.0.100' },
        '10.77.0.100',
        /free/,
      ],
      [
        'what it asks for',
        { requested: '10.77.0.102', free: '10.77.0.100' },
        '10.77.0.102',
        /the free address it asks for/,
      ],
      ['a free one', { free: '10.77.0.100' }, '10.77.0.100', /a free address/],
    ];
    for (const [name, situation, address, why] of rows) {
      const decision = chooseOffer(makeInput(situation));
      t.equal(decision.kind === 'give' ? formatIpv4(decision.address) : decision.kind, address, name);
      t.match(decision.reasons.join('; '), why, name);
    }
  },
);

t.test('an exhausted pool says so and what to do', async (t) => {
  const decision = chooseOffer(makeInput({}));
  t.match(decision, {
    kind: 'exhausted',
    reasons: [/no address is free in 10\.77\.0\.0\/24: enlarge dhcp\.range/],
  });
});

t.test('a REQUEST is granted, refused or left alone as RFC 2131 4.3.2 has it', async (t) => {
  const states: readonly RequestState[] = ['selecting', 'init-reboot', 'renewing'];
  const other = [{ address: '10.77.0.100', mac: OTHER }];
  // Decisions for SELECTING, INIT-REBOOT and RENEWING or REBINDING.
  const rows: [string, Situation, string[], RegExp][] = [
    ['no address', {}, every('silent'), /names no address/],
    ['another network', { requested: '10.78.0.100' }, every('nak'), /is not in 10\.77\.0\.0\/24/],
    ['the broadcast address', { requested: '10.77.0.255' }, every('nak'), /is not in/],
    [
      "another machine's",
      { requested: '10.77.0.100', held: other },
      every('nak'),
      /is bound by 52:54:00:00:00:02/,
    ],
    [
      'its own',
      { requested: '10.77.0.100', held: [{ address: '10.77.0.100' }] },
      every('give'),
      /bound to it/,
    ],
    [
      'what it was offered',
      { requested: '10.77.0.100', held: [{ address: '10.77.0.100', state: 'offered' }] },
      every('give'),
      /offered to it/,
    ],
    [
      'its reservation',
      { requested: '10.77.0.20', reservation: '10.77.0.20' },
      every('give'),
      /reserved for it/,
    ],
    [
      'not its reservation',
      { requested: '10.77.0.100', reservation: '10.77.0.20' },
      every('nak'),
      /reserves 10\.77\.0\.20/,
    ],
    [
      'its lease while another has its reservation',
      {
        requested: '10.77.0.100',
        reservation: '10.77.0.20',
        held: [{ address: '10.77.0.100' }, { address: '10.77.0.20', mac: OTHER }],
      },
      every('give'),
      /bound to it/,
    ],
    [
      'the reservation of another, also where it has a lease on it',
      { requested: '10.77.0.100', held: [{ address: '10.77.0.100' }], excluded: ['10.77.0.100'] },
      every('nak'),
      /reserved/,
    ],
    [
      'outside of the range, of a client that nobody knows here: another server may have given it',
      { requested: '10.77.0.9' },
      ['nak', 'silent', 'silent'],
      /outside the range/,
    ],
    [
      'outside of the range, of a client with a lease elsewhere only',
      { requested: '10.77.0.9', lease: '10.78.0.100' },
      ['nak', 'silent', 'silent'],
      /outside the range/,
    ],
    [
      'outside of the range, of a client with a lease here',
      { requested: '10.77.0.9', lease: '10.77.0.100' },
      every('nak'),
      /outside the range/,
    ],
    [
      'outside of the range, of a client whose reservation another still has',
      {
        requested: '10.77.0.9',
        reservation: '10.77.0.20',
        held: [{ address: '10.77.0.20', mac: OTHER }],
      },
      every('nak'),
      /outside the range/,
    ],
    [
      'an address of our own, or reserved for another',
      { requested: '10.77.0.1', excluded: ['10.77.0.1'] },
      every('nak'),
      /reserved for another machine, or our own/,
    ],
    [
      'its reservation, which it declined',
      {
        requested: '10.77.0.20',
        reservation: '10.77.0.20',
        held: [{ address: '10.77.0.20', state: 'declined' }],
        excluded: ['10.77.0.20'],
      },
      every('nak'),
      /declined and rests/,
    ],
    [
      'what it was offered while its reservation rests',
      {
        requested: '10.77.0.100',
        reservation: '10.77.0.20',
        held: [
          { address: '10.77.0.20', state: 'declined' },
          { address: '10.77.0.100', state: 'offered' },
        ],
      },
      every('give'),
      /offered to it/,
    ],
    [
      'what it declined',
      { requested: '10.77.0.100', held: [{ address: '10.77.0.100', state: 'declined' }] },
      every('nak'),
      /declined and rests/,
    ],
    ['free and unknown to us', { requested: '10.77.0.100' }, ['give', 'silent', 'give'], /free|never given/],
    [
      'another than it had',
      { requested: '10.77.0.100', lease: '10.77.0.101' },
      ['give', 'nak', 'give'],
      /free|it last had 10\.77\.0\.101/,
    ],
    [
      'the one it had, over by now',
      { requested: '10.77.0.100', lease: '10.77.0.100' },
      every('give'),
      /free/,
    ],
  ];
  for (const [name, situation, expected, why] of rows) {
    const decisions = states.map((state) => answerRequest(makeInput(situation), state));
    t.same(
      decisions.map(({ kind }) => kind),
      expected,
      name,
    );
    for (const { reasons } of decisions) t.match(reasons.join('; '), why, name);
  }
});
