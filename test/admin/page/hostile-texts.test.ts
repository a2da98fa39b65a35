import { once } from 'node:events';
import { request } from 'node:http';
import t from 'tap';
import type { DoctorReport } from '../../../src/admin/doctor-api.ts';
import { TinderboxError } from '../../../src/errors.ts';
import type { Hardware } from '../../../src/machine/hardware.ts';
import type { Mac } from '../../../src/machine/mac.ts';
import { startPages } from '../../support/start-pages.ts';

const MAC = '52:54:00:12:34:56' as Mac;
/** Out of a tag, out of an attribute of either kind, into a template, a line of a stream, and what a terminal obeys. */
const BAD = `"'\`><img src=x onerror=alert(1)>&#34;{{page}}\u202e\u001b[31m\r\ndata: x\u0000`;
/** One that a file may hold, in either kind of quotes. */
const PRINTABLE = BAD.replaceAll(/['"\p{C}]/gu, '');
const PROGRAMS = /<img src=x|<script>|\son\w+=alert\(1\)>/;
/** Not in what somebody typed: that is in the box as it was. */
const UNSEEN = ['\u202e', '\u001b'];

const HARDWARE: Hardware = {
  at: Date.now(),
  source: 'linux',
  cpu: { model: BAD, count: 2 },
  memory: 2 ** 30,
  board: BAD,
  disks: Array.from({ length: 64 }, () => ({ name: BAD, model: BAD, bytes: 1 })),
  network: Array.from({ length: 64 }, () => ({ name: BAD, mac: BAD, driver: BAD, link: true })),
  firmware: { kind: 'uefi', vendor: BAD, version: BAD, date: BAD },
};

t.test(
  'no text of the network or of a file is more than text on any page, and no page is heavy',
  async (t) => {
    const report: DoctorReport = {
      ok: false,
      at: Date.now(),
      running: true,
      findings: [{ check: BAD, state: 'problem', text: BAD, remedy: BAD }],
    };
    const site = await startPages(
      t,
      {
        'machines.yaml': `# ${PRINTABLE}\ndefault: worker\n`,
        'worker/role.yaml': `description: '${PRINTABLE}'\nboot: local\n`,
      },
      {
        doctor: async () => report,
        powerKind: () => 'redfish',
        power: async () => {
          throw new TinderboxError('refused', BAD, { remedy: BAD });
        },
        console: (mac: Mac) => ({
          mac,
          missed: 0,
          lines: Array.from({ length: 500 }, (_, number) => ({
            number,
            at: Date.now(),
            facility: 'kern' as const,
            severity: 'err' as const,
            program: BAD,
            text: BAD.repeat(20),
            reasons: [BAD],
          })),
        }),
      },
    );
    // Broken only now: with it nothing would have started.
    await site.write('broken/role.yaml', `boot: local\n"${PRINTABLE}": [\n`);
    const { door, journal, options } = site;
    const common = {
      mac: MAC,
      at: Date.now(),
      via: BAD,
      asked: BAD.repeat(20),
      answered: BAD.repeat(20),
    } as const;
    const facts = { mac: MAC, serial: BAD, asset: BAD, manufacturer: BAD, product: BAD, uuid: BAD };
    const reasons = Array.from({ length: 8 }, () => BAD.repeat(20));
    const stalled = {
      at: Date.now(),
      stage: 'script',
      diagnosis: { name: 'reset', title: BAD, evidence: [BAD], remedy: BAD },
    } as const;
    journal.record({
      ...common,
      kind: 'dhcp.discover',
      outcome: 'answered',
      stage: 'offered',
      client: 'rom',
      reasons,
    });
    journal.record({
      ...common,
      kind: 'http.script',
      outcome: 'answered',
      stage: 'script',
      client: 'script',
      reasons,
      facts,
      hardware: HARDWARE,
      assigned: { role: 'worker', hostname: BAD },
    });
    for (let count = 0; count < 600; count++)
      journal.record({
        ...common,
        kind: 'tftp.read',
        outcome: 'failed',
        asked: `${count} ${common.asked}`,
        reasons,
      });
    journal.record({ ...common, kind: 'session.stalled', outcome: 'noted', reasons, stalled });
    options.audit.record({
      at: Date.now(),
      actor: { name: BAD, via: 'token', address: BAD },
      action: BAD,
      target: BAD,
      outcome: 'refused',
      detail: BAD.repeat(20),
    });
    const search = encodeURIComponent(BAD.replaceAll('\u0000', ''));
    const pages = [
      '/',
      `/?search=${search}&sort=hostname`,
      `/?role=${search}`,
      '/login?next=/a%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E',
      `/machines/${MAC}`,
      `/machines/${MAC}?show=served&role=${search}`,
      `/machines/${MAC}?done=__defineGetter__`,
      `/machines/${MAC}/live`,
      `/machines/${search}`,
      '/roles',
      '/roles/worker',
      `/roles/worker?machine=${search}`,
      '/roles/broken',
      `/roles/${search}`,
      '/health',
      '/audit',
      `/audit?offset=${search}`,
      `/${search}`,
    ];
    for (const page of pages) {
      const { status, text } = await ask(door.origin, 'GET', page);
      t.ok(status < 500, `${page}: ${status}`);
      t.ok(!PROGRAMS.test(text), page);
      t.ok(page.includes(search) || !UNSEEN.some((one) => text.includes(one)), page);
      t.ok(text.length < 2_000_000, `${page}: ${text.length}`);
    }
    const forms = [
      ['/health/doctor', ''],
      [`/machines/${MAC}`, `role=worker&hostname=${search}&address=${search}&revision=${search}`],
      [
        '/fleet/confirm',
        `action=assign&mac=${MAC}&role=${search}&back=/%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E`,
      ],
      ['/fleet/apply', `action=assign&mac=${MAC}&role=${search}&back=javascript:alert(1)`],
      [`/machines/${MAC}/power`, `action=${search}`],
    ] as const;
    for (const [page, body] of forms) {
      const { status, text } = await ask(door.origin, 'POST', page, body);
      t.ok(status < 500, `${page}: ${status}`);
      t.ok(!PROGRAMS.test(text), page);
      t.notOk(/href="javascript:/i.test(text), page);
    }
  },
);

async function ask(origin: string, method: string, path: string, body?: string) {
  const outgoing = request(`${origin}${path}`, {
    method,
    agent: false,
    headers: {
      accept: 'text/html',
      ...(body === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
    },
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode as number, text };
}
