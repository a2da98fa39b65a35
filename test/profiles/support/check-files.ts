import { parseAllDocuments } from 'yaml';
import { type CustomKinds, checkManifest } from './check-manifest.ts';
import { parseToml } from './check-toml.ts';
import { type CloudConfig, filesOf } from './cloud-config.ts';

/** What is wrong with the files in a configuration that another program will parse: JSON, TOML, YAML, and manifests. */
export async function checkFiles(config: CloudConfig, custom: CustomKinds = {}): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const [path, content] of filesOf(config)) {
    const key = `${path}\n${content}`;
    const found = known.get(key) ?? (await checkContent(path, content, custom));
    known.set(key, found);
    problems.push(...found.map((problem) => `${path}: ${problem}`));
  }
  return problems;
}

/** Most files are the same in a hundred configurations. */
const known = new Map<string, readonly string[]>();

async function checkContent(path: string, content: string, custom: CustomKinds): Promise<readonly string[]> {
  try {
    if (/\.(json|conflist)$/.test(path)) JSON.parse(content);
    if (path.endsWith('.toml')) parseToml(content);
  } catch (thrown) {
    return [(thrown as Error).message];
  }
  // A kubeconfig of kubeadm's is called .conf.
  const isYaml = /\.(yaml|yml)$/.test(path) || content.startsWith('apiVersion: v1\nkind: Config\n');
  if (!isYaml) return [];
  const problems: string[] = [];
  for (const document of parseAllDocuments(content, { version: '1.1' })) {
    if ('errors' in document && document.errors.length + document.warnings.length > 0) {
      problems.push(...[...document.errors, ...document.warnings].map(({ message }) => message));
      continue;
    }
    const doc: unknown = document.toJS();
    if (doc === null || path === '/etc/crictl.yaml') continue;
    problems.push(...(await checkManifest(doc, custom)));
  }
  return problems;
}
