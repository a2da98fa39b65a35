import t from 'tap';
import { buildPower } from '../../src/catalog/build-power.ts';
import type { RawPower } from '../../src/catalog/power-schema.ts';

const REDFISH: RawPower = {
  kind: 'redfish',
  url: 'https://10.77.1.5/',
  user: 'tb',
  passwordFile: '/etc/bmc',
};

t.test('each kind has its keys', async (t) => {
  const none = () => t.fail('a problem');
  t.same(buildPower(REDFISH, none), { ...REDFISH, url: 'https://10.77.1.5' });
  t.same(buildPower({ kind: 'wake-on-lan', broadcast: '10.77.0.255' }, none), {
    kind: 'wake-on-lan',
    broadcast: 0x0a4d00ff,
  });
  t.same(buildPower({ kind: 'ipmitool', address: 'bmc-7', user: 'tb', passwordFile: '/etc/bmc' }, none), {
    kind: 'ipmitool',
    address: 'bmc-7',
    user: 'tb',
    passwordFile: '/etc/bmc',
    interface: 'lanplus',
  });
});

t.test('a key that is missing, or another kind’s, is said at its place', async (t) => {
  const rows: readonly [RawPower, readonly [string | undefined, RegExp][]][] = [
    [
      { kind: 'wake-on-lan', user: 'x' },
      [['user', /no key of power by wake-on-lan; allowed: kind, interface, broadcast/]],
    ],
    [
      { kind: 'redfish', url: 'https://h' },
      [
        [undefined, /"user" is missing/],
        [undefined, /"passwordFile" is missing/],
      ],
    ],
    [{ ...REDFISH, ca: '/ca', insecure: true }, [['ca', /of no use/]]],
    [
      { kind: 'ipmitool', address: 'a', user: 'b', passwordFile: '/c', interface: 'open' },
      [['interface', /lanplus, lan; got "open"/]],
    ],
  ];
  for (const [raw, expected] of rows) {
    const said: [string | undefined, string][] = [];
    t.equal(
      buildPower(raw, (key, message) => void said.push([key, message])),
      undefined,
    );
    t.equal(said.length, expected.length);
    expected.forEach(([key, message], index) => {
      t.equal(said[index]?.[0], key);
      t.match(said[index]?.[1], message);
    });
  }
});
