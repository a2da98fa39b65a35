import t from 'tap';
import { encodeMessageType, MESSAGE_TYPES, messageTypeOf } from '../../../src/protocol/dhcp/option-codes.ts';

const values = [
  { name: 'discover', value: [1], type: 'discover' },
  { name: 'ack', value: [5], type: 'ack' },
  { name: 'inform', value: [8], type: 'inform' },
  { name: 'zero', value: [0], type: undefined },
  { name: 'a type after RFC 2132 (force renew)', value: [9], type: undefined },
  { name: 'no value', value: [], type: undefined },
  { name: 'two bytes', value: [1, 1], type: undefined },
] as const;

t.test('option 53 tells the message type, where it is well formed', async (t) => {
  for (const { name, value, type } of values) {
    t.equal(messageTypeOf({ options: new Map([[53, Uint8Array.from(value)]]) }), type, name);
  }
  t.equal(messageTypeOf({ options: new Map() }), undefined, 'plain BOOTP');
});

t.test('message types are numbered as RFC 2132 section 9.6 does', async (t) => {
  t.strictSame(
    MESSAGE_TYPES.map((type) => [type, ...encodeMessageType(type)]),
    [
      ['discover', 1],
      ['offer', 2],
      ['request', 3],
      ['decline', 4],
      ['ack', 5],
      ['nak', 6],
      ['release', 7],
      ['inform', 8],
    ],
  );
});
