import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type CaptureFlags, readCaptureUsage, saveCapture } from '../../src/cli/save-capture.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { encodePcap } from '../../src/protocol/pcap/pcap-file.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const T0 = Date.UTC(2026, 0, 2, 3, 4, 5);
const FILE = encodePcap(
  [0, 1_500].map((later) => ({ at: (T0 + later) * 1000, bytes: new Uint8Array(60), wireLength: 60 })),
);

const MISUSES: readonly { readonly mac?: string; readonly flags: CaptureFlags; readonly says: RegExp }[] = [
  { flags: { pcap: 'x' }, says: /--pcap needs a MAC/ },
  { mac: 'nonsense', flags: { pcap: 'x' }, says: /is no MAC/ },
  { mac: MAC, flags: { pcap: '-' }, says: /no text for a terminal/ },
  { mac: MAC, flags: { pcap: 'x', json: true }, says: /nor JSON/ },
  { mac: MAC, flags: { pcap: 'x', follow: true }, says: /neither a timeline/ },
  { mac: MAC, flags: { pcap: 'x', format: 'ansible' }, says: /neither a timeline/ },
  { mac: MAC, flags: { pcap: 'x', session: 'last' }, says: /not the number of a session/ },
];

t.test('what cannot be written is refused before the daemon is asked', (t) => {
  for (const { mac, flags, says } of MISUSES)
    t.throws(() => readCaptureUsage(mac, flags, true), { code: 'usage', message: says });
  t.equal(readCaptureUsage(MAC, {}, true), undefined);
  t.same(readCaptureUsage('5254.0012.3456', { pcap: '-', session: '7' }, false), {
    mac: MAC,
    file: '-',
    session: 7,
  });
  t.end();
});

t.test('the file is written, and how many packets of which time they are is said', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tb-capture-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'boot.pcap');
  let printed = '';
  const context = {
    out: (text: string) => void (printed += text),
    err: (text: string) => void (printed += text),
  };
  const asked: unknown[] = [];
  const daemon = {
    capture: async (...args: unknown[]) => {
      asked.push(args);
      return FILE;
    },
  };
  await saveCapture(daemon, { mac: MAC, file, session: 7 }, context);
  t.same(asked, [[MAC, 7]]);
  t.same(await readFile(file), Buffer.from(FILE));
  t.equal(
    printed,
    `${file}: 2 packets of ${MAC} from 2026-01-02T03:04:05.000Z to 2026-01-02T03:04:06.500Z\n`,
  );
  await t.rejects(saveCapture(daemon, { mac: MAC, file: join(folder, 'absent/x') }, context), {
    message: /cannot be written/,
  });
  await t.rejects(saveCapture(undefined, { mac: MAC, file }, context), {
    code: 'unavailable',
    remedy: /power the machine on/,
  });
  const none = { capture: () => Promise.reject(new TinderboxError('not-found', 'no packets are kept')) };
  await t.rejects(saveCapture(none, { mac: MAC, file: join(folder, 'none.pcap') }, context), {
    code: 'not-found',
  });
  await t.rejects(readFile(join(folder, 'none.pcap')), { code: 'ENOENT' });
});
