import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

export interface GpgKey {
  readonly fingerprint: string;
  readonly owner: string;
}

export interface Gpg {
  run(...argv: readonly string[]): Buffer;
  /** A key that signs, made now or (`--faked-system-time`) then; RSA, since other kinds take no SHA-1. */
  makeKey(owner: string, options?: { readonly expires?: string; readonly at?: string }): GpgKey;
  addSubkey(key: GpgKey, expires?: string): string;
  /** Its public half, armored. */
  export(key: GpgKey): Buffer;
  /** As it can be imported. */
  revocationOf(fingerprint: string): string;
  /** The first one of it. */
  revokeSubkey(fingerprint: string): void;
  sign(content: string | Buffer, key: string, ...options: readonly string[]): Buffer;
}

/** Real gpg in a folder of its own, as vendors sign with it. */
export function makeGpg(t: Test): Gpg {
  const home = mkdtempSync(join(tmpdir(), 'tinderbox-gpg-'));
  t.teardown(() => {
    execFileSync('gpgconf', ['--homedir', home, '--kill', 'all'], { stdio: 'ignore' });
    rmSync(home, { recursive: true, force: true });
  });
  const run = (...argv: readonly string[]): Buffer =>
    execFileSync(
      'gpg',
      [
        '--homedir',
        home,
        '--batch',
        '--yes',
        '--quiet',
        '--pinentry-mode',
        'loopback',
        '--passphrase',
        '',
        ...argv,
      ],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
  return {
    run,
    makeKey(owner, { expires = 'never', at } = {}) {
      const time = at === undefined ? [] : ['--faked-system-time', at];
      run(...time, '--quick-gen-key', owner, 'rsa2048', 'sign,cert', expires);
      const listed = run('--with-colons', '--list-keys', `=${owner}`).toString();
      return { owner, fingerprint: /^fpr:+([0-9A-F]{40}):/m.exec(listed)?.[1] ?? '' };
    },
    addSubkey({ fingerprint }, expires = 'never') {
      run('--quick-add-key', fingerprint, 'rsa2048', 'sign', expires);
      const listed = run('--with-colons', '--list-keys', fingerprint).toString();
      return [...listed.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].at(-1)?.[1] ?? '';
    },
    export: ({ fingerprint }) => run('--armor', '--export', fingerprint),
    revocationOf: (fingerprint) =>
      readFileSync(join(home, `openpgp-revocs.d/${fingerprint}.rev`), 'utf8').replace(
        ':-----BEGIN',
        '-----BEGIN',
      ),
    revokeSubkey(fingerprint) {
      execFileSync(
        'gpg',
        [
          '--homedir',
          home,
          '--pinentry-mode',
          'loopback',
          '--passphrase',
          '',
          '--command-fd',
          '0',
          '--no-tty',
          '--status-fd',
          '2',
          '--edit-key',
          fingerprint,
        ],
        { input: 'key 1\nrevkey\ny\n0\n\ny\nsave\n', stdio: ['pipe', 'ignore', 'ignore'] },
      );
    },
    sign(content, key, ...options) {
      const file = join(home, 'content');
      writeFileSync(file, content);
      const how = options.includes('--clear-sign') ? [] : ['--detach-sign'];
      run(...options, ...how, '--local-user', `${key}!`, '--output', join(home, 'out'), file);
      return readFileSync(join(home, 'out'));
    },
  };
}
