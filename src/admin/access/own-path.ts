/**
 * Where to go after signing in: a path of this server, since a link may have brought anything here. `//host` and
 * `/\host` are other servers to a browser.
 */
export function ownPath(next: unknown): string {
  return typeof next === 'string' && next.length <= 2_048 && /^\/(?![/\\])[\x21-\x7e]*$/.test(next)
    ? next
    : '/';
}
