import { chmod, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { createSpaceBudget, diskFull, type SpaceBudget } from './disk-space.ts';
import { downloadFile } from './download-file.ts';
import { hashFile } from './hash-file.ts';
import { makeFolder, readImage, stagingOf } from './image-folder.ts';
import { type ImageManifest, type ManifestFile, readManifest } from './image-manifest.ts';
import { lockImage } from './lock-image.ts';
import { removePart } from './part-file.ts';
import type { PlannedImage } from './plan-pull.ts';
import { type Proof, prepareProof } from './prepare-proof.ts';
import { publishImage } from './publish-image.ts';
import type { PullOptions } from './pull-options.ts';
import { takeFromIso } from './read-iso-file.ts';
import { runParallel } from './run-parallel.ts';
import { syncFile } from './sync-file.ts';
import { type UsedImage, useImage } from './use-image.ts';
import type { ImageFile } from './vendor.ts';

export interface PulledImage {
  readonly manifest: ImageManifest;
  readonly folder: string;
  /** `present`: that version was there already. */
  readonly state: 'pulled' | 'present';
  /** Absent under keepBeside. */
  readonly used?: UsedImage;
  /** Why it was not made current, although it is there. */
  readonly notUsed?: TinderboxError;
}

/**
 * Makes the planned version usable: every file fetched into a hidden folder and proven, then the folder renamed. A crash
 * leaves the whole version or none, and what was fetched for the next call. Throws TinderboxError.
 */
export async function pullImage(plan: PlannedImage, options: PullOptions): Promise<PulledImage> {
  const { assets, request, now, keepBeside, onProgress } = options;
  const imageFolder = join(assets, plan.image);
  const folder = join(imageFolder, plan.version);
  await makeFolder(imageFolder);
  await using lock = await lockImage(imageFolder);
  void lock;
  let manifest = await readManifest(folder);
  const state = manifest === undefined ? 'pulled' : 'present';
  if (manifest === undefined) {
    await refuseHandMade(folder);
    onProgress({
      kind: 'plan',
      version: plan.version,
      files: plan.files.map(({ name, size }) => ({ name, ...(size === undefined ? {} : { size }) })),
    });
    const staging = stagingOf(imageFolder, plan.version);
    await makeFolder(staging);
    await removeForeign(staging, plan.files);
    const files = await fetchFiles(plan, staging, options);
    manifest = {
      image: plan.image,
      vendor: options.vendor.name,
      channel: request.channel,
      version: plan.version,
      arch: request.arch,
      formats: options.vendor.formats,
      files,
      signedBy: options.ring.signers(),
      mirror: request.mirror,
      pulledAt: now.toISOString(),
    };
    await publishImage(manifest, staging, folder);
  }
  if (keepBeside) return { manifest, folder, state };
  try {
    return {
      manifest,
      folder,
      state,
      used: await useImage(await readImage(assets, plan.image), plan.version, now),
    };
  } catch (thrown) {
    if (!(thrown instanceof TinderboxError) || thrown.code !== 'conflict') throw thrown;
    return { manifest, folder, state, notUsed: thrown };
  }
}

async function refuseHandMade(folder: string): Promise<void> {
  const found = await stat(folder).catch(() => undefined);
  if (found === undefined) return;
  throw new TinderboxError('conflict', `${folder} is there already, and no pull put it there`, {
    remedy: `Move it away, then pull again: mv ${folder} ${folder}.by-hand`,
  });
}

/** Files of an earlier plan; folders and all. */
async function removeForeign(staging: string, files: readonly ImageFile[]): Promise<void> {
  const fetched = files.filter(({ proof }) => proof.kind !== 'member');
  const known = new Set(fetched.flatMap(({ name }) => [name, `${name}.part`, `${name}.part.json`]));
  for (const entry of await readdir(staging, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isDirectory() && !known.has(path.slice(staging.length + 1))) await rm(path, { force: true });
  }
}

async function fetchFiles(
  plan: PlannedImage,
  staging: string,
  options: PullOptions,
): Promise<readonly ManifestFile[]> {
  const proofs = new Map<string, Proof>();
  for (const file of plan.files) {
    const proof = await prepareProof(file, options);
    if (proof !== undefined) proofs.set(file.name, proof);
  }
  const space = createSpaceBudget(staging);
  const fetched = await runParallel(
    plan.files.filter(({ name }) => proofs.has(name)),
    options.parallel,
    options.retry.signal,
    (file, signal) =>
      fetchFile(file, proofs.get(file.name) as Proof, staging, space, {
        ...options,
        retry: { ...options.retry, signal },
      }),
  );
  const made: ManifestFile[] = [];
  try {
    for (const file of plan.files)
      if (file.proof.kind === 'member') made.push(await takeMember(file, staging, options));
    for (const { name, text } of plan.texts ?? []) {
      const path = join(staging, name);
      await makeFolder(dirname(path));
      await writeFile(path, text);
      made.push(await measure(name, path, '', 'made of the lists above'));
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOSPC') throw thrown;
    throw diskFull(staging, 'what is made of the files did not fit', thrown);
  }
  return [...fetched, ...made];
}

/** Anew each time: only what it is taken out of was proven. */
async function takeMember(
  { name, url, proof }: ImageFile,
  staging: string,
  { onProgress }: PullOptions,
): Promise<ManifestFile> {
  if (proof.kind !== 'member') throw new TypeError(`${name} is fetched`);
  const path = join(staging, name);
  onProgress({ kind: 'proving', name });
  await makeFolder(dirname(path));
  await takeFromIso(join(staging, proof.of), proof.path, path);
  onProgress({ kind: 'proven', name });
  return measure(name, path, url, `${proof.path} of ${proof.of}`);
}

async function measure(name: string, path: string, url: string, proof: string): Promise<ManifestFile> {
  await chmod(path, 0o644);
  await syncFile(path);
  const { size, sha512 } = await hashFile(path);
  return { name, size, sha512, url, proof };
}

async function fetchFile(
  file: ImageFile,
  proof: Proof,
  staging: string,
  space: SpaceBudget,
  { http, retry, onProgress }: PullOptions,
): Promise<ManifestFile> {
  const { name, url, size } = file;
  const path = join(staging, name);
  await makeFolder(dirname(path));
  const download = (): ReturnType<typeof downloadFile> =>
    downloadFile(url, path, {
      ...retry,
      http,
      space,
      name,
      ...(size === undefined ? {} : { size }),
      onBytes: (bytes, total) => onProgress({ kind: 'bytes', name, bytes, total }),
    });
  const there = await hashFile(path).catch(() => undefined);
  for (let attempt = 0; ; attempt++) {
    // One that an earlier pull ended with is proven again: nobody knows who was at it since.
    const got = attempt === 0 && there !== undefined ? { ...there, resumed: true } : await download();
    try {
      onProgress({ kind: 'proving', name });
      await proof.check(path, got);
      onProgress({ kind: 'proven', name });
      await chmod(path, 0o644);
      return { name, size: got.size, sha512: got.sha512, url, proof: proof.text };
    } catch (thrown) {
      await rm(path, { force: true });
      await removePart(path);
      // Two halves of two files: the first half may be what was wrong.
      if (!got.resumed || !(thrown instanceof TinderboxError)) throw thrown;
    }
  }
}
