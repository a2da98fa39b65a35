import type { DebianSuite } from './debian-image.ts';
import { runProgram } from './run-program.ts';

/** The mirror that this host itself uses, if it is of that release: its URL without a slash at the end. */
export async function findMirror(suite: DebianSuite): Promise<string | undefined> {
  const format = ['--format', '$(SITE) $(SUITE) $(CODENAME) $(COMPONENT)'];
  const listing = await runProgram(['apt-get', 'indextargets', ...format, 'Created-By: Packages']);
  return new RegExp(`^(https?://\\S+/debian)/? .*\\b${suite} main$`, 'm').exec(listing)?.[1];
}
