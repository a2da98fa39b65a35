import { createHmac } from 'node:crypto';
import t from 'tap';
import {
  createAuthenticator,
  createSessionTokens,
  maskSessionTokens,
  maskTarget,
} from '../../src/boot/session-token.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';

const session: BootSession = {
  id: 12,
  mac: '52:54:00:12:34:56' as Mac,
  openedAt: 1_700_000_000_000,
  updatedAt: 1_700_000_000_000,
  stage: 'script',
  stageTimes: {},
};
const key = new Uint8Array(32).fill(1);
const tokens = createSessionTokens(key, (id) => (id === 12 ? session : undefined));

t.test('a token names its session, and the same one after a restart', async (t) => {
  const token = tokens.tokenFor(session);
  t.match(token, /^12-[A-Za-z0-9_-]{32}$/);
  t.equal(tokens.resolve(token), 12);
  t.equal(createSessionTokens(key, () => session).tokenFor(session), token);
});

t.test('what is no genuine token of a known session names none', async (t) => {
  const token = tokens.tokenFor(session);
  const wrong = {
    'another key': createSessionTokens(new Uint8Array(32), () => session).tokenFor(session),
    'another machine': tokens.tokenFor({ ...session, mac: '52:54:00:12:34:57' as Mac }),
    'another opening': tokens.tokenFor({ ...session, openedAt: session.openedAt + 1 }),
    'a forgotten session': tokens.tokenFor({ ...session, id: 13 }),
    'the number alone': '12',
    'an empty signature': '12-',
    'a short signature': token.slice(0, -1),
    'a long signature': `${token}A`,
    'a leading zero': `0${token}`,
    'characters of two bytes': `12-${'ü'.repeat(32)}`,
    nothing: '',
  };
  for (const [name, text] of Object.entries(wrong)) t.equal(tokens.resolve(text), undefined, name);
});

t.test('a key of another length is refused', async (t) => {
  t.throws(() => createSessionTokens(new Uint8Array(31), () => session), RangeError);
});

t.test('masking hides the signature in every URL of a text and keeps the number', async (t) => {
  const token = tokens.tokenFor(session);
  const secret = token.slice(3);
  for (const text of [
    `/boot/${token}`,
    `/boot/${token}/report?stage=x`,
    `http://h/boot/${token} /boot/${token}`,
  ]) {
    t.notMatch(maskSessionTokens(text), secret);
    t.match(maskSessionTokens(text), '/boot/12-…');
  }
  t.equal(maskSessionTokens('/boot/guess/cloud-config'), '/boot/-…/cloud-config');
  t.equal(maskSessionTokens('/boot.ipxe'), '/boot.ipxe');
});

t.test('masking hides a token that stands alone, and leaves what only looks a little like one', async (t) => {
  const token = tokens.tokenFor(session);
  for (const text of [`token=${token}`, `%2fboot%2f${token}%2freport`, token]) {
    t.notMatch(maskSessionTokens(text), token.slice(3), text);
  }
  for (const text of ['12345678-1234-1234-1234-123456789012', '12-8', `2026-11-21T08:00:00Z node-123456`]) {
    t.equal(maskSessionTokens(text), text);
  }
});

t.test('a request target is masked however it is encoded, and else kept as it was asked', async (t) => {
  const token = tokens.tokenFor(session);
  const secret = token.slice(3);
  const encoded = Array.from(token, (char) => `%${char.charCodeAt(0).toString(16)}`).join('');
  const targets = [
    `/boot/${token}/cloud-config`,
    `/%62oot/${token}/cloud-config`,
    `/%62%6F%6ft/${encoded}/cloud-config`,
    `/boot/${encoded}/report?log=http%3a%2f%2fh%2fboot%2f${encoded}`,
    `/other?x=${encoded}`,
  ];
  for (const target of targets) {
    const shown = maskTarget(target);
    t.notMatch(shown, secret, target);
    t.notMatch(decodeURIComponent(shown), secret, target);
    t.match(shown, '12-…');
  }
  for (const target of ['/assets/a%20b', '/assets/%2e%2e/x', '/ipxe?mac=1&serial=%ff%zz']) {
    t.equal(maskTarget(target), target);
  }
});

t.test('the authenticator is HMAC-SHA256, whatever the length of key and text', async (t) => {
  for (const keyLength of [0, 1, 32, 64]) {
    const key = Buffer.alloc(keyLength, 7).map((byte, at) => byte ^ at);
    for (const length of [0, 1, 40, 55, 56, 63, 64, 65, 300]) {
      const text = '1|52:54:00:12:34:56|1795849514593'.repeat(10).slice(0, length);
      const known = createHmac('sha256', key).update(text).digest('base64url');
      t.equal(createAuthenticator(key)(text), known, `key of ${keyLength}, text of ${length}`);
    }
  }
});
