import t from 'tap';
import { answerPort4011 } from '../../src/boot/answer-port-4011.ts';
import { answerProxy } from '../../src/boot/answer-proxy.ts';
import { identifyClient, type NetworkClient } from '../../src/boot/identify-client.ts';
import { architectureByCode } from '../../src/machine/architecture.ts';
import { MESSAGE_TYPES } from '../../src/protocol/dhcp/option-codes.ts';
import { ip, makeEnvironment } from '../support/make-environment.ts';
import { BIOS_ROM, IPXE, makeRequest, type RequestShape, UEFI_ROM } from '../support/make-request.ts';

function ask(answer: typeof answerPort4011, request: RequestShape, overrides = {}) {
  const packet = makeRequest(request);
  return answer(packet, identifyClient(packet).client as NetworkClient, makeEnvironment(overrides));
}

t.test("a proxy answers a network boot's DISCOVER on 67, and nothing but a DISCOVER", (t) => {
  for (const client of [BIOS_ROM, UEFI_ROM, IPXE]) {
    for (const type of MESSAGE_TYPES) {
      const action = ask(answerProxy, { ...client, type });
      t.equal(action.kind, type === 'discover' ? 'reply' : 'silent', `${client.vendorClass} ${type}`);
    }
  }
  t.end();
});

t.test('a proxy is silent to an ordinary client, whatever it sends', (t) => {
  for (const type of MESSAGE_TYPES) {
    t.match(
      ask(answerProxy, { vendorClass: 'udhcp 1.35.0', type }),
      { kind: 'silent', outcome: 'ignored' },
      type,
    );
    t.match(
      ask(answerPort4011, { vendorClass: 'udhcp 1.35.0', type }),
      { kind: 'silent' },
      `${type} on 4011`,
    );
  }
  t.end();
});

t.test('a proxy learns from a REQUEST which address the machine will use', (t) => {
  const selecting = ask(answerProxy, {
    ...UEFI_ROM,
    type: 'request',
    requested: ip('10.77.0.55'),
    server: ip('10.77.0.9'),
  });
  t.match(selecting, { kind: 'silent', outcome: 'noted', uses: ip('10.77.0.55') });
  t.match(selecting.reasons.join(), /10\.77\.0\.9/);
  const renewing = ask(answerProxy, { ...IPXE, type: 'request', ciaddr: ip('10.77.0.56') });
  t.match(renewing, { uses: ip('10.77.0.56') });
  t.end();
});

t.test('port 4011 answers DISCOVER with an offer and REQUEST with an ACK, for every architecture', (t) => {
  for (const client of [BIOS_ROM, UEFI_ROM, IPXE, { vendorClass: 'PXEClient', architectures: [0] }]) {
    t.match(ask(answerPort4011, { ...client, type: 'discover' }), { kind: 'reply', type: 'offer' });
    t.match(ask(answerPort4011, { ...client, type: 'request' }), { kind: 'reply', type: 'ack' });
    t.match(ask(answerPort4011, { ...client, type: 'inform' }), { kind: 'silent' });
  }
  t.end();
});

t.test('port 4011 believes what a ROM said in its DISCOVER rather than that it is a BIOS', (t) => {
  const x64 = architectureByCode(7);
  const bios = architectureByCode(0);
  const rows = [
    ['a UEFI that says it is a BIOS', BIOS_ROM, x64, 'snponly.efi', /its DISCOVER said 7 \(UEFI x64\)/],
    ['a UEFI that says nothing', { vendorClass: 'PXEClient' }, x64, 'snponly.efi', /its DISCOVER said 7/],
    ['a BIOS', BIOS_ROM, bios, 'undionly.kpxe', /BIOS boots/],
    ['one that was not heard before', BIOS_ROM, undefined, 'undionly.kpxe', /BIOS boots/],
    ['a UEFI that says so, whatever came before', UEFI_ROM, bios, 'snponly.efi', /option 93: 7/],
    ['iPXE', IPXE, x64, 'http://10.77.0.1/boot.ipxe', /our script/],
  ] as const;
  for (const [name, shape, discoveredAs, bootfile, why] of rows) {
    const action = ask(answerPort4011, { ...shape, type: 'request' }, { discoveredAs });
    t.match(action, { boot: { bootfile } }, name);
    t.match(action.reasons.join('; '), why, name);
  }
  t.end();
});

t.test('what only the operator can mend is told apart: a loader is missing', (t) => {
  for (const answer of [answerProxy, answerPort4011]) {
    const action = ask(answer, { vendorClass: 'PXEClient', architectures: [6] });
    t.match(action, { trouble: { counter: 'no-loader', text: /^snponly-i386\.efi for .* is missing: / } });
  }
  t.equal(ask(answerProxy, UEFI_ROM).trouble, undefined);
  t.end();
});

t.test('a machine without a loader, or in a boot loop, is refused with the reason', (t) => {
  t.match(ask(answerProxy, { vendorClass: 'PXEClient', architectures: [6] }), {
    kind: 'silent',
    outcome: 'refused',
  });
  const looping = ask(answerProxy, UEFI_ROM, { loop: { looping: true, reasons: ['boot loop: five times'] } });
  t.match(looping, { kind: 'silent', outcome: 'refused' });
  t.match(looping.reasons.join(), /boot loop/);
  t.match(
    ask(answerProxy, IPXE, { loop: { looping: true, reasons: ['boot loop: five times'] } }),
    { kind: 'reply' },
    'iPXE itself is never stopped',
  );
  t.end();
});
