import { spawnSync } from 'node:child_process';

/** Reads TOML 1.0, as containerd does. Throws with the reader's words. */
export function parseToml(text: string): unknown {
  const program = 'import sys, json, tomllib; json.dump(tomllib.load(sys.stdin.buffer), sys.stdout)';
  const { error, status, stdout, stderr } = spawnSync('python3', ['-c', program], {
    input: text,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(stderr.trim().split('\n').at(-1));
  return JSON.parse(stdout);
}
