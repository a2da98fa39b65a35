import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { negotiateOptions } from '../../../src/protocol/tftp/negotiate-options.ts';
import { decodeTftpPacket, encodeTftpPacket } from '../../../src/protocol/tftp/packet.ts';

const folder = join(import.meta.dirname, '../../fixtures/tftp');
// Rewritten by test/interop/tftp.test.ts with TINDERBOX_UPDATE_FIXTURES=1.
const fixtures = readdirSync(folder).map(
  (file) =>
    JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<'client' | 'request' | 'answer', string>,
);

t.test(
  'the requests of real clients are read, written back byte for byte, and answered as captured',
  async (t) => {
    t.same(fixtures.map(({ client }) => client).sort(), ['atftp', 'curl', 'npm tftp', 'tftp-hpa']);
    for (const { client, request, answer } of fixtures) {
      const bytes = Buffer.from(request, 'latin1');
      const packet = decodeTftpPacket(bytes);
      t.match(packet, { kind: 'read', name: 'loader', mode: 'octet' }, client);
      if (packet.kind !== 'read') continue;
      t.same(Buffer.from(encodeTftpPacket(packet)), bytes, client);
      const options = negotiateOptions(packet.options, { fileSize: 74_213, mtu: 1500 }).answer;
      const sent =
        options === undefined
          ? 'DATA'
          : Buffer.from(encodeTftpPacket({ kind: 'options-ack', options })).toString('latin1');
      t.equal(sent, answer, client);
    }
  },
);
