import { join } from 'node:path';
import { printable } from '../document/printable.ts';
import type { ImageManifest } from '../images/image-manifest.ts';
import type { PlannedImage } from '../images/plan-pull.ts';
import type { PulledImage } from '../images/pull-image.ts';
import type { PullOptions } from '../images/pull-options.ts';
import type { FileProof } from '../images/vendor.ts';
import type { CliContext } from './context.ts';
import { formatBinarySize } from './format-binary-size.ts';

/** What `pull --dry-run` found. */
export async function printPlan(
  plan: PlannedImage,
  options: PullOptions,
  flags: { readonly json?: boolean },
  { out }: CliContext,
): Promise<void> {
  const files = await Promise.all(
    plan.files.map(async (file) => ({
      ...file,
      size: file.size ?? (file.proof.kind === 'member' ? undefined : await askSize(file.url, options)),
    })),
  );
  const { image, version, signers } = plan;
  const total = files.reduce((sum, { size = 0 }) => sum + size, 0);
  if (flags.json === true)
    return out(
      `${JSON.stringify({ image, version, dryRun: true, files, bytes: total, signedBy: signers }, null, 2)}\n`,
    );
  const lines = files.map(({ name, url, size, proof }) => {
    return `  ${name}  ${size === undefined ? 'size not known' : formatBinarySize(size)}\n    from ${url}\n    proven by ${describeProof(proof)}\n`;
  });
  out(
    `${image} ${version} would be fetched to ${join(options.assets, image, version)}:\n${lines.join('')}${formatBinarySize(total)} in all; nothing was fetched.\n`,
  );
}

function describeProof(proof: FileProof): string {
  switch (proof.kind) {
    case 'signature':
      return `signature ${proof.url}`;
    case 'checksum':
      return `${proof.algorithm} of ${proof.from}${proof.signed ? ', signed' : ', checksum only'}`;
    case 'member':
      return `being ${proof.path} of ${proof.of}`;
  }
}

/** Undefined where the mirror does not say. */
async function askSize(url: string, { http, retry }: PullOptions): Promise<number | undefined> {
  try {
    const { status, headers, body } = await http.get(url, { method: 'HEAD', signal: retry.signal });
    body.on('error', () => undefined).destroy();
    const length = headers['content-length'];
    return status === 200 && length !== undefined ? Number(length) : undefined;
  } catch {
    return undefined;
  }
}

/** Who signed it; else what its checksums came over, which `--insecure-checksums` lets be plain http. */
export function describeSigners(
  { signedBy, files }: Pick<ImageManifest, 'signedBy' | 'files'>,
  limit?: number,
): string {
  if (signedBy.length > 0) return signedBy.map(({ owner }) => printable(owner, limit)).join(', ');
  const isHttps = files.every(({ url }) => url.startsWith('https:'));
  return `checksum only, over ${isHttps ? 'HTTPS' : 'plain http'}`;
}

/** A version that is there but could not be made current ends the command with exit code 1. */
export function printPulled(
  { manifest, folder, state, used, notUsed }: PulledImage,
  flags: { readonly json?: boolean },
  context: CliContext,
): void {
  const { image, version, files, signedBy } = manifest;
  if (notUsed !== undefined) context.fail();
  if (flags.json === true) {
    const { message, remedy } = notUsed ?? {};
    const result = {
      ...manifest,
      folder,
      state,
      current: used !== undefined,
      ...(message === undefined ? {} : { notUsed: { message, remedy } }),
    };
    return context.out(`${JSON.stringify(result, null, 2)}\n`);
  }
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  const proven = `${signedBy.length === 0 ? '' : 'signed by '}${describeSigners(manifest)}`;
  context.out(
    `${image} ${version}: ${state === 'present' ? 'was there already' : `${files.length} file(s), ${formatBinarySize(bytes)}`}, ${proven}\n  ${folder}\n`,
  );
  if (used !== undefined) {
    const { before } = used;
    context.out(
      before === version
        ? 'It is the current version.\n'
        : `It is the current version now${before === undefined ? '' : `; before: ${before} (back: tinderbox assets use ${image} ${before})`}.\n`,
    );
  } else if (notUsed === undefined) {
    context.out(`It is not the current version. To make it that: tinderbox assets use ${image} ${version}\n`);
  } else {
    context.err(`It is NOT the current version: ${notUsed.message}\n    ${notUsed.remedy ?? ''}\n`);
  }
}
