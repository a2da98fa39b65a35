import { type Command, Option } from 'commander';
import { formatProblem, TinderboxError } from '../errors.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../machine/identity.ts';
import {
  changeTrustOf,
  type ImportResult,
  importAuthority,
  importKubeadmFolder,
  listFormerFiles,
  planAuthorityRotation,
  showAuthorities,
} from '../manage-authorities.ts';
import { showAdminAuthority } from '../show-admin-authority.ts';
import { formatAdminAuthority, formatAuthority, formatPlan } from './ca-format.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';

const HELP = `
The three authorities of the cluster (Kubernetes, etcd, front proxy) are made at the first start. Their keys stay in
paths.state and are never printed.

Examples:
  $ sudo tinderbox ca show
  $ sudo tinderbox ca import --from /etc/kubernetes/pki
  $ sudo tinderbox ca rotate-plan`;

const IMPORT_HELP = `
Takes over the authorities of a cluster that exists, with their keys. Everything is checked before anything is written;
what is not given and not there is made. Stop the daemon first: it reads them at its start.

Examples:
  $ sudo tinderbox ca import --from /etc/kubernetes/pki
  $ sudo tinderbox ca import --authority etcd --certificate ca.crt --key ca.key
  $ sudo tinderbox ca import --authority kubernetes --trust new-kubernetes.crt`;

interface ImportFlags {
  readonly from?: string;
  readonly authority?: AuthorityName;
  readonly certificate?: string;
  readonly key?: string;
  readonly replace?: boolean;
  readonly trust?: string;
  readonly distrust?: string;
  readonly json?: boolean;
}

export function addCaCommand(program: Command, context: CliContext): void {
  const ca = program
    .command('ca')
    .description("the cluster's certificate authorities")
    .addHelpText('after', HELP);
  addShow(ca, context);
  addImport(ca, context);
  addRotatePlan(ca, context);
  addAdmin(ca, context);
}

const ADMIN_HELP = `
Beyond loopback the page and the API show a certificate of an authority that Tinderbox made for them alone. A browser
that trusts it needs no exception:
  Firefox      Settings, Certificates, Authorities, Import
  Chrome       Settings, Security, Manage certificates, Import
  Debian       as /usr/local/share/ca-certificates/tinderbox.crt, then update-ca-certificates
  curl         --cacert tinderbox-ca.pem

Examples:
  $ sudo tinderbox ca admin
  $ sudo tinderbox ca admin --pem > tinderbox-ca.pem`;

function addAdmin(ca: Command, context: CliContext): void {
  ca.command('admin')
    .description('what a browser has to trust to reach the page over TLS')
    .option('--pem', 'print the certificate alone')
    .option('--json', 'print it as JSON')
    .addHelpText('after', ADMIN_HELP)
    .action(async ({ pem, json }: { pem?: boolean; json?: boolean }, command: Command) => {
      if (pem === true && json === true) throw usageError('--pem and --json exclude each other');
      const found = await showAdminAuthority(await readConfig(command, context));
      if (json === true) return context.out(`${JSON.stringify(found, null, 2)}\n`);
      context.out(pem === true ? found.pem : formatAdminAuthority(found));
    });
}

function addShow(ca: Command, context: CliContext): void {
  ca.command('show')
    .description('which they are, and until when')
    .option('--json', 'print them as JSON')
    .addHelpText('after', '\nExample:\n  $ sudo tinderbox ca show')
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const found = await showAuthorities(await readConfig(command, context));
      if (json === true) return context.out(`${JSON.stringify(found, null, 2)}\n`);
      const now = Date.now();
      context.out(found.map((authority) => formatAuthority(authority, now)).join('\n'));
    });
}

function addImport(ca: Command, context: CliContext): void {
  ca.command('import')
    .description('take over authorities that a cluster has already')
    .option('--from <folder>', 'all that kubeadm left there: ca, etcd/ca, front-proxy-ca, sa')
    .addOption(new Option('--authority <name>', 'which one').choices(AUTHORITY_NAMES))
    .option('--certificate <file>', 'its certificate in PEM, with those of its issuers behind')
    .option('--key <file>', 'its private key in PEM, not encrypted')
    .option('--replace', 'in the place of the one that is there, which is kept beside and stays trusted')
    .option('--trust <file>', 'only let machines trust this certificate besides')
    .option('--distrust <fingerprint>', 'let machines trust it no more')
    .option('--json', 'print what was done as JSON')
    .addHelpText('after', IMPORT_HELP)
    .action(async (flags: ImportFlags, command: Command) => {
      refuseMixture(flags);
      const config = await readConfig(command, context);
      if ((await findDaemon(config)) !== undefined) {
        throw new TinderboxError(
          'busy',
          'the daemon is running, and reads its authorities at its start only',
          {
            remedy: 'Stop it (systemctl stop tinderbox), import, and start it again.',
          },
        );
      }
      const options = { replace: flags.replace === true, now: Date.now() };
      const { authority, certificate, key, from } = flags;
      if (from !== undefined)
        return sayImport(await importKubeadmFolder(config, from, options), flags, context);
      // refuseMixture has seen to it.
      if (authority === undefined) return;
      if (certificate !== undefined && key !== undefined) {
        const result = await importAuthority(config, { authority, certificate, key }, options);
        return sayImport(result, flags, context);
      }
      const remove = flags.distrust === undefined ? [] : [flags.distrust];
      const changed = await changeTrustOf(config, { authority, add: flags.trust, remove, now: options.now });
      if (remove.length > 0) sayFormer(await listFormerFiles(config, authority), context);
      context.out(
        flags.json === true ? `${JSON.stringify(changed)}\n` : formatAuthority(changed, options.now),
      );
    });
}

function addRotatePlan(ca: Command, context: CliContext): void {
  ca.command('rotate-plan')
    .description('what changing an authority takes, and when to begin; changes nothing')
    .option('--json', 'print it as JSON')
    .addHelpText('after', '\nExample:\n  $ sudo tinderbox ca rotate-plan')
    .action(async ({ json }: { json?: boolean }, command: Command) => {
      const plans = await planAuthorityRotation(await readConfig(command, context), Date.now());
      context.out(json === true ? `${JSON.stringify(plans, null, 2)}\n` : plans.map(formatPlan).join('\n'));
    });
}

function refuseMixture({ from, authority, certificate, key, trust, distrust }: ImportFlags): void {
  const ways = [
    from !== undefined,
    certificate !== undefined || key !== undefined,
    trust !== undefined || distrust !== undefined,
  ];
  const remedy = 'tinderbox ca import --help has examples';
  if (ways.filter(Boolean).length !== 1) {
    throw usageError('give one of: --from, --certificate with --key, --trust or --distrust', remedy);
  }
  if (from !== undefined && authority !== undefined) throw usageError('--from takes all of them', remedy);
  if (from === undefined && authority === undefined) throw usageError('--authority is missing', remedy);
  if ((certificate === undefined) !== (key === undefined)) {
    throw usageError('--certificate and --key go together', remedy);
  }
}

function sayImport(result: ImportResult, { json }: ImportFlags, context: CliContext): void {
  const { imported, unchanged, made, serviceAccounts, warnings } = result;
  for (const warning of warnings) context.err(`warning: ${formatProblem(warning)}\n`);
  if (json === true) return context.out(`${JSON.stringify(result, null, 2)}\n`);
  for (const { name, subject } of imported) context.out(`${name}: ${subject} is imported\n`);
  for (const name of unchanged) context.out(`${name}: was imported already\n`);
  for (const name of made) context.out(`${name}: made anew\n`);
  const pair = SERVICE_ACCOUNT_TEXTS[serviceAccounts];
  if (pair !== undefined) context.out(`service-accounts: ${pair}\n`);
}

/** What machines trust no more still signs for whoever has its key, and some of them have not booted since. */
function sayFormer(files: readonly string[], context: CliContext): void {
  for (const file of files) {
    context.err(
      `warning: ${file} holds the private key of a former authority\n    Once every machine has booted: sudo rm ${file}\n`,
    );
  }
}

/** `made` is listed with the rest, and that nothing was given or changed is not worth a line. */
const SERVICE_ACCOUNT_TEXTS: Partial<Readonly<Record<ImportResult['serviceAccounts'], string>>> = {
  imported: 'the pair is imported',
  replaced: 'the pair is replaced; tokens that the former one signed are void',
  unchanged: 'the pair was imported already',
  missing: 'the pair is missing; without it the daemon does not start',
};
