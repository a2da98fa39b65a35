// Boxes before machines: all at once, how many, and what cannot be done with none.

const form = () => document.getElementById('machines');
const boxes = () => [...(form()?.querySelectorAll('input[name=mac]') ?? [])];

const refresh = () => {
  const chosen = boxes().filter((box) => box.checked).length;
  const all = form()?.querySelector('[data-all]');
  if (!all) return;
  all.hidden = false;
  all.checked = chosen > 0 && chosen === boxes().length;
  all.indeterminate = chosen > 0 && !all.checked;
  form().querySelector('[data-chosen]').textContent = chosen === 0 ? 'None chosen' : `${chosen} chosen:`;
  form()
    .querySelector('.bulk')
    .classList.toggle('some', chosen > 0);
  for (const button of form().querySelectorAll('.bulk button')) button.disabled = chosen === 0;
};

document.addEventListener('change', (event) => {
  if (event.target instanceof HTMLInputElement && 'all' in event.target.dataset)
    for (const box of boxes()) box.checked = event.target.checked;
  refresh();
});
document.addEventListener('htmx:after:swap', refresh);
// Back from another page the browser has restored what was ticked.
window.addEventListener('pageshow', refresh);
refresh();
