import type { ProblemDocument } from '../api.ts';
import type { Pages } from './render-page.ts';

/** A browser that shows what it gets, rather than a program: it asks for HTML by name. */
export function prefersPage(accept: string | undefined): boolean {
  return accept !== undefined && accept.includes('text/html');
}

/** A problem document as a page. */
export function renderProblemPage(pages: Pages, problem: ProblemDocument): string {
  const { detail, remedy, problems = [] } = problem;
  const head = { title: headingOf(problem.status), section: 'none' } as const;
  return pages.render('error', head, {
    heading: headingOf(problem.status),
    detail,
    remedy,
    problems: problems.map(({ message, file, line }) => ({ message, file, line })),
  });
}

function headingOf(status: number): string {
  if (status === 404) return 'There is nothing here';
  if (status === 401) return 'Sign in first';
  if (status === 403) return 'This is not allowed';
  if (status === 409) return 'Somebody else was faster';
  if (status === 503) return 'Not now';
  return status >= 500 ? 'Something went wrong' : 'That cannot be done';
}
