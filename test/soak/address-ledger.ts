/** Who holds which address, as the machines themselves know it. Times in milliseconds. */
export interface AddressLedger {
  /** Returns what is wrong: another machine holds this address still. */
  take(mac: string, address: string, at: number): string | undefined;
  release(mac: string, address: string): void;
  readonly held: () => number;
}

/**
 * `leaseTime`: what every lease has. A client's lease begins when it asks, the server's not before, so that the server
 * may give an address to the next one only once it is over for both: no slack is needed.
 */
export function createAddressLedger(leaseTime: number): AddressLedger {
  const holders = new Map<string, { readonly mac: string; readonly until: number }>();
  const addresses = new Map<string, string>();
  return {
    take(mac, address, at) {
      const holder = holders.get(address);
      const former = addresses.get(mac);
      // Whoever boots anew has nothing but what it is given now.
      if (former !== undefined && former !== address && holders.get(former)?.mac === mac)
        holders.delete(former);
      holders.set(address, { mac, until: at + leaseTime });
      addresses.set(mac, address);
      if (holder === undefined || holder.mac === mac || holder.until <= at) return undefined;
      const seconds = ((holder.until - at) / 1000).toFixed(1);
      return `${address} was given to ${mac} while ${holder.mac} holds it for another ${seconds} s`;
    },
    release(mac, address) {
      if (holders.get(address)?.mac === mac) holders.delete(address);
      if (addresses.get(mac) === address) addresses.delete(mac);
    },
    held: () => holders.size,
  };
}
