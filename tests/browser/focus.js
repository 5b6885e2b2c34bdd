// What has the focus, what is wrong with it for who has no mouse, and whether it is what is wished (selector, text); null: nothing.
(wish) => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect(), style = getComputedStyle(one), wrong = [];
  const said = one.getAttribute('aria-label') || one.innerText?.trim() || one.getAttribute('placeholder') || one.closest('label')?.innerText.trim();
  if (!said) wrong.push('no name');
  if (box.bottom < 1 || box.right < 1 || box.top > innerHeight - 1 || box.left > innerWidth - 1) wrong.push('outside of the window');
  const ring = (n) => getComputedStyle(n).boxShadow !== 'none' || getComputedStyle(n).outlineStyle !== 'none';
  const round = one.closest('.field, .swatches label, .slider') || one;
  const parts = [one, round, ...one.children, ...(one.matches('[role=slider]') ? one.querySelectorAll('*') : [])];
  const viewer = one.closest('.viewer');
  const framed = viewer && getComputedStyle(viewer, '::after').boxShadow !== 'none';
  if (!parts.some(ring) && !framed) wrong.push('nothing shows that it has the focus');
  window.stops ??= [];
  if (!window.stops.includes(one)) window.stops.push(one);
  const fits = !!wish && !!one.closest(wish[0])?.innerText.includes(wish[1]);
  return { fits, at: window.stops.indexOf(one), what: `${one.tagName} ${said?.slice(0, 40)} ${one.outerHTML.slice(0, 90)}`, wrong };
}
