import type { FastifyReply, FastifyRequest } from 'fastify';
import { csrfTokenOf } from '../access/guard.ts';
import { loadViews, type ViewContext, type Views } from './load-views.ts';
import { readStaticFiles, type StaticFiles, VIEWS } from './static-files.ts';

export type Section = 'fleet' | 'queue' | 'roles' | 'health' | 'audit';

/** What a page says of itself, beside what its view shows. */
export interface PageHead {
  readonly title: string;
  /** Which entry of the menu it belongs to. Absent: no menu, as for who has not signed in. */
  readonly section?: Section | 'none';
}

/** Of who asks. */
export interface Visit {
  /** Whoever came by TCP can sign out. */
  readonly signedIn: boolean;
  /** For forms, as the hidden field `_csrf`. */
  readonly csrf: string;
}

export interface Pages {
  readonly files: StaticFiles;
  /** A whole page, its view's name and what that asks for. Throws if the view asks for something that is not there. */
  render(view: string, head: PageHead & Partial<Visit>, model: object): string;
  /** A piece of a page. */
  renderPart(view: string, model: object): string;
  /** Answers with a page that no one keeps: it is of one moment, and of who asked. */
  send(reply: FastifyReply, view: string, head: PageHead, model: object): FastifyReply;
}

const MENU = [
  { section: 'fleet', name: 'Fleet', href: '/' },
  { section: 'queue', name: 'Queue', href: '/queue' },
  { section: 'roles', name: 'Roles', href: '/roles' },
  { section: 'health', name: 'Health', href: '/health' },
  { section: 'audit', name: 'Audit', href: '/audit' },
] as const;

/**
 * For htmx. Its own styles stay out, and so do filters in triggers, `hx-on` and `js:`, which are programs in
 * attributes: the content security policy forbids to run them.
 */
const HTMX_CONFIG = JSON.stringify({
  includeIndicatorCSS: false,
  extensions: 'sse',
  defaultTimeout: 30_000,
  // What failed leaves the page as it was; live.js says so.
  noSwap: [204, 304, '4xx', '5xx'],
  sse: { reconnectDelay: 500, reconnectMaxDelay: 10_000 },
});

/** Reads views and static files, once: they do not change while the program runs. */
export function createPages(clock: () => number, views?: Views): Pages {
  const files = readStaticFiles();
  const known = views ?? loadViews(VIEWS, (name) => files.url(name));
  const context = (model: object): ViewContext => ({ ...model, now: clock() });
  const render: Pages['render'] = (view, { title, section, signedIn = false, csrf = '' }, model) => {
    const nav =
      section === undefined
        ? []
        : MENU.map(({ section: own, name, href }) => ({ name, href, current: own === section }));
    return known.render(view, context({ ...model, htmx: HTMX_CONFIG, page: { title, nav, signedIn, csrf } }));
  };
  return {
    files,
    render,
    renderPart: (view, model) => known.render(view, context(model)),
    send: (reply, view, head, model) =>
      reply
        .type('text/html; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(render(view, { ...visitOf(reply.request), ...head }, model)),
  };
}

function visitOf(request: FastifyRequest): Visit {
  const csrf = csrfTokenOf(request);
  // Only a session has one.
  return { signedIn: csrf !== '', csrf };
}
