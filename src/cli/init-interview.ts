import { describeDhcpServer } from '../boot/dhcp-probe.ts';
import type { InitAnswers } from '../config/init-answers.ts';
import { planSubnets, strayRouters } from '../config/plan-init.ts';
import type { Config } from '../config/port.ts';
import { TinderboxError } from '../errors.ts';
import { formatIpv4, formatRange, type Ipv4Network, parseIpv4, parseNetwork } from '../machine/ipv4.ts';
import {
  likeliestInterface,
  requireInterfaces,
  type SurveyedInterface,
  surveyWire,
  type WireSurvey,
} from '../survey-network.ts';
import { type Asker, flagOrAnswer, type Question } from './ask.ts';
import { usageError } from './exit.ts';
import {
  addressesOf,
  isAddresses,
  isAnything,
  isLeaseTime,
  isNetwork,
  isOneOf,
  isRanges,
  rangesOf,
  splitList,
} from './init-checks.ts';

export interface InterviewFlags {
  readonly interface?: readonly string[];
  readonly mode?: string;
  readonly range?: readonly string[];
  readonly leaseTime?: string;
  readonly router?: readonly string[];
  readonly dns?: readonly string[];
  readonly domain?: string;
  readonly admission?: string;
  /** Undefined: asked for. */
  readonly cluster?: boolean;
  readonly apiServer?: string;
  readonly podNetwork?: string;
  readonly serviceNetwork?: string;
  readonly defaultRole?: string;
  readonly detect: boolean;
  readonly force?: boolean;
}

export interface Interview {
  readonly answers: InitAnswers;
  readonly surveys: readonly WireSurvey[];
  readonly defaultRole: string;
  /** Sentences: what was chosen that may not be meant. */
  readonly warnings: readonly string[];
}

export interface InterviewContext {
  readonly asker: Asker;
  /** Every interface of this host. */
  readonly all: readonly SurveyedInterface[];
  readonly paths: Config['paths'];
  /** Undefined: there are profiles, and their machines.yaml says what a machine becomes. */
  readonly roles: readonly string[] | undefined;
  readonly say: (text: string) => void;
}

/** From flags, answers and what is heard on the wire to what is written. Throws `usage`, `not-found`, `refused`. */
export async function interview(flags: InterviewFlags, context: InterviewContext): Promise<Interview> {
  const { asker, say, paths } = context;
  const warnings: string[] = [];
  const interfaces = await chooseInterfaces(flags, context);
  const surveys = flags.detect && flags.mode !== 'off' ? await listen(interfaces, context) : [];
  const others = surveys.flatMap(({ servers }) => servers);
  for (const { interface: name, servers, failed } of surveys) {
    if (failed !== undefined) say(`  ${failed}\n`);
    else if (servers.length === 0) say(`  ${name}: nobody else gives addresses\n`);
    for (const server of servers) say(`  ${name}: ${describeDhcpServer(server)}\n`);
  }

  const mode = await chooseMode(flags, surveys, asker);
  await refuseSecondServer(mode, others, flags, asker);
  const listened = surveys.length > 0 && surveys.every(({ failed }) => failed === undefined);
  if (mode === 'proxy' && listened && others.length === 0) {
    warnings.push('no DHCP server answers there: in proxy mode machines will get no address until one does');
  }
  for (const { name, defaultRoute } of interfaces) {
    if (!defaultRoute || mode === 'off') continue;
    const danger =
      mode === 'server'
        ? 'Tinderbox will give addresses to everybody in the network that it lies in'
        : 'machines in the network that it lies in will be offered a boot';
    warnings.push(`${name} has the default route of this host: ${danger}`);
  }

  const cluster = await chooseCluster(flags, interfaces, asker);
  const served = mode === 'server' ? await chooseAddresses(flags, interfaces, cluster, asker) : undefined;
  const admission = (await flagOrAnswer(
    flags.admission,
    {
      flag: '--admission',
      label: 'Who may boot (open, approve, listed)',
      why: 'open: any machine. approve: unknown ones wait until you let them in. listed: only the machines of machines.yaml.',
      fallback: 'open',
      check: isOneOf(['open', 'approve', 'listed']),
    },
    asker,
  )) as InitAnswers['admission'];
  const { defaultRole, warning } = await chooseDefaultRole(flags, context);
  if (warning !== undefined) warnings.push(warning);
  const answers: InitAnswers = {
    interfaces: interfaces.map(({ name }) => name),
    mode,
    subnets: served?.subnets ?? [],
    leaseTime: served?.leaseTime ?? '1h',
    dns: served?.dns ?? [],
    ...(served?.domain === undefined ? {} : { domain: served.domain }),
    admission,
    ...(cluster === undefined ? {} : { cluster }),
    paths,
  };
  return { answers, surveys, defaultRole, warnings };
}

async function chooseInterfaces(
  flags: InterviewFlags,
  { asker, all, say }: InterviewContext,
): Promise<readonly SurveyedInterface[]> {
  if (flags.interface !== undefined) return requireInterfaces(flags.interface.flatMap(splitList));
  if (all.length === 0)
    throw new TinderboxError('not-found', 'this host has no network interface besides lo');
  if (asker.interactive) say(`Network interfaces:\n${all.map(describeInterface).join('')}`);
  const names = all.map(({ name }) => name);
  const answer = await asker.ask({
    flag: '--interface NAME',
    label: 'Provisioning interface',
    why: `The interface of the network that machines boot from; several with commas. There are: ${names.join(', ')}.`,
    fallback: likeliestInterface(all)?.name,
    check: (text) => {
      const wrong = splitList(text).find((name) => !names.includes(name));
      return wrong === undefined ? undefined : `there is no ${wrong}`;
    },
  });
  return requireInterfaces(splitList(answer));
}

function describeInterface({ name, addresses, up, carrier, defaultRoute }: SurveyedInterface): string {
  const where = addresses.map(({ address, prefix }) => `${formatIpv4(address)}/${prefix}`).join(', ');
  const state = !up ? 'down' : carrier === false ? 'no carrier' : '';
  const notes = [state, defaultRoute ? 'default route: to the world' : ''].filter((note) => note !== '');
  return `  ${name.padEnd(16)} ${(where === '' ? 'no address' : where).padEnd(20)} ${notes.join(', ')}`
    .trimEnd()
    .concat('\n');
}

async function listen(
  interfaces: readonly SurveyedInterface[],
  { all, asker, say }: InterviewContext,
): Promise<readonly WireSurvey[]> {
  const names = interfaces.map(({ name }) => name);
  say(`Looking for other DHCP servers on ${names.join(', ')}, for five seconds …\n`);
  return surveyWire(names, all, asker.signal);
}

async function chooseMode(
  flags: InterviewFlags,
  surveys: readonly WireSurvey[],
  asker: Asker,
): Promise<InitAnswers['mode']> {
  const heard = surveys.filter(({ failed }) => failed === undefined);
  const alone = heard.length > 0 && heard.every(({ servers }) => servers.length === 0);
  return (await flagOrAnswer(
    flags.mode,
    {
      flag: '--mode',
      label: 'DHCP mode (proxy, server, off)',
      why: 'server: Tinderbox gives addresses. proxy: another DHCP server does, and Tinderbox only says what to boot. off: neither.',
      fallback: alone ? 'server' : 'proxy',
      check: isOneOf(['proxy', 'server', 'off']),
    },
    asker,
  )) as InitAnswers['mode'];
}

/** Two servers in one network give the same address twice, and a machine takes what is faster. */
async function refuseSecondServer(
  mode: InitAnswers['mode'],
  others: readonly Parameters<typeof describeDhcpServer>[0][],
  { force }: InterviewFlags,
  asker: Asker,
): Promise<void> {
  if (mode !== 'server' || others.length === 0 || force === true) return;
  const who = others.map(describeDhcpServer).join('; ');
  if (
    await asker.confirm(
      `\nAnother DHCP server is there: ${who}.\nGive addresses beside it all the same?`,
      false,
    )
  )
    return;
  throw new TinderboxError('refused', `another DHCP server is there: ${who}`, {
    remedy: 'Use --mode proxy beside it, or switch it off; --force if both are meant.',
  });
}

const join = (values: readonly string[] | undefined) => values?.join(',');

async function chooseAddresses(
  flags: InterviewFlags,
  interfaces: readonly SurveyedInterface[],
  cluster: InitAnswers['cluster'],
  asker: Asker,
) {
  const apiServer = cluster === undefined ? undefined : parseIpv4(new URL(cluster.apiServer).hostname);
  const listOf = async (
    given: readonly string[] | undefined,
    question: Pick<Question, 'flag' | 'label' | 'why'>,
  ) => addressesOf(await flagOrAnswer(join(given), { ...question, fallback: '', check: isAddresses }, asker));
  const routers = await listOf(flags.router, {
    flag: '--router',
    label: 'Router',
    why: 'Where machines send what is for other networks. None: they stay in theirs.',
  });
  const [stray] = strayRouters(interfaces, routers);
  if (stray !== undefined) {
    throw usageError(
      `the router ${formatIpv4(stray)} is in no network of ${interfaces.map(({ name }) => name).join(', ')}`,
    );
  }
  const dns = await listOf(flags.dns, {
    flag: '--dns',
    label: 'Name servers',
    why: 'Resolvers that machines reach; Tinderbox itself is none.',
  });
  const others = [...dns, ...(apiServer === undefined ? [] : [apiServer])];
  const suggested = planSubnets(interfaces, { ranges: [], routers, others });
  const range = await flagOrAnswer(
    join(flags.range),
    {
      flag: '--range',
      label: 'Addresses to give',
      why: 'First and last address for machines; of several networks one range each, with commas.',
      fallback:
        suggested.length === 0 ? undefined : suggested.map((each) => formatRange(each.range)).join(','),
      check: isRanges,
    },
    asker,
  );
  const leaseTime = await flagOrAnswer(
    flags.leaseTime,
    {
      flag: '--lease-time',
      label: 'Lease time',
      why: 'How long a machine may keep its address without asking again.',
      fallback: '1h',
      check: isLeaseTime,
    },
    asker,
  );
  const domain = await flagOrAnswer(
    flags.domain,
    {
      flag: '--domain',
      label: 'Domain',
      why: 'Where machines look up short names.',
      fallback: '',
      check: isAnything,
    },
    asker,
  );
  return {
    subnets: planSubnets(interfaces, { ranges: rangesOf(range), routers, others }),
    leaseTime,
    dns,
    domain: domain === '' ? undefined : domain,
  };
}

async function chooseCluster(
  flags: InterviewFlags,
  interfaces: readonly SurveyedInterface[],
  asker: Asker,
): Promise<InitAnswers['cluster']> {
  const given = [flags.apiServer, flags.podNetwork, flags.serviceNetwork].some((each) => each !== undefined);
  if (flags.cluster === false) {
    if (given) throw usageError('--no-cluster goes with no other flag of the cluster');
    return undefined;
  }
  const wanted =
    flags.cluster === true ||
    given ||
    (await asker.confirm(
      '\nDo machines join a Kubernetes cluster? Tinderbox then makes its certificates.',
      false,
    ));
  if (!wanted) return undefined;
  const [own] = interfaces.flatMap(({ addresses }) => addresses);
  const apiServer = await flagOrAnswer(
    flags.apiServer,
    {
      flag: '--api-server',
      label: 'API server',
      why: 'Where the kubelets of the machines find the API server.',
      fallback: own === undefined ? undefined : `https://${formatIpv4(own.address)}:6443`,
      check: (text) =>
        /^https:\/\/[^\s/?#@]+$/.test(text) && URL.canParse(text)
          ? undefined
          : 'a URL such as https://10.77.0.1:6443',
    },
    asker,
  );
  const network = async (flag: string, label: string, value: string | undefined, fallback: string) =>
    parseNetwork(
      await flagOrAnswer(
        value,
        { flag, label, why: 'No host may have an address in it.', fallback, check: isNetwork },
        asker,
      ),
    ) as Ipv4Network;
  return {
    apiServer,
    podNetwork: await network('--pod-network', 'Network of pods', flags.podNetwork, '10.2.0.0/16'),
    serviceNetwork: await network(
      '--service-network',
      'Network of services',
      flags.serviceNetwork,
      '10.3.0.0/24',
    ),
  };
}

async function chooseDefaultRole(
  { defaultRole }: InterviewFlags,
  { asker, roles, paths }: InterviewContext,
): Promise<{ defaultRole: string; warning?: string }> {
  if (roles === undefined) {
    if (defaultRole === undefined) return { defaultRole: 'none' };
    const warning = `--default-role has no effect: ${paths.profiles} is there already and stays as it is`;
    return { defaultRole, warning };
  }
  const chosen = await flagOrAnswer(
    defaultRole,
    {
      flag: '--default-role',
      label: 'Role of every machine without one',
      why: `none: a machine boots nothing until it is given a role. worker WIPES its first fixed disk. Roles: ${roles.join(', ')}.`,
      fallback: 'none',
      check: isOneOf(['none', ...roles]),
    },
    asker,
  );
  return { defaultRole: chosen };
}
