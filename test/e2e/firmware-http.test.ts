import t from 'tap';
import { checkBoot, waitForDiagnosis } from '../support/check-boot.ts';
import { explain, startLab } from '../support/start-lab.ts';
import { watchDhcpAndTftp } from '../support/watch-dhcp-tftp.ts';

const HTTP = '52:54:00:00:0f:01';
const SMALL = '52:54:00:00:0f:02';
const SECURE = '52:54:00:00:0f:03';

t.test(
  'firmware that boots by HTTP gets iPXE without TFTP; a 32-bit one and one that wants a signature are told why not',
  { timeout: 600_000 },
  async (t) => {
    await using lab = await startLab({
      mode: 'server',
      machines: 3,
      machinesYaml: `machines:\n  ${HTTP}: { role: demo, hostname: http-1 }\ndefault: demo-router\n`,
      config: 'stageTime: { discovered: 20, firmware: 20 }\n',
    });
    await using packets = await watchDhcpAndTftp(lab);
    const [http, small, secure] = await Promise.all([
      lab.powerOn('uefi-x64-http', HTTP),
      lab.powerOn('uefi-x86', SMALL),
      lab.powerOn('uefi-x64-secure', SECURE),
    ]);

    await t.test('UEFI HTTP boot', { timeout: 400_000 }, async (t) => {
      const { events, machine } = await checkBoot(t, lab, http, {
        hostname: 'http-1',
        events: ['dhcp.discover', 'http.boot-script', 'http.script', 'http.asset'],
      });
      t.match(events.find(({ kind }) => kind === 'dhcp.discover')?.asked, /"HTTPClient:Arch:00016/);
      t.ok(events.some(({ asked }) => asked === 'GET /assets/ipxe/snponly.efi'));
      t.match(machine.hardware, { firmware: { kind: 'uefi', secureBoot: false } });
      t.equal(packets.count(HTTP, 69), 0, 'not one TFTP packet');
      t.ok(packets.count(HTTP, 67) >= 2, 'while its DHCP was seen');
      await http.quit();
    });

    await t.test('32-bit UEFI', { timeout: 400_000 }, async (t) => {
      const { diagnosis } = await waitForDiagnosis(lab, SMALL);
      t.equal(diagnosis.name, 'loader-missing');
      t.match(diagnosis.evidence.join('\n'), /snponly-i386\.efi for UEFI, 32-bit x86 is missing/);
      const { events } = await lab.inspect(SMALL);
      const refused = events.find(({ kind }) => kind === 'dhcp.discover');
      t.match(refused?.asked, /"PXEClient:Arch:00006.* arch 6/);
      t.notMatch(refused?.answered, /boot/, 'no file is offered that it cannot run');
      t.match(refused?.reasons.join('\n'), /32-bit x86/);
      t.equal(packets.count(SMALL, 69), 0, 'and it fetches none');
      await small.quit();
    });

    await t.test('Secure Boot and an iPXE that nobody signed', { timeout: 400_000 }, async (t) => {
      const { stage, diagnosis } = await waitForDiagnosis(lab, SECURE);
      t.equal(stage, 'firmware', 'the loader was fetched');
      t.match(
        secure.console.lines.join('\n'),
        /failed to load Boot\d+ .*: (Access Denied|Security Violation)/,
      );
      // Which one depends on whether the firmware came back before its time was over.
      t.match(diagnosis.name, /^(secure-boot-refuses-loader|loader-does-not-start)$/);
      t.match(diagnosis.remedy, /secureBoot: true/);
      if (!t.passing()) t.comment(await explain(lab, secure));
      await secure.quit();
    });
  },
);
