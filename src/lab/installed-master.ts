import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { TinderboxError } from '../errors.ts';
import type { DebianImage } from './debian-image.ts';
import { PROVISIONING_MAC, WORLD_MAC } from './debian-image.ts';
import type { CommandResult } from './guest-agent.ts';
import { listenForGuest } from './guest-agent.ts';
import type { NetworkNamespace } from './namespace.ts';
import { runProgram } from './run-program.ts';
import type { RunningQemu } from './run-qemu.ts';
import { escapeCommas, runQemu } from './run-qemu.ts';

export interface InstalledMasterOptions {
  readonly image: DebianImage;
  readonly namespace: NetworkNamespace;
  /** The tap device that its second network card is plugged into. */
  readonly tap: string;
  /** Made if it is missing; holds its disk and its console. */
  readonly folder: string;
  /** A folder of the host that is copied over the guest's root at its first start. */
  readonly files: string;
}

/** A virtual master host: Debian and systemd on a disk of its own, 10.77.0.1 on the provisioning network. */
export interface InstalledMaster extends AsyncDisposable {
  /** A shell command as root; what it printed. Throws TinderboxError `internal` with that if it fails. */
  readonly run: (command: string, options?: { readonly timeout?: number }) => Promise<string>;
  /** The same for a command that may fail. */
  readonly attempt: (command: string, options?: { readonly timeout?: number }) => Promise<CommandResult>;
  /** As an operator's `reboot`. Resolves when the system is up again. */
  readonly reboot: () => Promise<void>;
  /** Pulls the plug without a word to the system, and puts it back. */
  readonly cutPower: () => Promise<void>;
  /** The newest lines of the console and of the journal, for who must understand a failure. */
  readonly explain: () => Promise<string>;
}

const BOOT_TIMEOUT = 300_000;
/** Mebibytes. */
const MEMORY = 1024;

/** Powers it on; resolves when systemd has started all that it wants to. */
export async function startInstalledMaster(options: InstalledMasterOptions): Promise<InstalledMaster> {
  const { image, namespace, tap, folder, files } = options;
  await using stack = new AsyncDisposableStack();
  await mkdir(folder, { recursive: true });
  await runProgram(['cp', '--sparse=always', image.disk, `${folder}/disk`], { timeout: BOOT_TIMEOUT });
  // An archive is all that a disk of read-only files needs to be.
  await runProgram([
    'tar',
    '--create',
    '--owner=0',
    '--group=0',
    `--file=${folder}/files`,
    `--directory=${files}`,
    '.',
  ]);
  // Not in `folder`: the path of a unix socket has at most 107 bytes.
  const sockets = await mkdtemp(`${tmpdir()}/tinderbox-guest-`);
  stack.defer(() => rm(sockets, { recursive: true, force: true }));
  const agent = stack.use(await listenForGuest(`${sockets}/agent`));
  const argv = [
    ['-machine', 'pc', '-smp', '2'],
    ['-kernel', image.kernel, '-initrd', image.initrd],
    ['-append', 'console=ttyS0 root=/dev/vda rw mitigations=off systemd.show_status=1'],
    // What the guest has synced is with the host's kernel then, which is enough: only the guest loses power.
    ['-drive', `if=none,id=root,format=raw,cache=unsafe,file=${escapeCommas(folder)}/disk`],
    ['-device', 'virtio-blk-pci,drive=root,addr=4'],
    ['-drive', `if=none,id=files,format=raw,readonly=on,file=${escapeCommas(folder)}/files`],
    ['-device', 'virtio-blk-pci,drive=files,addr=5'],
    // QEMU's own little network, which leads nowhere but has a DHCP server.
    ['-netdev', 'user,id=world,restrict=on'],
    ['-device', `virtio-net-pci,netdev=world,mac=${WORLD_MAC},romfile=,addr=6`],
    ['-netdev', `tap,id=provisioning,ifname=${tap},script=no,downscript=no`],
    ['-device', `virtio-net-pci,netdev=provisioning,mac=${PROVISIONING_MAC},romfile=,addr=7`],
    ['-chardev', `socket,id=agent,path=${escapeCommas(agent.path)}`],
    ['-device', 'virtio-serial-pci,addr=8', '-device', 'virtserialport,chardev=agent,name=lab'],
    ['-object', 'rng-random,id=random,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=random,addr=9'],
  ].flat();
  const powerOn = (): Promise<RunningQemu> =>
    runQemu({ namespace, name: 'master', folder, memory: MEMORY, argv });

  let machine = await powerOn();
  stack.defer(() => machine[Symbol.asyncDispose]());
  const explain = async (): Promise<string> => {
    const journal = await agent
      .run('journalctl --no-pager --lines=60 --output=short-monotonic', { timeout: 20_000 })
      .catch((error: Error) => ({ output: error.message }));
    return `console of the master:\n${machine.console.lines.slice(-30).join('\n')}\njournal:\n${journal.output}`;
  };
  const isUp = async (after: number): Promise<void> => {
    await agent.nextBoot({ after, timeout: BOOT_TIMEOUT }).catch((cause: unknown) => {
      const remedy = `Its last lines:\n${machine.console.lines.slice(-30).join('\n')}`;
      throw new TinderboxError('unavailable', 'the master did not come up', { cause, remedy });
    });
    // It says `degraded` where a unit failed; that is for the caller to look at.
    await agent.run('systemctl is-system-running --wait', { timeout: BOOT_TIMEOUT });
  };
  const run: InstalledMaster['run'] = async (command, more) => {
    const { code, output } = await agent.run(command, more);
    if (code === 0) return output;
    throw new TinderboxError('internal', `in the master, ${command} ended with ${code}: ${output.trim()}`);
  };
  await isUp(0);
  await run('tar --extract --file=/dev/vdb --directory=/ --no-overwrite-dir');
  const owned = stack.move();
  return {
    run,
    attempt: agent.run,
    explain,
    async reboot() {
      const before = agent.boots();
      agent.send('systemctl reboot');
      await isUp(before);
    },
    async cutPower() {
      const before = agent.boots();
      await machine.quit();
      machine = await powerOn();
      await isUp(before);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
