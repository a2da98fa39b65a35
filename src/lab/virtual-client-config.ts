import { fetchText } from './virtual-client-http.ts';
import { type ClientRun, failStep, runStep } from './virtual-client-run.ts';

/** What the operating system read of its configuration. */
export interface ReadConfig {
  readonly text: string;
  readonly hostname?: string;
  readonly role?: string;
}

interface Asked {
  readonly url: string;
  readonly agent: string;
  /** The main document: an empty one boots a machine into nothing. */
  readonly isMain: boolean;
}

const AGENTS = {
  coreos: 'coreos-cloudinit/1.14.0',
  cloudInit: 'Cloud-Init/22.4.2',
  ignition: 'Ignition/2.14.0',
  /** Of d-i, dracut, Talos, each its own. */
  other: 'Wget/1.21.3',
} as const;

const main = (url: string, agent: string): Asked => ({ url, agent, isMain: true });

/** By the arguments that systems read; without one there is no configuration, and that is all right. */
function askedBy(cmdline: string): readonly Asked[] {
  const coreos = argumentOf(cmdline, 'cloud-config-url');
  if (coreos !== undefined) return [main(coreos, AGENTS.coreos)];
  const ignition = argumentOf(cmdline, 'ignition.config.url');
  if (ignition !== undefined) return [main(ignition, AGENTS.ignition)];
  const seed = /(?:^|\s)(?:ci\.)?ds=nocloud(?:-net)?;(?:\S*;)?s(?:eedfrom)?=(https?:[^\s;]+)/.exec(
    cmdline,
  )?.[1];
  if (seed !== undefined) {
    // In the order of cloud-init's `read_seeded` (code); network-config comes first of all in its later releases.
    return ['network-config', 'meta-data', 'user-data', 'vendor-data'].map((name) => ({
      url: `${seed}${name}`,
      agent: AGENTS.cloudInit,
      isMain: name === 'user-data',
    }));
  }
  // preseed/url=, inst.ks=, talos.config= and whatever else a system calls it.
  const raw = /(?:^|\s)[\w./-]+=(https?:\/\/[^\s/]+\/boot\/[^\s/]+\/raw(?:\/[\w.-]+)?)(?=\s|$)/.exec(
    cmdline,
  )?.[1];
  return raw === undefined ? [] : [main(raw, AGENTS.other)];
}

/** Fetches the configuration as the system that the command line is for; undefined: it names none. */
export async function fetchConfig(run: ClientRun, cmdline: string): Promise<ReadConfig | undefined> {
  let config: ReadConfig | undefined;
  let given: string | undefined;
  for (const { url, agent, isMain } of askedBy(cmdline)) {
    const text = await runStep(run, 'config', `GET ${url}`, async () => {
      const options = { redirect: 'follow', needsLength: false, by: 'system' } as const;
      const body = await fetchText(run, url, agent, options);
      if (isMain && body.trim() === '')
        throw failStep(
          `${url} is empty`,
          'an empty configuration boots a machine into nothing: see its role',
        );
      const what = isMain ? 'a configuration' : 'a file';
      return { value: body, answered: `${what} of ${body.length} bytes`, bytes: body.length };
    });
    given ??= /^local-hostname:\s*["']?([\w.-]+)/m.exec(text)?.[1];
    if (isMain) config = { text, ...read(text) };
  }
  const hostname = config?.hostname ?? given;
  return config === undefined || hostname === undefined ? config : { ...config, hostname };
}

function read(text: string): Pick<ReadConfig, 'hostname' | 'role'> {
  const hostname = /^hostname:\s*["']?([\w.-]+)/m.exec(text)?.[1];
  const role = /^#\s*role:\s*([\w.-]+)/m.exec(text)?.[1];
  return { ...(hostname === undefined ? {} : { hostname }), ...(role === undefined ? {} : { role }) };
}

/** The value of a kernel argument. */
export function argumentOf(cmdline: string, name: string): string | undefined {
  return cmdline
    .split(/\s+/)
    .find((word) => word.startsWith(`${name}=`))
    ?.slice(name.length + 1);
}
