import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { FastifyInstance } from 'fastify';

interface StaticFile {
  readonly type: string;
  readonly content: Buffer;
  readonly etag: string;
}

export interface StaticFiles {
  /** `page.css` → `/static/page-0123456789ab.css`: another content, another address. Throws for what there is not. */
  url(name: string): string;
  /** Of the last part of such an address. */
  find(name: string): StaticFile | undefined;
}

// Beside this file in src/; packaging/stage-program.ts puts them beside the built one.
export const VIEWS = new URL('./views/', import.meta.url);
const STATIC = new URL('./static/', import.meta.url);

/** What of htmx.org the page uses. A package that is built has them among its own files. */
export const HTMX_FILES = ['htmx.min.js', 'ext/hx-sse.min.js'] as const;

const TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Reads all of them: some ten, together as large as a photograph. */
export function readStaticFiles(): StaticFiles {
  const files = new Map<string, StaticFile>();
  const urls = new Map<string, string>();
  for (const { name, url } of listFiles()) {
    const extension = extname(name);
    const type = TYPES[extension];
    if (type === undefined) continue;
    const content = readFileSync(url);
    const hash = createHash('sha256').update(content).digest('hex').slice(0, 12);
    const addressed = `${name.slice(0, -extension.length)}-${hash}${extension}`;
    files.set(addressed, { type, content, etag: `"${hash}"` });
    urls.set(name, `/static/${addressed}`);
  }
  return {
    url(name) {
      const url = urls.get(name);
      if (url === undefined) throw new Error(`there is no static file ${name}`);
      return url;
    },
    find: (name) => files.get(name),
  };
}

function listFiles(): readonly { readonly name: string; readonly url: URL }[] {
  const own = readdirSync(STATIC).map((name) => ({ name, url: new URL(name, STATIC) }));
  const isBuilt = existsSync(new URL('htmx.min.js', STATIC));
  return isBuilt ? own : [...own, ...HTMX_FILES.map((file) => ({ name: nameOf(file), url: htmxUrl(file) }))];
}

const nameOf = (file: string): string => file.slice(file.lastIndexOf('/') + 1);

function htmxUrl(file: string): URL {
  const manifest = createRequire(fileURLToPath(import.meta.url)).resolve('htmx.org/package.json');
  return new URL(`dist/${file}`, pathToFileURL(manifest));
}

/** `/static/*`: by address and for ever, since an address has its content's hash in it. */
export function addStaticFiles(app: FastifyInstance, files: StaticFiles): void {
  app.get<{ Params: { name: string } }>('/static/:name', (request, reply) => {
    const file = files.find(request.params.name);
    if (file === undefined) return reply.callNotFound();
    void reply
      .header('cache-control', 'public, max-age=31536000, immutable')
      .header('etag', file.etag)
      .header('x-content-type-options', 'nosniff');
    if (request.headers['if-none-match'] === file.etag) return reply.code(304).send();
    return reply.type(file.type).send(file.content);
  });
}
