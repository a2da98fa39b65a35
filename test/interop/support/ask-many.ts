import type { NetworkNamespace } from '../../../src/lab/namespace.ts';

export interface Question {
  readonly url: string;
}

/** What one command line can hold. */
const AT_ONCE = 200;
const ASK = `
  const statuses = [];
  for (const { url } of JSON.parse(process.argv[1])) {
    const answer = await fetch(url, { signal: AbortSignal.timeout(20_000) });
    await answer.arrayBuffer();
    statuses.push(answer.status);
  }
  console.log(JSON.stringify(statuses));`;

/** Asks them one after the other from inside a namespace, by one program; the status of each answer. */
export async function askMany(
  namespace: NetworkNamespace,
  questions: readonly Question[],
): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let from = 0; from < questions.length; from += AT_ONCE) {
    const some = JSON.stringify(questions.slice(from, from + AT_ONCE));
    const argv = [process.execPath, '--input-type=module', '--eval', ASK, some];
    statuses.push(...(JSON.parse(await namespace.run(argv, { timeout: 120_000 })) as number[]));
  }
  return statuses;
}
