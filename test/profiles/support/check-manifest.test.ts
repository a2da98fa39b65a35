import t from 'tap';
import { checkManifest } from './check-manifest.ts';

const pod = (spec: object, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p', labels: { a: 'b' }, annotations: { 'x.y/z': 'w' } },
  spec,
  ...more,
});
const container = { name: 'c', image: 'i' };
const kind = (group: string, annotations?: { readonly [key: string]: string }) => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `things.${group}`, ...(annotations === undefined ? {} : { annotations }) },
  spec: {
    group,
    scope: 'Cluster',
    names: { plural: 'things', kind: 'Thing' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object' } } } },
      },
    ],
  },
});
const approved = (by: string) => ({ 'api-approved.kubernetes.io': by });

t.test('what Kubernetes would take passes', async (t) => {
  for (const doc of [
    pod({
      hostNetwork: true,
      containers: [
        {
          ...container,
          args: ['--x'],
          livenessProbe: { httpGet: { path: '/healthz', port: 6443, scheme: 'HTTPS' } },
          resources: { requests: { cpu: '100m', memory: 1 } },
          volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true }],
        },
      ],
      volumes: [{ name: 'v', hostPath: { path: '/v', type: 'DirectoryOrCreate' } }],
      tolerations: [{ operator: 'Exists' }],
    }),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'm' }, data: { 'a.conf': 'text' } },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: 'system:x' },
      rules: [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }],
    },
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: 'd', namespace: 'kube-system' },
      spec: {
        selector: { matchLabels: { a: 'b' } },
        template: {
          metadata: { labels: { a: 'b' } },
          spec: { containers: [container], nodeSelector: { role: 'edge-router' } },
        },
      },
    },
    kind('example.org'),
    kind('notk8s.io'),
    kind('policy.networking.k8s.io', approved('unapproved, experimental-only')),
    kind('x.kubernetes.io', approved('https://example.org/pull/1')),
  ]) {
    t.strictSame(await checkManifest(doc), [], doc.kind);
  }
});

t.test('what it would refuse, drop or ignore is found', async (t) => {
  const table: readonly [string, unknown, RegExp][] = [
    ['a misspelt field of the object', pod({ containers: [container] }, { specs: {} }), /^specs is no field/],
    [
      'of the metadata',
      pod({ containers: [container] }, { metadata: { name: 'p', lables: {} } }),
      /^metadata\.lables/,
    ],
    ['of the spec', pod({ containers: [container], hostNetworks: true }), /^spec\.hostNetworks is no field/],
    [
      'deep inside',
      pod({ containers: [{ ...container, imagePulPolicy: 'Always' }] }),
      /^spec\.containers\[0\]\.imagePulPolicy/,
    ],
    ['a wrong type', pod({ containers: [{ ...container, args: [1] }] }), /args\/0 must be string/],
    ['a wrong value', pod({ containers: [container], restartPolicy: 'Sometimes' }), /restartPolicy/],
    ['a missing field', pod({ containers: [{ image: 'i' }] }), /name/],
    ['no kind', { apiVersion: 'v1' }, /there is no kind in v1/],
    ['a kind of another group', { apiVersion: 'apps/v1', kind: 'Pod' }, /there is no Pod in apps\/v1/],
    ['a part of an object', { apiVersion: 'v1', kind: 'Container' }, /there is no Container/],
    ['a path for a kind', { apiVersion: 'v1/../v1', kind: 'Pod' }, /there is no Pod/],
    [
      'a volume that is not there',
      pod({ containers: [{ ...container, volumeMounts: [{ name: 'v', mountPath: '/v' }] }] }),
      /which is no volume/,
    ],
    [
      'a volume for nothing',
      pod({ containers: [container], volumes: [{ name: 'v', emptyDir: {} }] }),
      /nobody mounts/,
    ],
    ['a name with capitals', pod({ containers: [container] }, { metadata: { name: 'P' } }), /is no name/],
    [
      'a selector that misses its pods',
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'd' },
        spec: {
          selector: { matchLabels: { a: 'x' } },
          template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } },
        },
      },
      /the selector wants a=x/,
    ],
    [
      'a field of a custom kind',
      { apiVersion: 'example.org/v1', kind: 'Thing', metadata: { name: 'x' }, spec: { adresses: [] } },
      /adresses/,
    ],
    [
      'a kubelet that is misconfigured',
      { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration', clusterDns: [] },
      /clusterDns is no field/,
    ],
    [
      'one with a wrong value',
      {
        apiVersion: 'kubelet.config.k8s.io/v1beta1',
        kind: 'KubeletConfiguration',
        registerWithTaints: [{ key: 'a', effect: 'Never' }],
      },
      /registerWithTaints cannot be/,
    ],
    [
      'a kubeconfig without its user',
      {
        apiVersion: 'v1',
        kind: 'Config',
        contexts: [{ name: 'd', context: { user: 'u' } }],
        'current-context': 'd',
      },
      /names no user/,
    ],
    ['a kind in a group of Kubernetes', kind('policy.networking.k8s.io'), /is protected/],
    ['in the other', kind('kubernetes.io', approved('')), /is protected/],
    ['approved by nobody', kind('k8s.io', approved('yes')), /is protected/],
    ['no map', 'text', /no map/],
  ];
  for (const [what, doc, problem] of table) {
    const problems = await checkManifest(doc, { 'example.org/v1/Thing': ['addresses'] });
    t.ok(
      problems.some((text) => problem.test(text)),
      `${what}: ${problems.join('; ')}`,
    );
  }
});
