import { describePlace } from './boot/choose-mirrors.ts';
import { type Finding, ok, skipped, warning } from './boot/finding.ts';
import type { DoctorContext } from './doctor-context.ts';
import { askUpstream } from './images/ask-upstream.ts';
import { type HttpSource, openHttp } from './images/http-get.ts';

/** In ms. */
const TIMES = { connect: 3_000, headers: 5_000, stall: 5_000 };
const MOST_ASKED = 50;

/** Servers near racks, and the one that what is missing is fetched from: whether they answer this host. */
export async function checkMirrors(context: DoctorContext): Promise<readonly Finding[]> {
  const { mirrors, pullThrough } = context.config.assets;
  if (mirrors.length === 0 && pullThrough === undefined) {
    return [skipped('all assets are here: no mirrors, no pull-through')];
  }
  await using http = await openHttp({ times: TIMES, redirects: 'same-host' });
  const asked = mirrors.slice(0, MOST_ASKED).map(async (mirror) => {
    const why = await ask(http, mirror.url, context.signal);
    const who = `the mirror ${mirror.url} (${describePlace(mirror)})`;
    if (why === undefined) return ok(`${who} answers`);
    return warning(
      `${who} does not answer: ${why}`,
      'Its machines fetch from here meanwhile. See whether its web server runs, and what lies between.',
    );
  });
  const upstream = pullThrough === undefined ? [] : [askFrom(http, pullThrough.from, context.signal)];
  const lacking = (context.status?.mirrors ?? []).flatMap(({ url, place, lacks }) =>
    lacks.map((what) =>
      warning(
        `the mirror ${url} (${place}) has not what is here: ${what}`,
        'Copy paths.assets there again (docs/mirrors.md); machines that need that file fetch it from here.',
      ),
    ),
  );
  return [...(await Promise.all([...asked, ...upstream])), ...lacking];
}

async function askFrom(http: HttpSource, from: string, signal: AbortSignal): Promise<Finding> {
  const why = await ask(http, from, signal);
  if (why === undefined) return ok(`${from} answers, where what is not here is fetched`);
  return warning(
    `${from} does not answer, where what is not here is fetched: ${why}`,
    'What was fetched before is served. See whether Tinderbox runs there, and what lies between.',
  );
}

/** Why it does not answer. What it answers is no matter: a plain web server has no /healthz. */
async function ask(http: HttpSource, url: string, signal: AbortSignal): Promise<string | undefined> {
  const answer = await askUpstream({ http, from: url }, { path: '/healthz', via: '1.1 doctor', signal });
  return answer.kind === 'failed' && answer.status === 504 ? answer.reason : undefined;
}
