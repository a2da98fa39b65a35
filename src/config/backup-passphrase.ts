/** What the environment says of a backup's passphrase; undefined: nothing. */
export function passphraseFromEnvironment(
  env: { readonly TINDERBOX_BACKUP_PASSPHRASE?: string | undefined } = process.env,
): string | undefined {
  const given = env.TINDERBOX_BACKUP_PASSPHRASE ?? '';
  return given === '' ? undefined : given;
}
