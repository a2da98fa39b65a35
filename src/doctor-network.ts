import { readFile } from 'node:fs/promises';
import { describeDhcpServer, nameDhcpServer } from './boot/dhcp-probe.ts';
import { type Finding, ok, problem, skipped } from './boot/finding.ts';
import { judgeInterface } from './boot/judge-interface.ts';
import { judgeOtherServers } from './boot/judge-other-servers.ts';
import { askProgram, type DoctorContext } from './doctor-context.ts';
import { type Ipv4, networkContains, networkOf, parseIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import { missingInterface } from './net/interfaces.ts';
import type { NetworkInterface } from './net/port.ts';
import { networksOf } from './provisioning.ts';
import { surveyWire } from './survey-network.ts';

/** Each provisioning interface: there, up, with an address in the networks of `dhcp:`, and nothing in the way. */
export async function checkInterfaces({
  config,
  preflight,
  signal,
}: DoctorContext): Promise<readonly Finding[]> {
  const { host } = await preflight;
  const { subnets } = networksOf(config, host);
  const findings: Finding[] = [];
  for (const name of config.network.interfaces) {
    const found = host.find((one) => one.name === name);
    if (found === undefined) {
      const { message, remedy } = missingInterface(name, host);
      findings.push(problem(message, remedy));
      continue;
    }
    const networks = subnets.filter(({ via, ranges }) => via === name && ranges.length > 0);
    const facts = {
      ...found,
      neighbours: neighboursOf(found, host),
      ...(await readKernelFacts(name, signal)),
    };
    findings.push(
      ...judgeInterface(facts, { mode: config.dhcp.mode, networks: networks.map(({ network }) => network) }),
    );
  }
  return findings;
}

function neighboursOf(own: NetworkInterface, host: readonly NetworkInterface[]): readonly string[] {
  const isShared = (other: NetworkInterface) =>
    own.addresses.some(({ address, prefix }) =>
      other.addresses.some((one) => networkContains(networkOf(address, prefix), one.address)),
    );
  return host
    .filter((other) => other.name !== own.name && other.up && isShared(other))
    .map(({ name }) => name);
}

async function readNumber(path: string): Promise<number | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

async function readKernelFacts(name: string, signal: AbortSignal) {
  const filters = await Promise.all(
    ['all', name].map((which) => readNumber(`/proc/sys/net/ipv4/conf/${which}/rp_filter`)),
  );
  // The kernel takes the larger one, and 2 (loose) is larger than 1 (strict): ip-sysctl.rst.
  const rpFilter = Math.max(...filters.map((value) => value ?? 0));
  const bridge = await readBridge(name, signal);
  return { rpFilter, ...(bridge === undefined ? {} : { bridge }) };
}

/** Asked of `ip`, since /sys shows the network namespace that it was mounted in. Undefined: it is no bridge. */
async function readBridge(name: string, signal: AbortSignal) {
  const said = await askProgram('ip', ['-json', '-details', 'link', 'show', 'dev', name], signal);
  if (said === undefined) return undefined;
  const [link] = JSON.parse(said) as readonly {
    readonly linkinfo?: {
      readonly info_kind?: string;
      readonly info_data?: { readonly forward_delay?: number; readonly stp_state?: number };
    };
  }[];
  if (link?.linkinfo?.info_kind !== 'bridge') return undefined;
  const { forward_delay: forwardDelay = 0, stp_state: stp = 0 } = link.linkinfo.info_data ?? {};
  return { stp: stp > 0, forwardDelay };
}

/** Who else gives addresses. The daemon asks anyway; whoever has the right to port 68 asks now. */
export async function checkDhcpServers(context: DoctorContext): Promise<readonly Finding[]> {
  const { config, status, inDaemon, preflight, signal } = context;
  const { mode, allowOtherServers: allowed } = config.dhcp;
  if (mode === 'off') return [skipped('dhcp.mode: off: who gives addresses is not looked at')];
  const known = (name: string) =>
    (status?.otherDhcpServers ?? []).filter((one) => one.interface === name).map(describeKnown);
  if (inDaemon) {
    if (config.dhcp.probe === undefined)
      return [skipped('dhcp.probe: off: other DHCP servers are noticed only when machines ask them')];
    return config.network.interfaces.map((name) =>
      judgeOtherServers({ mode, interface: name, others: known(name), allowed }),
    );
  }
  const { host } = await preflight;
  const surveyed = await surveyWire(config.network.interfaces, host, signal);
  return surveyed.map(({ interface: name, servers, failed }) => {
    const others = failed === undefined ? servers.map(describeDhcpServer) : known(name);
    if (failed !== undefined && others.length === 0) return skipped(failed, 'Run this as root.');
    return judgeOtherServers({ mode, interface: name, others, allowed });
  });
}

function describeKnown({
  address,
  mac,
  offered,
  router,
}: NonNullable<DoctorContext['status']>['otherDhcpServers'][number]): string {
  const server = parseIpv4(address) ?? (0 as Ipv4);
  const named = { server, ...(mac === undefined ? {} : { mac: mac as Mac }) };
  const offer = parseIpv4(offered ?? '');
  const way = parseIpv4(router ?? '');
  if (offer === undefined) return nameDhcpServer(named);
  return describeDhcpServer({ ...named, offered: offer, ...(way === undefined ? {} : { router: way }) });
}

/** What a daemon says of itself. */
export async function checkDaemon({ status, inDaemon }: DoctorContext): Promise<readonly Finding[]> {
  if (status === undefined)
    return [
      {
        state: 'warning',
        text: 'tinderbox does not run: nothing is answered',
        remedy: 'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve.',
      },
    ];
  const waiting = status.interfaces.flatMap(({ name, state, reason }) =>
    state === 'serving'
      ? []
      : [
          problem(
            `${name} is served ${state === 'partly' ? 'in part' : 'not at all'}: ${reason ?? 'no reason is known'}`,
          ),
        ],
  );
  const broken = status.catalog.problems.slice(0, 5).map(({ message, file, line, remedy }) => {
    const place = [file, line].filter((part) => part !== undefined).join(':');
    return problem(`an edit is not in force: ${place === '' ? '' : `${place}: `}${message}`, remedy);
  });
  const aside = status.database.setAside.map(
    (file): Finding => ({
      state: 'warning',
      text: `a damaged database was set aside: ${file}`,
      remedy: 'Look after the disk, and see docs/backup.md.',
    }),
  );
  const since = new Date(status.startedAt).toISOString().slice(0, 19).replace('T', ' ');
  const who = inDaemon || status.pid === undefined ? '' : ` (pid ${status.pid})`;
  const running = ok(`tinderbox ${status.version} runs since ${since} UTC${who}, ${status.mode} mode`);
  return [running, ...waiting, ...broken, ...aside];
}
