import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import t from 'tap';
import { readElfNeeds } from '../../src/lab/elf-needs.ts';

/** What this host's loader finds for a program: an independent reader of the same section. */
function listed(program: string): readonly string[] {
  const env = { ...process.env, LD_TRACE_LOADED_OBJECTS: '1' };
  return execFileSync(program, { env, encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(' ')[0] ?? '')
    .filter((name) => name.endsWith('.so') || name.includes('.so.'));
}

t.test('reads the loader and the libraries of a real program', async (t) => {
  const program = realpathSync('/usr/bin/openssl');
  const needs = readElfNeeds(readFileSync(program));
  t.equal(needs?.interpreter, '/lib64/ld-linux-x86-64.so.2');
  t.ok(
    needs?.libraries.some((name) => name.startsWith('libcrypto.so.')),
    String(needs?.libraries),
  );
  t.ok(needs?.libraries.includes('libc.so.6'));
  const known = listed(program);
  t.same(
    needs?.libraries.filter((name) => !known.includes(name)),
    [],
    'each of them is one that the loader loads',
  );
});

t.test('a static program needs nothing', async (t) => {
  t.same(readElfNeeds(readFileSync(realpathSync('/usr/bin/busybox'))), { libraries: [] });
});

t.test('is undefined for what is no 64-bit ELF file', async (t) => {
  const thirtyTwo = Buffer.from(`\x7fELF\x01\x01${'\0'.repeat(58)}`, 'latin1');
  for (const other of [Buffer.from('#!/bin/sh\n'), Buffer.alloc(0), Buffer.alloc(200), thirtyTwo]) {
    t.equal(readElfNeeds(other), undefined);
  }
});
