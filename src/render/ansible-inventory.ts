import { Document } from 'yaml';
import type { Inventory, InventoryHost } from '../boot/list-inventory.ts';
import type { ClusterSettings } from '../machine/cluster.ts';
import { formatIpv4 } from '../machine/ipv4.ts';

type HostVars = Readonly<Record<string, string>>;

interface Group {
  readonly hosts: readonly string[];
  readonly children?: readonly string[];
  readonly vars?: HostVars;
}

/** An inventory before it is text. */
export interface AnsibleInventory {
  readonly hosts: ReadonlyMap<string, HostVars>;
  readonly groups: ReadonlyMap<string, Group>;
  /** What could not be taken over as it is, each a sentence. */
  readonly notes: readonly string[];
}

/**
 * What Kubespray reads: the groups `kube_control_plane`, `kube_node`, `etcd` and `k8s_cluster`, and for playbooks of
 * one's own a group `role_<name>` for each role.
 */
export function ansibleInventory(
  { hosts, notes: before }: Inventory,
  cluster: ClusterSettings | undefined,
): AnsibleInventory {
  const notes = [...before];
  const names = new Map(hosts.map((host) => [host, nameHost(host.hostname, hosts, notes)]));
  const namesOf = (wanted: (host: InventoryHost) => boolean): readonly string[] =>
    hosts.filter(wanted).map((host) => names.get(host) ?? host.hostname);
  const etcd = namesOf((host) => host.etcd);
  if (etcd.length > 0 && etcd.length % 2 === 0)
    notes.push(`etcd has ${etcd.length} members: Kubespray wants an odd number`);

  const groups = new Map<string, Group>([
    ['kube_control_plane', { hosts: namesOf(({ identity }) => identity === 'controller') }],
    ['kube_node', { hosts: namesOf(({ identity }) => identity === 'worker') }],
    ['etcd', { hosts: etcd }],
    [
      'k8s_cluster',
      {
        hosts: [],
        // Older releases of Kubespray ask for calico_rr.
        children: ['kube_control_plane', 'kube_node', 'calico_rr'],
        ...(cluster === undefined ? {} : { vars: clusterVars(cluster) }),
      },
    ],
    ['calico_rr', { hosts: [] }],
  ]);
  for (const role of new Set(hosts.flatMap((host) => host.role ?? []))) {
    const group = nameRoleGroup(role, groups, notes);
    groups.set(group, { hosts: namesOf((host) => host.role === role) });
  }
  return {
    hosts: new Map(hosts.map((host) => [names.get(host) ?? host.hostname, hostVars(host, notes)])),
    groups,
    notes,
  };
}

/** YAML that Ansible's plugin `yaml` reads: a file for `ansible-playbook -i`. Its notes stand at its head. */
export function writeAnsibleYaml({ hosts, groups, notes }: AnsibleInventory): string {
  const children = [...groups].map(([name, group]) => [
    name,
    {
      hosts: byName(group.hosts),
      ...(group.children === undefined ? {} : { children: byName(group.children) }),
      ...(group.vars === undefined ? {} : { vars: group.vars }),
    },
  ]);
  // Ansible reads YAML 1.1, to which many a MAC address is a number and `no` is a truth value.
  const document = new Document(
    { all: { hosts: Object.fromEntries(hosts), children: Object.fromEntries(children) } },
    { version: '1.1', aliasDuplicateObjects: false },
  );
  document.commentBefore = [
    ' Made by `tinderbox machines --format ansible`.',
    ...notes.map((note) => ` ${note}`),
  ]
    .map((line) => line.replaceAll(/\s+/g, ' '))
    .join('\n');
  return document.toString({ lineWidth: 0 });
}

/** What a script of Ansible's prints for `--list`. */
export function writeAnsibleJson({ hosts, groups }: AnsibleInventory): string {
  const listed = {
    _meta: { hostvars: Object.fromEntries(hosts) },
    all: { hosts: [...hosts.keys()], children: ['ungrouped', ...groups.keys()] },
    ...Object.fromEntries(groups),
  };
  return `${JSON.stringify(listed, null, 2)}\n`;
}

const byName = (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, {}]));

function hostVars(host: InventoryHost, notes: string[]): HostVars {
  const address = host.address === undefined ? undefined : formatIpv4(host.address);
  const told = { serial: host.serial, manufacturer: host.manufacturer, product: host.product };
  const vars: Record<string, string> = {
    ...(address === undefined ? {} : { ansible_host: address, ip: address, access_ip: address }),
    ...(host.mac === undefined ? {} : { mac: host.mac }),
    tinderbox_hostname: host.hostname,
    ...(host.role === undefined ? {} : { tinderbox_role: host.role }),
    tinderbox_identity: host.identity,
    ...(host.arch === undefined ? {} : { tinderbox_arch: host.arch }),
    ...(host.uuid === undefined ? {} : { tinderbox_uuid: host.uuid }),
  };
  for (const [name, text] of Object.entries(told)) {
    if (text === undefined || text === '') continue;
    if (HARMLESS.test(text)) vars[`tinderbox_${name}`] = text;
    else notes.push(`the ${name} of ${host.hostname} is left out: Ansible might take it for an expression`);
  }
  return vars;
}

/**
 * Ansible evaluates what stands in braces, also by running programs on the operator's host, and this is what a machine
 * on the network says of itself, without proof.
 */
const HARMLESS = /^[A-Za-z0-9 ._,:;()/+@&*'-]{1,200}$/;

/** Kubespray's names for them; its own group variables win over these. */
function clusterVars(cluster: ClusterSettings): HostVars {
  return {
    cluster_name: cluster.dnsDomain,
    dns_domain: cluster.dnsDomain,
    kube_pods_subnet: cluster.podNetwork,
    kube_service_addresses: cluster.serviceNetwork,
    tinderbox_cluster: cluster.name,
    tinderbox_api_server: cluster.apiServer,
  };
}

/** Groups that every inventory has, and what Ansible knows without one. Those with `_` can be no hostname. */
const TAKEN = ['all', 'ungrouped', 'etcd', 'localhost', 'implicit'];

function nameHost(hostname: string, hosts: readonly InventoryHost[], notes: string[]): string {
  if (!TAKEN.includes(hostname)) return hostname;
  const names = hosts.map((host) => host.hostname);
  let name = `${hostname}-host`;
  while (names.includes(name)) name += '-host';
  notes.push(`the host ${hostname} is called ${name}: to Ansible its own name means something else`);
  return name;
}

/** A group's name is a name in Python: letters, digits and underscores. */
function nameRoleGroup(role: string, groups: ReadonlyMap<string, unknown>, notes: string[]): string {
  const plain = `role_${role.replaceAll(/[^A-Za-z0-9_]/g, '_')}`;
  let name = plain;
  for (let count = 2; groups.has(name); count += 1) name = `${plain}_${count}`;
  if (name !== `role_${role}`) notes.push(`the group of the role ${role} is called ${name}`);
  return name;
}
