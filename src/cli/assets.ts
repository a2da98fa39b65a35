import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { asOwnerOf } from '../as-owner-of.ts';
import { toTinderboxError } from '../errors.ts';
import { type ImageUses, imageUses } from '../image-uses.ts';
import { readImages, requireImage, type StoredImage } from '../images/image-folder.ts';
import { lockImage } from '../images/lock-image.ts';
import { type PrunedImage, pruneImages } from '../images/prune-images.ts';
import { PULLED_FOLDER, type PulledFile, prunePulled, readPulled } from '../images/pulled-store.ts';
import { useImage } from '../images/use-image.ts';
import { IMAGE_VENDORS } from '../images/vendors/index.ts';
import { verifyImage } from '../images/verify-image.ts';
import { addPullCommand } from './assets-pull.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { formatBinarySize } from './format-binary-size.ts';
import { formatColumns } from './format-machine-table.ts';
import { describeSigners } from './format-pull.ts';
import { plain } from './format-timeline.ts';
import { readCatalog } from './read-catalog.ts';

const HELP = `
What machines boot lies in paths.assets, a folder for each image and in it one for each version. Roles name the files
of the current version: /assets/flatcar/flatcar_production_pxe.vmlinuz.

Examples:
  $ sudo tinderbox assets pull flatcar
  $ sudo tinderbox assets list
  $ sudo tinderbox assets use flatcar 4230.2.0
  $ sudo tinderbox assets prune --dry-run`;

export function addAssetsCommand(program: Command, context: CliContext, vendors = IMAGE_VENDORS): void {
  const assets = program
    .command('assets')
    .description('images: fetch, list, choose and remove versions')
    .addHelpText('after', HELP);
  addPullCommand(assets, context, vendors);
  addList(assets, context);
  addUse(assets, context);
  addPrune(assets, context);
}

function addList(assets: Command, context: CliContext): void {
  assets
    .command('list')
    .description('the versions that are there, and which is current')
    .option('--verify', 'read every file, and compare it with what was pulled')
    .option('--json', 'print them as JSON')
    .addHelpText('after', '\nExample:\n  $ sudo tinderbox assets list --verify')
    .action(async ({ verify, json }: { verify?: boolean; json?: boolean }, command: Command) => {
      const config = await readConfig(command, context);
      const { assets: folder } = config.paths;
      const images = await asOwnerOf(folder, () => readImages(folder));
      let uses: ImageUses | undefined;
      try {
        uses = imageUses(config, await readCatalog(config));
      } catch (thrown) {
        context.err(`without the roles that use them: ${toTinderboxError(thrown).message}\n`);
      }
      const rows = await asOwnerOf(folder, async () => {
        const all = [];
        for (const image of images) all.push(...(await describeImage(image, uses, verify === true)));
        return all;
      });
      if (rows.some(({ problems }) => (problems?.length ?? 0) > 0)) context.fail();
      const pulled = await asOwnerOf(folder, () => readPulled(join(folder, PULLED_FOLDER)));
      const { pullThrough } = config.assets;
      if (json === true)
        return context.out(`${JSON.stringify({ assets: folder, images: rows, pulled }, null, 2)}\n`);
      // A box that fetches what is asked for needs no image of its own.
      const isPulledOnly = rows.length === 0 && (pulled.length > 0 || pullThrough !== undefined);
      context.out(`${isPulledOnly ? '' : formatList(rows)}${formatPulled(pulled, pullThrough?.from)}`);
    });
}

type ImageRow = Awaited<ReturnType<typeof describeImage>>[number];

async function describeImage(image: StoredImage, uses: ImageUses | undefined, verify: boolean) {
  const rows = [];
  for (const version of image.versions) {
    const { manifest } = version;
    const current = manifest.version === image.current;
    rows.push({
      image: image.name,
      version: manifest.version,
      arch: manifest.arch,
      channel: manifest.channel,
      current,
      bytes: manifest.files.reduce((sum, { size }) => sum + size, 0),
      formats: manifest.formats,
      signedBy: manifest.signedBy,
      provenBy: describeSigners(manifest, 40),
      pulledAt: manifest.pulledAt,
      roles: uses?.roles(image.name, manifest.version, current) ?? [],
      ...(verify ? { problems: await verifyImage(version) } : {}),
    });
  }
  return rows;
}

function formatList(rows: readonly ImageRow[]): string {
  if (rows.length === 0) return 'No image was pulled yet. The first: tinderbox assets pull flatcar\n';
  const table = rows.map(({ image, version, arch, current, bytes, provenBy, roles }) => [
    image,
    version,
    arch,
    current ? 'yes' : '-',
    formatBinarySize(bytes),
    provenBy,
    roles.length === 0 ? '-' : roles.join(', '),
  ]);
  const found = rows.flatMap(({ image, version, problems }) =>
    problems === undefined
      ? []
      : problems.length === 0
        ? [`${image} ${version}: every file is as it was pulled\n`]
        : problems.map(
            (problem) =>
              `${image} ${version}: ${problem}\n    Remove the version's folder and pull it again.\n`,
          ),
  );
  return `${formatColumns([['IMAGE', 'VERSION', 'ARCH', 'CURRENT', 'SIZE', 'SIGNED BY', 'USED BY'], ...table])}${found.length === 0 ? '' : '\n'}${found.join('')}`;
}

/** Those that were asked for last come first. */
function formatPulled(pulled: readonly PulledFile[], from: string | undefined): string {
  if (pulled.length === 0) {
    return from === undefined
      ? ''
      : `Nothing was fetched from ${from} yet: the first request for a file does.\n`;
  }
  const rows = pulled
    .toSorted((one, other) => other.usedAt - one.usedAt)
    .map(({ path, size, fetchedAt, usedAt }) => [
      plain(path),
      formatBinarySize(size),
      new Date(fetchedAt).toISOString().slice(0, 16),
      new Date(usedAt).toISOString().slice(0, 16),
    ]);
  const bytes = pulled.reduce((sum, { size }) => sum + size, 0);
  return `${formatColumns([['FETCHED WHEN ASKED FOR', 'SIZE', 'FETCHED AT', 'USED AT'], ...rows])}${formatBinarySize(bytes)} in all; tinderbox assets prune --fetched removes them.\n`;
}

function addUse(assets: Command, context: CliContext): void {
  assets
    .command('use')
    .description('make a version the current one')
    .argument('<image>', 'as assets list names it')
    .argument('<version>', 'as assets list names it')
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', '\nExample:\n  $ sudo tinderbox assets use flatcar 4230.2.0')
    .action(async (name: string, version: string, { json }: { json?: boolean }, command: Command) => {
      const { assets: folder } = (await readConfig(command, context)).paths;
      const used = await asOwnerOf(folder, async () => {
        const image = await requireImage(folder, name);
        await using lock = await lockImage(image.folder);
        void lock;
        return await useImage(image, version, new Date());
      });
      if (json === true) return context.out(`${JSON.stringify(used)}\n`);
      const { before } = used;
      context.out(
        before === version
          ? `${name} ${version} was the current version already.\n`
          : `${name} ${version} is the current version now${before === undefined ? '' : `; before: ${before}`}. Machines get it at their next boot.\n`,
      );
    });
}

function addPrune(assets: Command, context: CliContext): void {
  assets
    .command('prune')
    .description('remove old versions, and what unfinished pulls left')
    .argument('[image]', 'only this one')
    .option('--keep <number>', 'so many of the newest, beside the current one', readKeep, 1)
    .option('--fetched', 'instead of images, all that assets.pullThrough has fetched')
    .option('--dry-run', 'only say what would go')
    .option('--json', 'print what was done as JSON')
    .addHelpText(
      'after',
      `
Never removes the current version, one that a role, a rule or a machine names itself, one that was current so lately
that a machine may still fetch it (http.sessionTime), or anything of an image that is being pulled.

Example:
  $ sudo tinderbox assets prune --keep 2 --dry-run`,
    )
    .action(
      async (
        name: string | undefined,
        flags: { keep: number; fetched?: boolean; dryRun?: boolean; json?: boolean },
        command: Command,
      ) => {
        const config = await readConfig(command, context);
        const { assets: folder } = config.paths;
        if (flags.fetched === true) return await pruneFetched(folder, name, flags, context);
        // Which versions roles name must be known: broken profiles end it here.
        const uses = imageUses(config, await readCatalog(config));
        const dryRun = flags.dryRun === true;
        const pruned = await asOwnerOf(folder, async () =>
          pruneImages({
            assets: folder,
            images:
              name === undefined
                ? await readImages(folder, { unfinished: true })
                : [await requireImage(folder, name, { unfinished: true })],
            keep: flags.keep,
            grace: config.http.sessionTime * 1000,
            pinned: uses.pinned,
            dryRun,
            now: Date.now(),
          }),
        );
        const bytes = pruned.flatMap(({ removed }) => removed).reduce((sum, one) => sum + one.bytes, 0);
        if (flags.json === true)
          return context.out(`${JSON.stringify({ dryRun, bytes, images: pruned }, null, 2)}\n`);
        context.out(
          pruned.length === 0
            ? 'No image was pulled yet: there is nothing to remove.\n'
            : `${pruned.map((one) => formatPruned(one, dryRun)).join('')}${formatBinarySize(bytes)} ${dryRun ? 'would be' : 'were'} freed.\n`,
        );
      },
    );
}

async function pruneFetched(
  folder: string,
  name: string | undefined,
  flags: { readonly dryRun?: boolean; readonly json?: boolean },
  context: CliContext,
): Promise<void> {
  if (name !== undefined) throw usageError('--fetched removes all of it: name no image');
  const dryRun = flags.dryRun === true;
  const pruned = await asOwnerOf(folder, () => prunePulled(join(folder, PULLED_FOLDER), dryRun));
  if (flags.json === true) return context.out(`${JSON.stringify({ dryRun, ...pruned })}\n`);
  context.out(
    `${pruned.files} fetched ${pruned.files === 1 ? 'file' : 'files'} ${dryRun ? 'would be' : 'were'} removed: ${formatBinarySize(pruned.bytes)}.\n`,
  );
}

function formatPruned({ image, removed, kept }: PrunedImage, dryRun: boolean): string {
  const gone = removed.map(
    ({ version, bytes }) =>
      `${image} ${version}: ${dryRun ? 'would be removed' : 'removed'}, ${formatBinarySize(bytes)}\n`,
  );
  return [...gone, ...kept.map(({ version, reason }) => `${image} ${version}: stays, ${reason}\n`)].join('');
}

function readKeep(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write a number from 0 to 999.');
}
