import { open } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Finding, ok, problem, skipped, warning } from './boot/finding.ts';
import { IMAGE_HEAD, type ImageHead, judgeInitrd, judgeKernel, judgeLoader } from './boot/judge-image.ts';
import { planBoot } from './boot/plan-boot.ts';
import type { DoctorContext } from './doctor-context.ts';
import { formatProblem, toTinderboxError } from './errors.ts';
import { findAsset } from './http/asset-file.ts';
import { parseAssetPath } from './http/asset-path.ts';
import { factsOf, holdersOf, memoryOf } from './known-holders.ts';
import { previewMachine } from './preview.ts';

const MOST_PROBLEMS = 50;

/** Everything that `check` says, but for what other checks of doctor say better. */
export async function checkConfiguration({ config, preflight }: DoctorContext): Promise<readonly Finding[]> {
  const { problems } = await preflight;
  const pki = `${config.paths.state}/pki`;
  const own = problems.filter(({ file }) => file?.startsWith(pki) !== true);
  if (own.length === 0) return [ok(`${config.file} and ${config.paths.profiles} are sound`)];
  const findings = own.slice(0, MOST_PROBLEMS).map((one): Finding => {
    const { remedy, ...rest } = one;
    return (one.severity === 'error' ? problem : warning)(formatProblem(rest), remedy);
  });
  const more = own.length - findings.length;
  return more > 0 ? [...findings, warning(`${more} more`, 'tinderbox check lists them all.')] : findings;
}

/** Which firmware can boot at all. */
export async function checkBootFiles({ config, preflight }: DoctorContext): Promise<readonly Finding[]> {
  if (config.dhcp.mode === 'off') return [skipped('dhcp.mode: off: another server names the boot file')];
  const { bootFileIndex } = await preflight;
  const rows = bootFileIndex.rows();
  const paths = new Map(
    rows.flatMap(({ file, path }) => (file === undefined || path === undefined ? [] : [[file, path]])),
  );
  const judged = await Promise.all(
    [...paths].map(async ([file, path]) => judgeLoader(await readHead(path, file))),
  );
  const absent = rows.filter(({ path, file }) => path === undefined && file !== undefined);
  const present = rows.filter(({ path }) => path !== undefined).map(({ architecture }) => architecture);
  return [
    ...judged.filter(({ state }) => state !== 'ok'),
    ...(present.length === 0
      ? [
          problem(
            'there is no boot file for any firmware',
            'Install the package ipxe, or put loaders into assets/ipxe.',
          ),
        ]
      : [ok(`${judged.map(({ text }) => text).join('; ')} for ${present.join(', ')}`)]),
    ...(absent.length === 0
      ? []
      : [
          skipped(
            `no loader for ${absent.map(({ architecture, file }) => `${architecture} (${file})`).join(', ')}: such machines cannot boot`,
            'Put it into assets/ipxe if there are any.',
          ),
        ]),
  ];
}

/** Whether what roles have machines load is what it is called. That it is there says the configuration's check. */
export async function checkAssets({ config, preflight }: DoctorContext): Promise<readonly Finding[]> {
  const { catalog, roles } = await preflight;
  if (catalog === undefined) return [skipped('profiles/ is broken')];
  const images = new Map<string, { readonly judge: (image: ImageHead) => Finding; readonly used: boolean }>();
  for (const { files, used } of roles) {
    if (files === undefined) continue;
    for (const [judge, paths] of [
      [judgeKernel, [files.kernel]],
      [judgeInitrd, files.initrd],
    ] as const)
      for (const path of paths) images.set(path, { judge, used: used || images.get(path)?.used === true });
  }
  const findings: Finding[] = [];
  let elsewhere = 0;
  for (const [path, { judge, used }] of images) {
    const parsed = parseAssetPath(path);
    if (!path.startsWith('/') || parsed.kind === 'bad') {
      elsewhere += 1;
      continue;
    }
    const found = await findAsset(config.paths.assets, parsed.segments);
    if (found.kind !== 'file') continue;
    const judged = judge(await readHead(found.file.realPath, path));
    // What no machine gets keeps none from booting.
    findings.push(judged.state === 'problem' && !used ? { ...judged, state: 'warning' } : judged);
  }
  if (elsewhere > 0) findings.push(skipped(`${elsewhere} files are on other servers, and are not looked at`));
  return findings.length === 0
    ? [skipped('no role that renders has machines load anything from /assets')]
    : joinOk(findings);
}

async function readHead(file: string, name: string): Promise<ImageHead> {
  await using handle = await open(file, 'r');
  const { size } = await handle.stat();
  const { buffer, bytesRead } = await handle.read(new Uint8Array(IMAGE_HEAD), 0, IMAGE_HEAD, 0);
  return { name, head: buffer.subarray(0, bytesRead), size };
}

/** Machines that are tried: a render takes some milliseconds of the daemon's only thread. */
const MOST_MACHINES = 300;
const MOST_BROKEN = 20;

/** What each machine that was seen would get: entries and rules alone were tried by the configuration's check. */
export async function checkTemplates(context: DoctorContext): Promise<readonly Finding[]> {
  const { config, preflight, machines, admissions, signal } = context;
  const { catalog } = await preflight;
  if (catalog === undefined) return [skipped('profiles/ is broken')];
  const seen = await machines();
  const holders = holdersOf(seen);
  const memory = memoryOf(await admissions());
  const listed = [...catalog.machines.keys()].filter(
    (mac) => !seen.some(({ machine }) => machine.mac === mac),
  );
  const all = [...seen.map(({ machine }) => factsOf(machine)), ...listed.map((mac) => ({ mac }))];
  const broken: Finding[] = [];
  let rendered = 0;
  for (const facts of all.slice(0, MOST_MACHINES)) {
    if (signal.aborted) break;
    const plan = planBoot({
      facts,
      catalog,
      admission: config.admission,
      ...memory,
      holderOf: (name) => holders.get(name),
    });
    if (plan.kind === 'refuse' && plan.holder !== undefined) broken.push(problem(plan.message));
    if (plan.kind !== 'boot') continue;
    try {
      await previewMachine(config, catalog, facts, holders, memory);
      rendered += 1;
    } catch (thrown) {
      const { message, remedy, problems } = toTinderboxError(thrown);
      const [first] = problems;
      broken.push(
        problem(
          `${facts.mac} (role ${plan.role.name}): ${first?.message ?? message}`,
          first?.remedy ?? remedy,
        ),
      );
    }
    await nextTurn();
  }
  const findings = broken.slice(0, MOST_BROKEN);
  if (broken.length > findings.length)
    findings.push(problem(`${broken.length - findings.length} more do not render`));
  if (rendered > 0)
    findings.push(ok(`the configurations of ${rendered} ${rendered === 1 ? 'machine' : 'machines'} render`));
  if (all.length > MOST_MACHINES)
    findings.push(skipped(`${all.length - MOST_MACHINES} more machines are not tried`));
  return findings.length === 0 ? [skipped('no machine was seen or is listed that would boot')] : findings;
}

/** What is well is one line; what is not, one each. */
export function joinOk(findings: readonly Finding[]): readonly Finding[] {
  const good = findings.filter(({ state }) => state === 'ok').map(({ text }) => text);
  return [
    ...findings.filter(({ state }) => state !== 'ok'),
    ...(good.length === 0 ? [] : [ok(good.join('; '))]),
  ];
}
