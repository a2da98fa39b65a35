import type { Role, TemplateSource } from '../machine/role.ts';
import type { BootContext, TemplateContext } from './context.ts';
import { scriptWords } from './ipxe-text.ts';
import { pinPath } from './pin-path.ts';
import { renderTemplate, templateError, templateProblem } from './template-engine.ts';

/** What a machine is to fetch and start: absolute paths (`/assets/…`) or http URLs. */
export interface BootFiles {
  readonly kernel: string;
  readonly initrd: readonly string[];
  /** Kernel arguments, in order; none is empty or holds a space. */
  readonly cmdline: readonly string[];
}

/**
 * The boot block of a role for one machine; undefined for a role that loads no kernel. An initrd or argument that renders to nothing is left out, so that a
 * role can make it depend on a parameter. Throws TinderboxError `invalid-template`.
 */
export function renderBootFiles(role: Role, context: BootContext): BootFiles | undefined {
  const known = made.get(context);
  if (known?.role === role) return known.files;
  const files = makeBootFiles(role, context);
  made.set(context, { role, files });
  return files;
}

/** A machine's script is made of them, and what it then downloads is known by them: the same context serves both. */
const made = new WeakMap<BootContext, { readonly role: Role; readonly files: BootFiles | undefined }>();

function makeBootFiles(role: Role, context: BootContext): BootFiles | undefined {
  const { boot, partials } = role;
  if (boot.kind !== 'kernel') return undefined;
  const render = (source: TemplateSource): string => renderTemplate(source, context, partials);
  const kernel = renderPath(boot.kernel, render);
  if (kernel === undefined) {
    throw templateError(templateProblem(boot.kernel, undefined, `role \`${role.name}\` names no kernel`));
  }
  return {
    kernel: pinPath(pathOf(kernel, context), context),
    initrd: boot.initrd
      .map((source) => renderPath(source, render))
      .filter((path) => path !== undefined)
      .map((path) => pinPath(pathOf(path, context), context)),
    // A root file system that the kernel fetches by itself is one of the three (Fedora CoreOS, Debian live).
    cmdline: boot.cmdline
      .flatMap((source) => scriptWords(source, render(source)))
      .map((word) => pinPath(word, context)),
  };
}

/** The same for each place that a machine may fetch them from, in the order in which it is to try. */
export interface BootFilesAt {
  /** The mirror, or this server, without a trailing slash. */
  readonly url: string;
  readonly files: BootFiles;
}

/**
 * Kernel, initrds and what the command line names (`{{assetsUrl}}`) are of one place each time, so that a mirror that is
 * behind or fails half-way mixes no two versions. Undefined and throws as renderBootFiles.
 */
export function renderBootFilesAt(role: Role, context: BootContext): readonly BootFilesAt[] | undefined {
  const places: BootFilesAt[] = [];
  for (const url of [...(context.mirrors ?? []), context.server.url]) {
    const assetsUrl = `${url}/assets`;
    // The context itself where it is of this place: its files are made already.
    const files = renderBootFiles(
      role,
      context.assetsUrl === assetsUrl ? context : { ...context, assetsUrl },
    );
    if (files === undefined) return undefined;
    places.push({ url, files });
  }
  return places;
}

/** A mirror has /assets alone. */
export function urlAt(path: string, place: string, context: TemplateContext): string {
  return path.startsWith('/assets/') ? `${place}${path}` : absoluteUrl(path, context);
}

/** The URL that a machine fetches: a path is one of the server that it reached. */
export function absoluteUrl(path: string, context: TemplateContext): string {
  return path.startsWith('/') ? `${context.server.url}${path}` : path;
}

/** What a role names by `{{assetsUrl}}` is what it would name by `/assets`. */
function pathOf(text: string, { assetsUrl, server }: BootContext): string {
  const own = [assetsUrl, `${server.url}/assets`].find((url) => text.startsWith(`${url}/`));
  return own === undefined ? text : `/assets${text.slice(own.length)}`;
}

function renderPath(source: TemplateSource, render: (source: TemplateSource) => string): string | undefined {
  const rendered = render(source);
  const words = scriptWords(source, rendered);
  const [path] = words;
  if (path === undefined) return undefined;
  if (words.length > 1 || !/^(\/[^/]|https?:\/\/[^/])/.test(path)) {
    throw templateError(
      templateProblem(
        source,
        undefined,
        `\`${rendered}\` is no absolute path (/assets/…) and no http URL, or holds a space`,
        'write a path below /assets, or a whole URL',
      ),
    );
  }
  return path;
}
