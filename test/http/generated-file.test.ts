import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import { type Mac, parseMac } from '../../src/machine/mac.ts';
import { ip } from '../support/make-environment.ts';
import { bootPlan, startTestServer, testRole } from './start-test-server.ts';

const MAC = parseMac('52:54:00:12:34:56') as Mac;

const lengthOf = (answer: string) => /Content-Length: (\d+)/.exec(answer)?.[1];

/** All bytes that a request is answered with, as GRUB sends it. */
function askRaw(port: number, path: string, method = 'GET'): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1');
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(text));
    socket.write(
      `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: GRUB 2.12\r\nConnection: close\r\n\r\n`,
    );
  });
}

t.test('a GRUB gets its script, and reads its length as it reads lengths', async (t) => {
  const { port, journal } = await startTestServer(t);
  const answer = await askRaw(port, `/grub.cfg?mac=${MAC}&arch=x86_64&platform=efi&product=Lab%20machine`);
  t.match(answer, /^HTTP\/1\.1 200 /);
  t.match(
    answer,
    /\r\nContent-Length: \d+\r\n/,
    'GRUB compares letters, and else waits for the end of the connection',
  );
  t.match(answer, / by http\n$/);
  const event = journal.observations.at(-1);
  t.match(event, {
    kind: 'http.script',
    stage: 'script',
    facts: { arch: 'x86_64', platform: 'efi', product: 'Lab machine' },
  });
  t.notMatch(
    JSON.stringify(journal.observations),
    /\/boot\/[^"]*-[A-Za-z0-9_-]{12}/,
    'no token in the events',
  );
});

t.test('whatever a GRUB asks, it gets a script and no error, whose text it would run', async (t) => {
  const waiting = await startTestServer(t, {
    plan: () => ({ kind: 'wait', message: 'It waits', reasons: ['x'] }),
  });
  t.match(await askRaw(waiting.port, `/grub.cfg?mac=${MAC}`), /^HTTP\/1\.1 200 [\s\S]*grub wait It waits\n$/);
  const { port } = await startTestServer(t);
  for (const query of [
    'mac=',
    'mac=x',
    `mac=${MAC}&mac=${MAC}`,
    'a=b',
    `mac=${MAC}&serial=${'x'.repeat(300)}`,
  ]) {
    t.match(await askRaw(port, `/grub.cfg?${query}`), /^HTTP\/1\.1 200 [\s\S]*grub refused /, query);
  }
  t.match(await askRaw(port, `/grub.cfg?mac=${MAC}&serial=%ff%00%zz`), /^HTTP\/1\.1 200 /, 'broken escapes');
});

t.test('a loader that came by HTTP finds its script wherever it looks', async (t) => {
  const { port, assets, journal } = await startTestServer(t);
  for (const path of [
    '/grub.cfg',
    '/grub/x86_64-efi/grub.cfg',
    '/EFI/fedora/grub.cfg',
    '/assets/ipxe/grub/grub.cfg',
  ]) {
    t.match(
      await askRaw(port, path),
      /^HTTP\/1\.1 200 [\s\S]*grub bootstrap http:\/\/127\.0\.0\.1:\d+\n$/,
      path,
    );
    t.match(journal.observations.at(-1), { kind: 'http.boot-script', outcome: 'answered' });
  }
  for (const path of ['/autoexec.ipxe', '/assets/ipxe/autoexec.ipxe']) {
    t.match(await askRaw(port, path), /^HTTP\/1\.1 200 [\s\S]*#!ipxe\nbootstrap /, path);
  }
  t.match(await askRaw(port, '/grub/grub.cfg', 'HEAD'), /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n$/);
  t.match(await askRaw(port, '/grub/x86_64-efi/command.lst'), /^HTTP\/1\.1 404 /);
  await askRaw(port, '/assets/ipxe/revocations_sku.efi');
  t.match(journal.observations.at(-1), { kind: 'http.asset', outcome: 'noted', answered: '404' });
  await mkdir(join(assets, 'ipxe/grub'), { recursive: true });
  await writeFile(join(assets, 'ipxe/grubx64.efi'), 'grub');
  t.match(await askRaw(port, '/assets/ipxe//grubx64.efi'), /^HTTP\/1\.1 200 [\s\S]*grub$/, 'as a shim asks');
  await writeFile(join(assets, 'ipxe/grub/grub.cfg'), 'own');
  t.match(await askRaw(port, '/assets/ipxe/grub/grub.cfg'), /own$/, "the operator's own wins");
});

t.test('the same is told by TFTP, and what is loaded comes by TFTP then', async (t) => {
  const { server } = await startTestServer(t);
  const request = { asked: 'RRQ /grub.cfg', remote: ip('127.0.0.1'), server: ip('10.77.0.1'), via: 'eth1' };
  t.match(await server.generate({ kind: 'grub-script', query: `mac=${MAC}` }, request), / by tftp\n$/);
  t.match(
    await server.generate({ kind: 'grub-bootstrap' }, request),
    /^grub bootstrap http:\/\/10\.77\.0\.1:\d+\n$/,
  );
  t.match(await server.generate({ kind: 'ipxe-bootstrap' }, request), '#!ipxe\n');
  t.equal(await server.generate({ kind: 'optional' }, request), undefined);
});

t.test(
  'a loader fetched whole by HTTP takes its machine to the stage firmware; a size probe does not',
  async (t) => {
    const { port, assets, journal } = await startTestServer(t, { plan: () => bootPlan() });
    await mkdir(join(assets, 'ipxe'));
    await writeFile(join(assets, 'ipxe/snponly.efi'), 'loader');
    journal.learnAddress(ip('127.0.0.1'), MAC);
    journal.record({
      at: Date.now(),
      kind: 'dhcp.discover',
      outcome: 'answered',
      asked: 'DISCOVER "HTTPClient"',
      answered: 'OFFER',
      reasons: [],
      mac: MAC,
      client: 'rom',
    });
    await askRaw(port, '/assets/ipxe/snponly.efi', 'HEAD');
    t.equal(journal.observations.at(-1)?.stage, undefined);
    await askRaw(port, '/assets/ipxe/snponly.efi');
    t.equal(journal.observations.at(-1)?.stage, 'firmware');
  },
);

t.test(
  'a GRUB that asks for the length first gets that of its script, and its session goes on',
  async (t) => {
    const local = { ...testRole('local', false), boot: { kind: 'local' } as const };
    const { port, journal } = await startTestServer(t, { plan: () => bootPlan(local) });
    const head = await askRaw(port, `/grub.cfg?mac=${MAC}`, 'HEAD');
    t.equal(journal.observations.at(-1)?.end, undefined);
    const whole = await askRaw(port, `/grub.cfg?mac=${MAC}`);
    t.equal(journal.observations.at(-1)?.end, 'handed-over');
    t.equal(lengthOf(head), lengthOf(whole));
  },
);
