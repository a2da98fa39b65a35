import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ProblemDocument } from '../api.ts';
import type { Pages } from './render-page.ts';

/** A browser that shows what it gets, rather than a program, or the page's own script: it asks for HTML by name. */
export function wantsPage({ url, headers }: Pick<FastifyRequest, 'url' | 'headers'>): boolean {
  const isForPeople = !url.startsWith('/api/') && headers['hx-request'] === undefined;
  return isForPeople && headers.accept?.includes('text/html') === true;
}

/** A problem document as a page. */
export function sendProblemPage(pages: Pages, reply: FastifyReply, problem: ProblemDocument): FastifyReply {
  const { status, detail, remedy, problems = [] } = problem;
  const heading = headingOf(status);
  const model = {
    heading,
    detail,
    remedy: status === 404 ? undefined : remedy,
    problems: problems.map(({ message, file, line }) => ({ message, file, line })),
  };
  return pages.send(reply, 'error', { title: heading, section: 'none' }, model);
}

function headingOf(status: number): string {
  if (status === 404) return 'There is nothing here';
  if (status === 401) return 'Sign in first';
  if (status === 403) return 'This is not allowed';
  if (status === 409) return 'Somebody else was faster';
  if (status === 429 || status === 503) return 'Not now';
  return status >= 500 ? 'Something went wrong' : 'That cannot be done';
}
