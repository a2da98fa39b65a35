import {
  addAddress,
  addVethPair,
  createNamespace,
  type NetworkNamespace,
} from '../../../src/lab/namespace.ts';
import { curl } from './curl.ts';
import { bootMachines } from './dhcp-lab.ts';

/** In each of them the machine can be reached. */
const NETWORKS = ['10.77.0', '10.78.0', '10.99.0'];

/** A provisioning interface of a server with one machine at its other end. */
export interface Cable extends AsyncDisposable {
  readonly machine: NetworkNamespace;
  /** What `ip` is told on the server's side. */
  ip(...args: readonly string[]): Promise<void>;
  /** Makes both ends, with addresses like `10.77.0.1/24`; without one the server's side gets none. */
  plugIn(address: string | undefined): Promise<void>;
  /** Removes both ends. */
  pullOut(): Promise<void>;
  /**
   * One machine boots from its ROM to its report; throws with the step that failed. Returns its URLs. `pace` is a factor
   * on firmware's waits.
   */
  boot(pace?: number): Promise<readonly string[]>;
  /** Milliseconds until HTTP answers at an address: a fresh connection each time. */
  untilServed(address: string): Promise<number>;
}

export async function layCable(server: NetworkNamespace, name: string, firstMac: number): Promise<Cable> {
  const machine = await createNamespace(`machine-${name}`);
  let booted = 0;
  return {
    machine,
    ip: async (...args) => void (await server.run(['ip', ...args])),
    async plugIn(address) {
      await addVethPair({ namespace: server, name }, { namespace: machine, name: 'eth0' });
      for (const network of NETWORKS) await addAddress(machine, 'eth0', `${network}.3/24`);
      if (address !== undefined) await addAddress(server, name, address);
    },
    pullOut: async () => void (await server.run(['ip', 'link', 'delete', name])),
    async boot(pace = 1) {
      const order = { interface: 'eth0', count: 1, arch: 'uefi-x64', until: 'report', pace } as const;
      const [outcome] = await bootMachines(machine, { ...order, firstMac: firstMac + booted++ });
      if (outcome?.ok !== true) throw new Error(`a machine did not boot: ${JSON.stringify(outcome)}`);
      return [outcome.loader?.url ?? '', ...outcome.scripts.map(({ url }) => url)];
    },
    async untilServed(address) {
      const start = performance.now();
      while (performance.now() - start < 30_000) {
        const { status } = await curl(machine, `http://${address}/healthz`, '--connect-timeout', '0.2');
        if (status === 200) return performance.now() - start;
      }
      throw new Error(`${address} is not served`);
    },
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  };
}
