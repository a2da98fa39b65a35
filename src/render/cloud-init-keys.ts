/**
 * The keys of cloud-init's `#cloud-config`: those of its JSON schema in 22.4 (Debian 12) and in 25, with the type that the value
 * has in both; `any` where there are several. cloud-init 22.4 says nothing of others, and later ones
 * warn in a log of the machine: a slip must be found before it is served.
 */
export type CloudInitKind = 'any' | 'list' | 'map' | 'text' | 'truth';

const names = (text: string): readonly string[] => text.trim().split(/\s+/);

const BY_KIND: Readonly<Record<CloudInitKind, readonly string[]>> = {
  any: names(`
    apt_pipelining byobu_by_default chpasswd drivers fan groups growpart grub-dpkg grub_dpkg launch-index locale
    manage_etc_hosts merge_how merge_type mount_default_fields ntp output phone_home resize_rootfs rsyslog ssh_pwauth
    ssh_quiet_keygen ubuntu_advantage ubuntu_pro user users version wireguard authkey_hash migrate snap
    prefer_fqdn_over_hostname create_hostname_file`),
  list: names(`
    bootcmd cloud_config_modules cloud_final_modules cloud_init_modules fs_setup mounts packages runcmd ssh_authorized_keys
    ssh_fp_console_blacklist ssh_genkeytypes ssh_import_id ssh_key_console_blacklist write_files`),
  map: names(`
    ansible apk_repos apt autoinstall ca-certs ca_certs chef device_aliases disk_setup keyboard landscape lxd
    mcollective power_state puppet random_seed reporting resolv_conf rh_subscription salt_minion spacewalk ssh ssh_keys
    ssh_publish_hostkeys swap system_info updates vendor_data yum_repos zypper`),
  text: names(
    'disable_root_opts final_message fqdn hostname locale_configfile password timezone yum_repo_dir',
  ),
  truth: names(`
    allow_public_ssh_keys apt_reboot_if_required apt_update apt_upgrade disable_ec2_metadata disable_root
    manage_resolv_conf no_ssh_fingerprints package_reboot_if_required package_update package_upgrade
    preserve_hostname ssh_deletekeys`),
};

export const CLOUD_INIT_KEYS: ReadonlyMap<string, CloudInitKind> = new Map(
  (Object.keys(BY_KIND) as CloudInitKind[]).flatMap((kind) =>
    BY_KIND[kind].map((name) => [name, kind] as const),
  ),
);

/** Of an entry of `write_files`. */
export const WRITE_FILE_KEYS: ReadonlyMap<string, CloudInitKind> = new Map([
  ['path', 'text'],
  ['content', 'text'],
  ['owner', 'text'],
  ['permissions', 'text'],
  ['encoding', 'text'],
  ['append', 'truth'],
  ['defer', 'truth'],
  ['source', 'map'],
]);
