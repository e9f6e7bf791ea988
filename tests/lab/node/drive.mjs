// usage: node drive.mjs scenario,scenario...
//
// Runs the scenarios one after the other in the world of WORKFLOW_LOCAL_DATA_DIR and prints a JSON line
// when one starts ({event, scenario, runId}) and when it has ended ({event, scenario, runId, status}).
import fs from 'node:fs';
import { listen } from './server.mjs';

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const words = (count) => Array.from({ length: count }, (_, n) => `word${n} `);
const SCENARIOS = {
  a_clean: ['clean', [['Hel', 'lo', ', ', 'wor', 'ld', '!'], 5]],
  b_reacquire: ['reacquire', [['nov', 'o', ' e', '2', 'e', ' ok']]],
  c_eagerClose: ['eagerClose', [['eager ', 'close ', 'text']]],
  slow: ['clean', [words(number('LAB_SLOW_COUNT', 40)), number('LAB_SLOW_PAUSE', 50)]],
  many: ['many', [number('LAB_MANY', 300)]],
};
const TIMEOUT_MS = number('LAB_TIMEOUT', 120_000);
// 4.x completes a step before its last writes are stored: leave them time before the process ends.
const TAIL_MS = number('LAB_TAIL', 500);

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

process.on('unhandledRejection', (error) => console.error('unhandled rejection', error));
const server = await listen();
const { start, getRun } = await import('workflow/api');
const manifest = JSON.parse(fs.readFileSync('.well-known/workflow/v1/manifest.json', 'utf8'));
const ids = {};
for (const [file, workflows] of Object.entries(manifest.workflows)) {
  if (!file.includes('scenarios')) continue;
  for (const [name, { workflowId }] of Object.entries(workflows)) ids[name] = workflowId;
}

async function ended(runId) {
  const until = Date.now() + TIMEOUT_MS;
  while (Date.now() < until) {
    const status = await (await getRun(runId)).status;
    if (['completed', 'failed', 'cancelled'].includes(status)) return status;
    await pause(50);
  }
  return 'timeout';
}

for (const scenario of process.argv[2].split(',')) {
  const [workflow, args] = SCENARIOS[scenario];
  const { runId } = await start({ workflowId: ids[workflow] }, args);
  say({ event: 'started', scenario, runId });
  say({ event: 'ended', scenario, runId, status: await ended(runId) });
}
await pause(TAIL_MS);
server.close();
process.exit(0);
