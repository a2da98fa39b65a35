import type { NetworkNamespace } from '../../../src/lab/namespace.ts';

/** What came back; status 0: nothing did. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  /** Where the connection was opened to and from. */
  readonly from: string;
}

const MARK = '\n--curl--';

/** One request by curl from inside a namespace. The path is sent as it is. */
export async function curl(
  namespace: NetworkNamespace,
  url: string,
  ...args: readonly string[]
): Promise<Reply> {
  const format = `${MARK}%{http_code} %{local_ip}`;
  const argv = ['curl', '--silent', '--path-as-is', '--max-time', '20', '--write-out', format, ...args, url];
  // An exit code other than 0 is told by the status 0.
  const output = await namespace.run(['sh', '-c', '"$@" || true', 'sh', ...argv]);
  const at = output.lastIndexOf(MARK);
  const [status = '0', from = ''] = output.slice(at + MARK.length).split(' ');
  return { status: Number(status), body: output.slice(0, at), from };
}

/** The script that this machine's iPXE gets, and the URL of its session in it. */
export async function askScript(
  namespace: NetworkNamespace,
  mac: string,
  server = 'http://10.77.0.1',
): Promise<{ readonly script: string; readonly session: string }> {
  const { status, body } = await curl(namespace, `${server}/ipxe?mac=${mac}&buildarch=x86_64&platform=efi`);
  if (status !== 200) throw new Error(`/ipxe answered ${status}: ${body}`);
  return { script: body, session: /(http:\S+?\/boot\/[^/\s]+)\/cloud-config/.exec(body)?.[1] ?? '' };
}
