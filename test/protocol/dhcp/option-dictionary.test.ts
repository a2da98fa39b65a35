import fc from 'fast-check';
import t from 'tap';
import { OPTION } from '../../../src/protocol/dhcp/option-codes.ts';
import { describeOption, findOption, optionName } from '../../../src/protocol/dhcp/option-dictionary.ts';
import { fuzzRuns } from './sample-packets.ts';

const descriptions = [
  { code: 1, bytes: [255, 255, 255, 0], name: 'Subnet Mask', text: '255.255.255.0' },
  { code: 2, bytes: [255, 255, 255, 255], name: 'Time Offset', text: '-1' },
  { code: 6, bytes: [10, 77, 0, 1, 8, 8, 8, 8], name: 'Domain Name Server', text: '10.77.0.1, 8.8.8.8' },
  { code: 6, bytes: [10, 77, 0], name: 'Domain Name Server', text: '0a 4d 00' },
  { code: 12, bytes: [...Buffer.from('node\0')], name: 'Host Name', text: '"node"' },
  {
    code: 12,
    bytes: [0x1b, 0x5b, 0x33, 0x31, 0x6d, 0x22, 0x5c, 0xe9],
    name: 'Host Name',
    text: '"\\x1b[31m\\x22\\x5c\\xe9"',
  },
  { code: 19, bytes: [1], name: 'IP Forwarding', text: '1 (Enabled)' },
  { code: 26, bytes: [5, 220], name: 'Interface MTU', text: '1500' },
  { code: 36, bytes: [1], name: 'Ethernet Encapsulation', text: '1' },
  { code: 51, bytes: [255, 255, 255, 255], name: 'IP Address Lease Time', text: '4294967295' },
  { code: 51, bytes: [1], name: 'IP Address Lease Time', text: '01' },
  { code: 53, bytes: [1], name: 'DHCP Message Type', text: '1 (DHCPDISCOVER)' },
  { code: 53, bytes: [200], name: 'DHCP Message Type', text: '200' },
  { code: 55, bytes: [1, 3, 66], name: 'Parameter Request List', text: '1, 3, 66' },
  { code: 61, bytes: [1, 0x52, 0x54], name: 'Client-Identifier', text: '01 52 54' },
  { code: 77, bytes: [...Buffer.from('iPXE')], name: 'User Class', text: '"iPXE"' },
  { code: 80, bytes: [], name: 'Rapid Commit', text: 'present' },
  { code: 80, bytes: [1], name: 'Rapid Commit', text: '01' },
  { code: 93, bytes: [0, 7, 0, 9], name: 'Client System Architecture', text: '7, 9' },
  { code: 93, bytes: [7], name: 'Client System Architecture', text: '07' },
  { code: 175, bytes: [176, 1, 1], name: 'iPXE Encapsulated Options', text: 'b0 01 01' },
  { code: 224, bytes: [1], name: 'Option 224', text: '01' },
] as const;

t.test('an option is described by the name and type it has', async (t) => {
  for (const { code, bytes, name, text } of descriptions) {
    t.strictSame(describeOption(code, Uint8Array.from(bytes)), { name, text }, `${code}: ${bytes.join(' ')}`);
  }
});

t.test('every option that the project names is in the dictionary', async (t) => {
  for (const [key, code] of Object.entries(OPTION)) {
    if (code !== OPTION.pad && code !== OPTION.end) t.ok(findOption(code), key);
  }
});

t.test("the package's own settings beyond 254 are no options", async (t) => {
  t.equal(findOption(1001), undefined);
  t.equal(optionName(1001), 'Option 1001');
});

t.test('whatever the bytes, a description is short printable ASCII', async () => {
  const value = fc.uint8Array({ maxLength: 3000, size: 'max' });
  fc.assert(
    fc.property(fc.nat(255), value, (code, bytes) => {
      const { name, text } = describeOption(code, bytes);
      return /^[ -~]*$/.test(name + text) && text.length <= 210;
    }),
    { numRuns: fuzzRuns(2000) },
  );
});
