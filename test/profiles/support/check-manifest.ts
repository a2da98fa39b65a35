import { checkKubeletConfig } from './kubelet-config.ts';
import { watchReads } from './watch-reads.ts';

/** A Kubernetes object, as it was read from YAML. */
export interface Manifest {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata?: {
    readonly name?: string;
    readonly namespace?: string;
    readonly annotations?: { readonly [key: string]: string };
  };
  readonly [key: string]: unknown;
}

/** Whose schemas no package carries, with the fields that `spec` may have. */
export interface CustomKinds {
  readonly [apiVersionAndKind: string]: readonly string[];
}

/**
 * What is wrong with a manifest by the schemas that Kubernetes publishes: missing fields, wrong types, and fields that
 * it does not know, which an API server drops (or refuses) and a kubelet ignores in a static pod.
 */
export async function checkManifest(doc: unknown, custom: CustomKinds = {}): Promise<readonly string[]> {
  if (typeof doc !== 'object' || doc === null) return ['it is no map'];
  const manifest = doc as Manifest;
  const { apiVersion = '', kind = '' } = manifest;
  if (apiVersion === 'v1' && kind === 'Config') return checkKubeconfig(manifest);
  if (apiVersion === 'kubelet.config.k8s.io/v1beta1') return checkKubeletConfig(manifest);
  const known = custom[`${apiVersion}/${kind}`];
  if (known !== undefined) return checkCustom(manifest, known);
  const model = await modelOf(apiVersion, kind);
  if (model === undefined) return [`there is no ${kind || 'kind'} in ${apiVersion || 'no apiVersion'}`];
  const watched = watchReads(doc);
  const problems: string[] = [];
  try {
    model.validate.call(watched.value);
  } catch (thrown) {
    problems.push((thrown as Error).message);
  }
  const unknown = watched
    .unread()
    // The package spells it with underscores, as Go's structure does; the API with hyphens.
    .filter((path) => !path.endsWith('.openAPIV3Schema.x-kubernetes-preserve-unknown-fields'))
    .map((path) => `${path} is no field of ${apiVersion} ${kind}`);
  return [...problems, ...unknown, ...(problems.length > 0 ? [] : checkReferences(manifest))];
}

interface Model {
  validate(this: unknown): void;
}

async function modelOf(apiVersion: string, kind: string): Promise<Model | undefined> {
  if (!/^[a-z0-9./]+$/.test(apiVersion) || !/^[A-Za-z]+$/.test(kind)) return undefined;
  const module = (await import(`kubernetes-models/${apiVersion}/${kind}`).catch(() => ({}))) as {
    readonly [name: string]: { readonly kind?: string; readonly prototype: Model } | undefined;
  };
  // Parts of objects (Container, Probe) are there too, and are no objects of their own.
  return module[kind]?.kind === kind ? module[kind].prototype : undefined;
}

interface PodSpec {
  readonly containers?: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string }[];
}
interface Container {
  readonly name: string;
  readonly volumeMounts?: readonly { readonly name: string }[];
}
interface Workload {
  readonly selector?: { readonly matchLabels?: { readonly [key: string]: string } };
  readonly template?: {
    readonly metadata?: { readonly labels?: { readonly [key: string]: string } };
    readonly spec?: PodSpec;
  };
}

/** What the API server checks beyond the schema. */
function checkReferences(manifest: Manifest): readonly string[] {
  const problems: string[] = [];
  const name = manifest.metadata?.name ?? '';
  const mayHaveColons = manifest.apiVersion?.startsWith('rbac.') ?? false;
  if (!(mayHaveColons ? /^[A-Za-z0-9:._-]+$/ : /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/).test(name)) {
    problems.push(`metadata.name '${name}' is no name`);
  }
  problems.push(...checkApproval(manifest));
  const isPod = manifest.kind === 'Pod';
  const workload = isPod ? undefined : (manifest['spec'] as Workload | undefined);
  const pod = isPod ? (manifest['spec'] as PodSpec) : workload?.template?.spec;
  const volumes = (pod?.volumes ?? []).map((volume) => volume.name);
  const mounted = [...(pod?.containers ?? []), ...(pod?.initContainers ?? [])].flatMap((container) =>
    (container.volumeMounts ?? []).map((mount) => ({ container: container.name, volume: mount.name })),
  );
  for (const { container, volume } of mounted) {
    if (!volumes.includes(volume))
      problems.push(`container ${container} mounts ${volume}, which is no volume`);
  }
  for (const volume of volumes) {
    if (volumes.indexOf(volume) !== volumes.lastIndexOf(volume))
      problems.push(`volume ${volume} is there twice`);
    if (!mounted.some((mount) => mount.volume === volume))
      problems.push(`nobody mounts the volume ${volume}`);
  }
  const labels = workload?.template?.metadata?.labels ?? {};
  for (const [key, value] of Object.entries(workload?.selector?.matchLabels ?? {})) {
    if (labels[key] !== value)
      problems.push(`the selector wants ${key}=${value}, which its pods do not have`);
  }
  return problems;
}

/** Groups of the Kubernetes community take a kind only with a URL of its approval, or with a word that it has none. */
function checkApproval(manifest: Manifest): readonly string[] {
  if (manifest.kind !== 'CustomResourceDefinition') return [];
  const { group = '' } = manifest['spec'] as { readonly group?: string };
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(group)) return [];
  const approval = manifest.metadata?.annotations?.['api-approved.kubernetes.io'] ?? '';
  if (approval.startsWith('unapproved') || (URL.canParse(approval) && new URL(approval).host !== ''))
    return [];
  return [
    `${group} is protected: metadata.annotations['api-approved.kubernetes.io'] has to say who approved it`,
  ];
}

/** clientcmd's v1 Config is in no published schema: the fields that roles use. */
function checkKubeconfig(manifest: Manifest): readonly string[] {
  interface Named {
    readonly name: string;
    readonly cluster?: object;
    readonly user?: object;
    readonly context?: { readonly cluster?: string; readonly user?: string };
  }
  const problems: string[] = [];
  const known = (where: string, given: object, keys: readonly string[]) => {
    for (const key of Object.keys(given))
      if (!keys.includes(key)) problems.push(`${where}.${key} is no field`);
  };
  known('', manifest, [
    'apiVersion',
    'kind',
    'clusters',
    'users',
    'contexts',
    'current-context',
    'preferences',
  ]);
  const list = (key: string) => (manifest[key] ?? []) as readonly Named[];
  for (const item of list('clusters')) {
    known('clusters', item, ['name', 'cluster']);
    known('cluster', item.cluster ?? {}, ['server', 'certificate-authority', 'certificate-authority-data']);
  }
  for (const item of list('users')) {
    known('users', item, ['name', 'user']);
    known('user', item.user ?? {}, [
      'client-certificate',
      'client-certificate-data',
      'client-key',
      'client-key-data',
    ]);
  }
  for (const item of list('contexts')) {
    known('contexts', item, ['name', 'context']);
    known('context', item.context ?? {}, ['cluster', 'user', 'namespace']);
    for (const [key, among] of [
      ['cluster', list('clusters')],
      ['user', list('users')],
    ] as const) {
      if (!among.some(({ name }) => name === item.context?.[key]))
        problems.push(`context ${item.name} names no ${key}`);
    }
  }
  if (!list('contexts').some(({ name }) => name === manifest['current-context']))
    problems.push('current-context is no context');
  return problems;
}

function checkCustom(manifest: Manifest, fields: readonly string[]): readonly string[] {
  const own = ['apiVersion', 'kind', 'metadata', 'spec'];
  const spec = manifest['spec'] ?? {};
  return [
    ...Object.keys(manifest).filter((key) => !own.includes(key)),
    ...Object.keys(spec).filter((key) => !fields.includes(key)),
  ].map((key) => `${key} is no field of ${manifest.apiVersion} ${manifest.kind}`);
}
