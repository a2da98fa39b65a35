// What every page does beyond links and forms. Without it, everything can still be read and sent.

const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
};
const switchTheme = () => {
  const theme = isDark() ? 'light' : 'dark';
  document.documentElement.dataset.theme = theme;
  try {
    localStorage.setItem('theme', theme);
  } catch {
    // It holds until the next page, then.
  }
};

document.addEventListener('click', (event) => {
  const button = event.target instanceof Element ? event.target.closest('[data-do]') : null;
  if (button?.dataset.do === 'theme') switchTheme();
  if (button?.dataset.do === 'keys') document.getElementById('keys').showModal();
});
for (const button of document.querySelectorAll('[data-do]')) button.hidden = false;

const age = (ms) => {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86400)}d`;
};
// The daemon's clock, not this computer's: it may be minutes away.
const ahead = Number(document.getElementById('main').dataset.now ?? Date.now()) - Date.now();
const refreshAges = () => {
  for (const each of document.querySelectorAll('time[data-ago]')) {
    const text = `${age(Date.now() + ahead - Date.parse(each.dateTime))} ago`;
    if (each.textContent !== text) each.textContent = text;
  }
};
setInterval(refreshAges, 5000);
