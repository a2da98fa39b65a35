/** The package ships no types; this is the part that is used: its dictionary, which opens no socket when loaded. */
declare module 'dhcp/lib/options.js' {
  interface NpmDhcpOption {
    readonly name: string;
    readonly type?: string;
    readonly enum?: Readonly<Record<number, string>>;
  }
  const dictionary: { readonly opts: Readonly<Record<number, NpmDhcpOption>> };
  export default dictionary;
}
