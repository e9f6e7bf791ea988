// usage: node drive.mjs scenario,scenario...      (b_reacquire#2 is b_reacquire once more)
//
// Runs the scenarios one after the other in the world that the environment names and prints a JSON line
// when one starts ({event, scenario, runId}) and when it has ended ({event, scenario, runId, status}).
// With LAB_RESULTS it also follows the run's streams, live and once more when all is over, and writes what it
// saw to that file: {scenario: {runId, status, returned, error, live, replay}}. LAB_REJECTIONS: a file for
// the promises that the app left rejected, one JSON line each.
import fs from 'node:fs';
import { plain, read } from './readers.mjs';
import { SCENARIOS } from './scenarios.mjs';
import { listen } from './server.mjs';

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const TIMEOUT_MS = number('LAB_TIMEOUT', 120_000);
// 4.x completes a step before its last writes are stored: leave them time before the process ends.
const TAIL_MS = number('LAB_TAIL', 500);
const IDLE_MS = number('LAB_IDLE', 1000);
const { LAB_RESULTS, LAB_REJECTIONS } = process.env;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

process.on('unhandledRejection', (error) => {
  console.error('unhandled rejection', error);
  const line = { t: Date.now(), name: error?.name ?? null, message: String(error?.message ?? error) };
  if (LAB_REJECTIONS) fs.appendFileSync(LAB_REJECTIONS, `${JSON.stringify(line)}\n`);
});
const server = await listen();
const api = await import('workflow/api');
// PostgreSQL's world takes work from a queue of its own, which an app has to start.
if (process.env.WORKFLOW_POSTGRES_URL) await (await (await import('workflow/runtime')).getWorld()).start();
const manifest = JSON.parse(fs.readFileSync('.well-known/workflow/v1/manifest.json', 'utf8'));
const ids = {};
for (const [file, workflows] of Object.entries(manifest.workflows)) {
  if (!file.includes('scenarios')) continue;
  for (const [name, { workflowId }] of Object.entries(workflows)) ids[name] = workflowId;
}

async function ended(runId) {
  const until = Date.now() + TIMEOUT_MS;
  while (Date.now() < until) {
    const status = await (await api.getRun(runId)).status;
    if (['completed', 'failed', 'cancelled'].includes(status)) return status;
    await pause(50);
  }
  return 'timeout';
}

async function outcome(run, status) {
  if (status !== 'completed' && status !== 'failed') return {};
  try {
    return { returned: plain(await run.returnValue) };
  } catch (error) {
    return { error: plain({ name: error?.name, message: error?.message, cause: error?.cause?.message }) };
  }
}

async function drive(scenario) {
  const { workflow, args, reads, act } = SCENARIOS[scenario.split('#')[0]];
  const tag = `${scenario}-${process.pid}`;
  const run = await api.start({ workflowId: ids[workflow] }, typeof args === 'function' ? args({ tag }) : args);
  const { runId } = run;
  say({ event: 'started', scenario, runId });
  let status = '';
  const follow = (over) => reads.map((stream) => read(api.getRun(runId), stream, { idle: IDLE_MS, over }));
  const live = LAB_RESULTS ? follow(() => status !== '') : [];
  const acted = act ? await act({ api, runId, tag }) : undefined;
  status = await ended(runId);
  say({ event: 'ended', scenario, runId, status });
  if (!LAB_RESULTS) return null;
  const seen = { runId, status, acted, ...(await outcome(run, status)), live: await Promise.all(live) };
  await pause(300);
  return { ...seen, replay: await Promise.all(follow(() => true)) };
}

const results = {};
for (const scenario of process.argv[2].split(',')) {
  results[scenario] = await drive(scenario);
  if (LAB_RESULTS) fs.writeFileSync(LAB_RESULTS, JSON.stringify(results, null, 1));
}
await pause(TAIL_MS);
server.close();
process.exit(0);
