// Rows and pages by keyboard; the dialog `keys` lists what there is.

const rows = () => [...document.querySelectorAll('[data-row]')];
const currentRow = () => document.activeElement?.closest('[data-row]');
const openerOf = (row) => row.querySelector('a[href]');
const move = (by) => {
  const all = rows();
  const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(currentRow()) + by))];
  if (next !== undefined) openerOf(next)?.focus();
};
const press = (name) => document.querySelector(`[data-key="${name}"]`)?.click();
// Where nothing is ticked, the row that has the focus is meant.
const chooseCurrent = () => {
  if (document.querySelector('[data-row] input:checked') !== null) return;
  currentRow()?.querySelector('input[type=checkbox]')?.click();
};
const PAGES = { f: '/', q: '/queue', r: '/roles', h: '/health', a: '/audit' };
let afterG = false;

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const { target } = event;
  const isText =
    target instanceof HTMLElement && target.matches('input:not([type=checkbox]),select,textarea');
  if (event.key === 'Escape' && isText) target.blur();
  if (isText || document.querySelector('dialog[open]') !== null) return;
  const page = afterG ? PAGES[event.key] : undefined;
  afterG = event.key === 'g';
  if (page !== undefined) {
    location.assign(page);
    return;
  }
  switch (event.key) {
    case '/':
      document.querySelector('[data-key="search"]')?.focus();
      break;
    case '?':
      document.getElementById('keys').showModal();
      break;
    case 'j':
    case 'ArrowDown':
      if (rows().length === 0) return;
      move(1);
      break;
    case 'k':
    case 'ArrowUp':
      if (rows().length === 0) return;
      move(-1);
      break;
    case 'x': {
      const box = currentRow()?.querySelector('input[type=checkbox]');
      box?.click();
      break;
    }
    case 'a':
      chooseCurrent();
      press('approve');
      break;
    case 'r':
      chooseCurrent();
      press('assign');
      break;
    default:
      return;
  }
  event.preventDefault();
});
