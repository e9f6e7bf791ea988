// measure.mjs - compare web dashboards for Workflow runs/streams in a real browser (Debian chromium + playwright-core).
// Product-neutral: give it URLs and CSS/text conditions. Every iteration uses a fresh browser context (cold HTTP cache).
//
// 1) Page load:
//   node measure.mjs page --name NAME --url URL --ready-css CSS --ready-text REGEX [options]
//     The page is "ready" at the first animation frame in which an element matching CSS exists (default: body) whose
//     textContent matches REGEX (default: anything). Time is performance.now(), i.e. since navigation start.
//     --click SELECTOR   (repeatable) playwright selectors to click, in order, before ready can happen
//     --n 7 --timeout 120000 --settle 800 (wait before counting DOM/heap) --pid SERVERPID (RSS, process tree) --shot FILE.png
//   Prints one JSON line: median [min..max] of readyMs, jsKB (script bytes over the wire), jsKBdecoded, totalKB, requests,
//   apiKB (fetch/xhr), domNodes, heapMB (after forced GC), serverRssMB; a failed (timed out) iteration is counted in `timeouts`.
//
// 2) Live arrival: append chunks with the real @workflow/world-local while a stream page is open:
//   node measure.mjs live --name NAME --url 'http://host/run/{run}?stream={stream}' --sdk NODE_MODULES --dir DATADIR --run RUNID
//        [--rate 20 --count 50 --trials 5 --warm 2] [--preload 0] [--wait-after 8000] [--counter-js 'JS expression -> number of chunks the page says it has'] [--autoscroll]
//     Each trial makes a new stream of that run (2 + --preload opening chunks), opens the page, waits until it is ready, then a
//     second process appends --count chunks at --rate/s with markers L000000.. ; a MutationObserver sees them in the DOM.
//     Chunk k is "shown" when a marker >= k has been in the DOM (virtualised lists may never render k itself).
//     Prints median over trials of p50/p95/max latency (ms, from durable write to DOM), lagChunks (max behind), lostShown
//     (chunks written minus the page's own counter, by --counter-js, at the end), rendered (markers really seen in the DOM),
//     catchUpMs (from the last write until the last marker is shown; null = never within --wait-after).
//     --autoscroll keeps every scrollable box at its end (a user who follows the tail); without it, the page must follow itself.
//     --counter-js is evaluated in the page, so pages' own content security policies are switched off.
//     With --counter-js the latency until the counter includes chunk k is reported too (cntP50/cntP95, polled each 50 ms).
//     {stream} and {run} in --url and --click are replaced.
//   Server must be reading DATADIR. Results are appended to --out FILE (default results.jsonl).
import { createRequire } from 'node:module';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadSdk, openWorld, makeFramer, streamIdFor } from './sdk.mjs';
const require = createRequire(path.join(process.cwd(), 'x.js'));
const { chromium } = require('playwright-core');
const { positionals: [mode], values: a } = parseArgs({ allowPositionals: true, options: {
  name: { type: 'string' }, url: { type: 'string' }, 'ready-css': { type: 'string', default: 'body' }, 'ready-text': { type: 'string', default: '' },
  click: { type: 'string', multiple: true, default: [] }, n: { type: 'string', default: '7' }, timeout: { type: 'string', default: '120000' },
  settle: { type: 'string', default: '800' }, pid: { type: 'string' }, shot: { type: 'string' }, out: { type: 'string', default: 'results.jsonl' },
  sdk: { type: 'string' }, dir: { type: 'string' }, run: { type: 'string' }, rate: { type: 'string', default: '20' }, count: { type: 'string', default: '50' },
  trials: { type: 'string', default: '5' }, preload: { type: 'string', default: '0' }, 'wait-after': { type: 'string', default: '8000' },
  'counter-js': { type: 'string' }, autoscroll: { type: 'boolean' }, warm: { type: 'string', default: '0' } } });
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
const med = (v) => { const s = v.filter((x) => x != null).sort((x, y) => x - y); return s.length ? s[Math.floor((s.length - 1) / 2)] : null; };
const pct = (v, p) => { const s = [...v].sort((x, y) => x - y); return s.length ? s[Math.max(0, Math.min(s.length - 1, Math.ceil(p * s.length) - 1))] : null; };
const rnd = (x) => x == null ? null : Math.round(x * 10) / 10;
const stat = (v) => { const s = v.filter((x) => x != null); return s.length ? { med: rnd(med(s)), min: rnd(Math.min(...s)), max: rnd(Math.max(...s)), n: s.length } : null; };
function rssMB(pid) { // process tree
  if (!pid) return null; let kb = 0; const q = [String(pid)];
  while (q.length) { const p = q.pop(); try { kb += +/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${p}/status`, 'utf8'))[1];
    for (const t of fs.readdirSync(`/proc/${p}/task`)) q.push(...fs.readFileSync(`/proc/${p}/task/${t}/children`, 'utf8').trim().split(' ').filter(Boolean)); } catch {} }
  return kb / 1024;
}
function emit(o) { const line = JSON.stringify({ at: new Date().toISOString(), load: fs.readFileSync('/proc/loadavg', 'utf8').split(' ')[0], ...o }); console.log(line); fs.appendFileSync(a.out, line + '\n'); }
const readyScript = ({ css, re }) => { // runs in the page before anything else
  const rx = re ? new RegExp(re) : null; window.__ready = null;
  const tick = () => { if (window.__ready == null) { let ok = false; try { for (const e of document.querySelectorAll(css)) { if (!rx || rx.test(e.textContent)) { ok = true; break; } } } catch {}
    if (ok) window.__ready = performance.now(); else requestAnimationFrame(tick); } };
  requestAnimationFrame(tick);
};
async function openPage(b, url, sub = (x) => x) {
  const ctx = await b.newContext({ bypassCSP: true, viewport: { width: 1400, height: 900 } });
  const page = await ctx.newPage(); const cdp = await ctx.newCDPSession(page);
  await cdp.send('Network.enable'); await cdp.send('Performance.enable');
  const net = { js: 0, total: 0, api: 0, reqs: 0 }; const type = new Map();
  let jsDec = 0;
  cdp.on('Network.responseReceived', (e) => type.set(e.requestId, e.type));
  cdp.on('Network.dataReceived', (e) => { if (type.get(e.requestId) === 'Script') jsDec += e.dataLength; });
  cdp.on('Network.loadingFinished', (e) => { net.reqs++; net.total += e.encodedDataLength; const t = type.get(e.requestId); if (t === 'Script') net.js += e.encodedDataLength; if (t === 'Fetch' || t === 'XHR') net.api += e.encodedDataLength; });
  await page.addInitScript(readyScript, { css: a['ready-css'], re: a['ready-text'] });
  await page.goto(url, { waitUntil: 'commit', timeout: +a.timeout });
  for (const c of a.click) await page.locator(sub(c)).first().click({ timeout: +a.timeout });
  return { ctx, page, cdp, net, jsDec: () => jsDec };
}
async function pageMode() {
  const R = []; let timeouts = 0; const b = await launch();
  for (let i = 0; i < +a.n; i++) {
    const o = await openPage(b, a.url);
    try {
      await o.page.waitForFunction(() => window.__ready != null, null, { timeout: +a.timeout, polling: 50 });
      const ready = await o.page.evaluate(() => window.__ready);
      await o.page.waitForTimeout(+a.settle);
      await o.cdp.send('HeapProfiler.collectGarbage');
      const m = Object.fromEntries((await o.cdp.send('Performance.getMetrics')).metrics.map((x) => [x.name, x.value]));
      const dom = await o.page.evaluate(() => document.getElementsByTagName('*').length);
      if (a.shot && i === 0) await o.page.screenshot({ path: a.shot });
      R.push({ ready, dom, heap: m.JSHeapUsedSize / 1048576, js: o.net.js / 1024, jsd: o.jsDec() / 1024, total: o.net.total / 1024, api: o.net.api / 1024, reqs: o.net.reqs, rss: rssMB(a.pid) });
    } catch (e) { timeouts++; if (a.shot && i === 0) await o.page.screenshot({ path: a.shot }).catch(() => {}); console.error(String(e.message).split('\n')[0]); }
    await o.ctx.close();
  }
  await b.close();
  const s = (k) => stat(R.map((r) => r[k]));
  emit({ mode, name: a.name, url: a.url, readyMs: s('ready'), jsKB: s('js'), jsKBdecoded: s('jsd'), totalKB: s('total'), apiKB: s('api'), requests: s('reqs'), domNodes: s('dom'), heapMB: s('heap'), serverRssMB: s('rss'), timeouts });
}
async function liveMode() {
  const sdk = await loadSdk(a.sdk); const W = openWorld(sdk, a.dir); const frame = makeFramer(sdk);
  const T = []; const b = await launch();
  for (let tr = 0; tr < +a.trials; tr++) {
    const stream = streamIdFor(a.run, `t${Date.now().toString(36)}`);
    const pre = [{ type: 'start', messageId: 'm' }, { type: 'text-start', id: 'txt_1' }];
    for (let i = 0; i < +a.preload; i++) pre.push({ type: 'text-delta', id: 'txt_1', delta: `pre${i} ` });
    const fr = []; for (const o of pre) fr.push(await frame(o));
    for (let i = 0; i < fr.length; i += 100) await W.writeMulti(a.run, stream, fr.slice(i, i + 100));
    const sub = (x) => x.replaceAll('{run}', a.run).replaceAll('{stream}', stream); const o = await openPage(b, sub(a.url), sub);
    await o.page.waitForFunction(() => window.__ready != null, null, { timeout: +a.timeout, polling: 50 });
    await o.page.evaluate(() => { window.__seen = new Set(); window.__mx = -1; window.__tl = [];
      const scan = (txt) => { if (!txt || txt.indexOf('L') < 0) return; for (const m of txt.matchAll(/L(\d{6})/g)) { const k = +m[1]; window.__seen.add(k); if (k > window.__mx) { window.__mx = k; window.__tl.push([k, Date.now()]); } } };
      new MutationObserver((rs) => { for (const r of rs) { if (r.type === 'characterData') scan(r.target.data); else for (const n of r.addedNodes) scan(n.textContent); } }).observe(document.documentElement, { childList: true, subtree: true, characterData: true }); });
    await o.page.evaluate(([js, auto]) => { window.__cl = []; let last = -1;
      if (js) setInterval(() => { let v = null; try { v = +eval(js); } catch {} if (v > last) { last = v; window.__cl.push([v, Date.now()]); } }, 50);
      if (auto) setInterval(() => { for (const e of document.querySelectorAll('*')) if (e.scrollHeight > e.clientHeight + 4 && /auto|scroll/.test(getComputedStyle(e).overflowY)) e.scrollTop = e.scrollHeight; }, 100); }, [a['counter-js'] ?? null, !!a.autoscroll]);
    const child = spawn(process.execPath, [path.resolve(path.dirname(new URL(import.meta.url).pathname), 'append.mjs'), '--sdk', a.sdk, '--dir', a.dir, '--run', a.run, '--stream', stream, '--rate', a.rate, '--count', a.count, '--start-delay', String(1000 + Math.floor(Math.random() * 3000))], { stdio: ['ignore', 'pipe', 'inherit'] });
    let outp = ''; child.stdout.on('data', (d) => (outp += d)); await new Promise((r) => child.on('close', r));
    const log = JSON.parse(outp); const lastW = log.at(-1)[2]; const lastK = log.at(-1)[0];
    const t1 = Date.now();
    while (Date.now() - t1 < +a['wait-after']) { if ((await o.page.evaluate(() => window.__mx)) >= lastK) break; await o.page.waitForTimeout(100); }
    await o.page.waitForTimeout(Math.min(500, +a['wait-after']));
    const { tl, seen, cl } = await o.page.evaluate(() => ({ tl: window.__tl, seen: window.__seen.size, cl: window.__cl }));
    const lat = []; let never = 0; let j = 0;
    for (const [k, , w] of log) { while (j < tl.length && tl[j][0] < k) j++; if (j < tl.length) lat.push(tl[j][1] - w); else never++; }
    // how many chunks behind, sampled at every durable write
    let lag = 0, shown = -1, x = 0; for (const [k, , w] of log) { while (x < tl.length && tl[x][1] <= w) shown = tl[x++][0]; lag = Math.max(lag, k - shown); }
    const counter = a['counter-js'] && cl.length ? cl.at(-1)[0] : null; const clat = []; { let y = 0; for (const [k, , w] of log) { while (y < cl.length && cl[y][0] - pre.length - 1 < k) y++; if (y < cl.length) clat.push(cl[y][1] - w); } }
    if (a.shot && tr === 0) await o.page.screenshot({ path: a.shot });
    const secs = (log.at(-1)[2] - log[0][1]) / 1000;
    const r = { p50: pct(lat, 0.5), p95: pct(lat, 0.95), max: pct(lat, 1), min: pct(lat, 0), lag, never, cntP50: clat.length ? pct(clat, 0.5) : null, cntP95: clat.length ? pct(clat, 0.95) : null, rendered: seen, written: log.length, counterShown: counter, lost: counter == null ? null : pre.length + log.length - counter, catchUp: tl.length && tl.at(-1)[0] >= lastK ? tl.at(-1)[1] - lastW : null, rate: log.length / secs, rss: rssMB(a.pid) };
    console.error(JSON.stringify(r)); if (tr >= +a.warm) T.push(r);
    await o.ctx.close();
  }
  await b.close();
  const s = (k) => stat(T.map((r) => r[k]));
  emit({ mode, name: a.name, rate: +a.rate, count: +a.count, preload: +a.preload, achievedRate: s('rate'), p50ms: s('p50'), p95ms: s('p95'), cntP50ms: s('cntP50'), cntP95ms: s('cntP95'), minMs: s('min'), maxMs: s('max'), lagChunks: s('lag'), neverShown: s('never'), rendered: s('rendered'), lostShown: s('lost'), catchUpMs: s('catchUp'), catchUpFailed: T.filter((r) => r.catchUp == null).length, serverRssMB: s('rss') });
  process.exit(0);
}
await (mode === 'live' ? liveMode() : pageMode());
