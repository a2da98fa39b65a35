import { describeWrongPath } from './check-ignition-nodes.ts';
import { checkResource } from './check-ignition-resource.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import { findRepeated } from './find-repeated.ts';
import type {
  IgnitionDisk,
  IgnitionFilesystem,
  IgnitionLuks,
  IgnitionPartition,
  IgnitionRaid,
  IgnitionStorage,
} from './ignition-config.ts';

export interface CheckOptions {
  readonly minor: number;
}
type Path = ConfigProblem['path'];

const at = (...path: Path) => ['storage', ...path];

/** Disks, arrays, encrypted volumes and file systems. */
export function checkDisks(
  { disks = [], raid = [], filesystems = [], luks = [] }: IgnitionStorage,
  options: CheckOptions,
): readonly ConfigProblem[] {
  return [
    ...disks.flatMap((disk, index) => checkDisk(disk, at('disks', index))),
    ...findRepeated(disks, ({ device }) => device, at('disks'), 'device'),
    ...raid.flatMap((array, index) => checkRaid(array, at('raid', index))),
    ...findRepeated(raid, ({ name }) => name, at('raid'), 'name'),
    ...filesystems.flatMap((one, index) => checkFilesystem(one, at('filesystems', index), options)),
    ...findRepeated(filesystems, ({ device }) => device, at('filesystems'), 'device'),
    ...findRepeated(filesystems, ({ path }) => path, at('filesystems'), 'path'),
    ...luks.flatMap((volume, index) => checkLuks(volume, at('luks', index), options)),
    ...findRepeated(luks, ({ name }) => name, at('luks'), 'name'),
  ];
}

function checkDevice(device: string, path: Path): readonly ConfigProblem[] {
  const wrong = describeWrongPath(device);
  return wrong === undefined ? [] : [{ path, message: wrong }];
}

function checkDisk({ device, partitions = [] }: IgnitionDisk, path: Path): readonly ConfigProblem[] {
  const where = [...path, 'partitions'];
  const isGoing = partitions.some(({ shouldExist }) => shouldExist === false);
  return [
    ...checkDevice(device, [...path, 'device']),
    ...partitions.flatMap((partition, index) => checkPartition(partition, [...where, index])),
    ...findRepeated(partitions, ({ number = 0 }) => (number === 0 ? undefined : number), where, 'number'),
    ...findRepeated(partitions, ({ label }) => label, where, 'label'),
    ...findRepeated(partitions, ({ guid }) => guid?.toLowerCase(), where, 'guid'),
    ...findOverlaps(partitions, where),
    ...partitions.flatMap((partition, index) =>
      isGoing && partition.shouldExist !== false && leavesPlaceOpen(partition)
        ? [
            {
              path: [...where, index],
              message: 'where another partition is removed, this one needs its number, start and size',
            },
          ]
        : [],
    ),
  ];
}

function leavesPlaceOpen({ number = 0, startMiB = 1, sizeMiB = 1 }: IgnitionPartition): boolean {
  return number === 0 || startMiB === 0 || sizeMiB === 0;
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function checkPartition(partition: IgnitionPartition, path: Path): readonly ConfigProblem[] {
  const { number = 0, label, guid, typeGuid, startMiB, sizeMiB, shouldExist } = partition;
  const problems: ConfigProblem[] = [];
  const complain = (message: string, ...field: Path) => problems.push({ path: [...path, ...field], message });
  if (number === 0 && (label ?? '') === '') complain('a partition has a number from 1 on, or a label');
  if (number > 128) complain('GPT has 128 partitions', 'number');
  if (label !== undefined && Buffer.byteLength(label) > 36)
    complain('the label is longer than 36 characters', 'label');
  if (label?.includes(':') === true) complain('sgdisk would cut the label at its colon', 'label');
  for (const [name, value] of Object.entries({ guid, typeGuid })) {
    if (value !== undefined && value !== '' && !GUID.test(value))
      complain('a GUID has the form 01234567-89AB-CDEF-EDCB-A98765432101', name);
  }
  const says = [label, guid, typeGuid, startMiB, sizeMiB].some((value) => value !== undefined);
  if (shouldExist === false && (says || number === 0))
    complain('what is removed is named by its number, and by nothing else', 'shouldExist');
  return problems;
}

function findOverlaps(partitions: readonly IgnitionPartition[], path: Path): readonly ConfigProblem[] {
  const placed = partitions.flatMap(({ startMiB, sizeMiB, shouldExist }, index) => {
    if (startMiB === undefined || sizeMiB === undefined || startMiB === 0 || shouldExist === false) return [];
    return [{ index, start: startMiB, end: startMiB + Math.max(sizeMiB, 1) - 1 }];
  });
  const problems: ConfigProblem[] = [];
  for (const [order, one] of placed.entries()) {
    const other = placed.slice(0, order).find(({ start, end }) => one.start <= end && start <= one.end);
    if (other !== undefined)
      problems.push({ path: [...path, one.index], message: `it overlaps partitions[${other.index}]` });
  }
  return problems;
}

const RAID_LEVELS = /^(linear|raid0|0|stripe|raid1|1|mirror|raid4|4|raid5|5|raid6|6|raid10|10)$/;

function checkRaid({ name, level, devices, spares = 0 }: IgnitionRaid, path: Path): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const complain = (message: string, ...field: Path) => problems.push({ path: [...path, ...field], message });
  if (!/^[A-Za-z0-9._-]+$/.test(name)) complain('this is no name of an array', 'name');
  if (!RAID_LEVELS.test(level))
    complain('the level is linear, raid0, raid1, raid4, raid5, raid6 or raid10', 'level');
  else if (spares > 0 && /^(linear|raid0|0|stripe)$/.test(level))
    complain('an array of this level has no spares', 'spares');
  if (devices.length === 0) complain('an array has devices', 'devices');
  if (spares > 0 && spares >= devices.length) complain('there are more spares than devices', 'spares');
  return [
    ...problems,
    ...devices.flatMap((device, index) => checkDevice(device, [...path, 'devices', index])),
    ...findRepeated(devices, (device) => device, [...path, 'devices']),
  ];
}

/** mkfs.<format>(8): characters (bytes) that a label may have. */
const LABEL_LENGTHS: Readonly<Record<string, number>> = { ext4: 16, btrfs: 256, xfs: 12, swap: 15, vfat: 11 };

function checkFilesystem(
  filesystem: IgnitionFilesystem,
  path: Path,
  { minor }: CheckOptions,
): readonly ConfigProblem[] {
  const { device, format, path: mount, label, uuid, options = [], mountOptions = [] } = filesystem;
  const problems: ConfigProblem[] = [...checkDevice(device, [...path, 'device'])];
  const complain = (message: string, ...field: Path) => problems.push({ path: [...path, ...field], message });
  const formats = [...Object.keys(LABEL_LENGTHS), ...(minor >= 3 ? ['none'] : [])];
  if (!formats.includes(format)) complain(`the format is one of ${formats.join(', ')}`, 'format');
  const most = LABEL_LENGTHS[format];
  if (label !== undefined && most !== undefined && Buffer.byteLength(label) > most)
    complain(`a label of ${format} has at most ${most} characters`, 'label');
  const wrong = mount === undefined ? undefined : describeWrongPath(mount);
  if (wrong !== undefined) complain(wrong, 'path');
  if (format === 'swap' && mount !== undefined) complain('swap is mounted nowhere', 'path');
  const says = [mount, label, uuid].some((value) => value !== undefined);
  if (format === 'none' && (says || options.length + mountOptions.length > 0))
    complain('where there is to be no file system it has no path, label, uuid or options', 'format');
  return problems;
}

function checkLuks(
  { name, device, label, keyFile = {}, clevis = {} }: IgnitionLuks,
  path: Path,
  { minor }: CheckOptions,
): readonly ConfigProblem[] {
  const { tang = [], threshold = 0, tpm2 = false, custom } = clevis;
  const problems: ConfigProblem[] = [
    ...checkDevice(device, [...path, 'device']),
    ...checkResource(keyFile, [...path, 'keyFile'], { minor }),
    ...findRepeated(tang, ({ url }) => url, [...path, 'clevis', 'tang'], 'url'),
  ];
  const complain = (message: string, ...field: Path) => problems.push({ path: [...path, ...field], message });
  if (name === '' || name.includes('/')) complain('a name has no slash in it, and is not empty', 'name');
  if (label !== undefined && Buffer.byteLength(label) > 47)
    complain('the label is longer than 47 characters', 'label');
  if (custom !== undefined) {
    if (!/^(tpm2|tang|sss)$/.test(custom.pin))
      complain('the pin is tpm2, tang or sss', 'clevis', 'custom', 'pin');
    if (custom.config === '') complain('the config is empty', 'clevis', 'custom', 'config');
    if (tang.length > 0 || tpm2 || threshold !== 0)
      complain('custom stands alone: no tang, tpm2 or threshold beside it', 'clevis', 'custom');
  }
  for (const [index, { url, thumbprint, advertisement = '' }] of tang.entries()) {
    if (!/^https?:\/\/[^/\s]/.test(url))
      complain('a tang server has an http or https URL', 'clevis', 'tang', index, 'url');
    if (thumbprint === '') complain('the thumbprint is empty', 'clevis', 'tang', index, 'thumbprint');
    if (advertisement !== '' && !isJson(advertisement))
      complain('the advertisement is no JSON', 'clevis', 'tang', index, 'advertisement');
  }
  if (threshold > tang.length + (tpm2 ? 1 : 0))
    complain('there are not so many pins as the threshold wants', 'clevis', 'threshold');
  return problems;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
