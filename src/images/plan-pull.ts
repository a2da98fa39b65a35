import { printable } from '../document/printable.ts';
import { TinderboxError } from '../errors.ts';
import { imageNameOf } from './image-folder.ts';
import { isImageName, isImagePath } from './image-manifest.ts';
import type { KeyRing } from './key-ring.ts';
import type { PullOptions } from './pull-options.ts';
import type { ImagePlan, ImageVendor } from './vendor.ts';
import { createVendorFetch } from './vendor-fetch.ts';

const MOST_FILES = 64;
const MOST_TEXT = 64 * 1024;

export interface PlannedImage extends ImagePlan {
  readonly image: string;
  readonly signers: ReturnType<KeyRing['signers']>;
}

/** Finds the version and its files, and holds the mirror to the rules of its vendor. Fetches lists only. */
export async function planPull(options: PullOptions): Promise<PlannedImage> {
  const { vendor, request, http, ring, retry } = options;
  const image = imageNameOf(vendor, request.arch);
  const fetch = createVendorFetch({ http, ring, retry });
  if (vendor.keys.length === 0) refusePlainChecksums(options, request.mirror);
  const plan = await vendor.plan(request, fetch);
  const bare = plan.files.some(({ proof }) => proof.kind === 'checksum' && !proof.signed);
  const [plain] = [request.mirror, ...fetch.unsigned()].filter((url) => !url.startsWith('https:'));
  if (bare && plain !== undefined) refusePlainChecksums(options, plain);
  refuseStrangePlan(plan, vendor);
  return { ...plan, image, signers: ring.signers() };
}

function refusePlainChecksums({ vendor, insecureChecksums }: PullOptions, url: string): void {
  if (url.startsWith('https:') || insecureChecksums) return;
  throw new TinderboxError(
    'refused',
    `${vendor.name} is known by checksums that nobody signed, and ${url} is plain http: whoever is between could change both`,
    { remedy: 'Take a mirror with https, or name the risk: --insecure-checksums.' },
  );
}

/** A vendor's list is the mirror's text: no name of it may lead elsewhere. */
function refuseStrangePlan({ version, files, texts = [] }: ImagePlan, vendor: ImageVendor): void {
  const names = [...files, ...texts].map(({ name }) => name);
  const isFetched = (of: string): boolean =>
    files.some(({ name, proof }) => name === of && proof.kind !== 'member');
  const wrong = !isImageName(version)
    ? `the version ${version}`
    : (names.find((name, index) => !isImagePath(name) || names.indexOf(name) !== index) ??
      files.find(({ proof }) => proof.kind === 'member' && !isFetched(proof.of))?.name ??
      texts.find(({ text }) => text.length > MOST_TEXT)?.name ??
      (files.length === 0 || files.length > MOST_FILES ? `${files.length} files` : undefined));
  if (wrong === undefined) return;
  throw new TinderboxError('refused', `the list of ${vendor.name} cannot be right: ${printable(wrong)}`, {
    remedy: 'Try another mirror: --mirror URL.',
  });
}
