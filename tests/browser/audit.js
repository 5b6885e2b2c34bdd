// What is illegible, unnamed or out of place on the page, as sentences; none is good.
() => {
  const seen = (n) => n.getClientRects().length && getComputedStyle(n).visibility !== 'hidden' && !n.closest('[hidden], .sr');
  const found = [];
  const name = (n) => n.getAttribute('aria-label') || n.innerText?.trim() || n.getAttribute('placeholder');
  for (const n of document.querySelectorAll('button, input, [role=slider], [role=switch], [role=option], [role=radio]')) {
    if (!seen(n)) continue;
    if (!name(n)) found.push('no name: ' + n.outerHTML.slice(0, 120));
    if (n.tagName === 'BUTTON' && !n.innerText.trim() && !n.dataset.tip && n.getAttribute('aria-haspopup') !== 'menu') found.push('no tooltip: ' + n.outerHTML.slice(0, 120));
  }
  const parse = (t) => t.match(/[\d.]+/g).map(Number);
  const lum = ([r, g, b]) => [r, g, b].map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }).reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (n) => { for (let p = n; p; p = p.parentElement) { const c = parse(getComputedStyle(p).backgroundColor); if (c.length < 4 || c[3] > 0.6) return c; } return [8, 9, 10]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let t = walker.nextNode(); t; t = walker.nextNode()) {
    const n = t.parentElement;
    if (!t.data.trim() || !seen(n) || n.closest('script, style, .viewer, :disabled, [aria-disabled=true]')) continue;
    const style = getComputedStyle(n);
    if (parseFloat(style.fontSize) < 12) found.push('too small: ' + t.data);
    const [a, b] = [lum(parse(style.color)), lum(behind(n))].sort((p, q) => q - p);
    if ((a + 0.05) / (b + 0.05) < 4.5) found.push(`contrast ${((a + 0.05) / (b + 0.05)).toFixed(1)}: ` + t.data);
  }
  const wide = document.documentElement;
  if (wide.scrollWidth > innerWidth || wide.scrollHeight > innerHeight) found.push('the window scrolls');
  for (const n of document.querySelectorAll('.left *, .right *, .topbar *, .status *')) {
    if (!seen(n) || n.closest('.popup')) continue;
    const box = n.getBoundingClientRect(), frame = n.closest('.left, .right, .topbar, .status').getBoundingClientRect();
    if (box.width && (box.right > frame.right + 1 || box.left < frame.left - 1)) { found.push('sticks out: ' + n.outerHTML.slice(0, 100)); break; }
  }
  return found;
}
