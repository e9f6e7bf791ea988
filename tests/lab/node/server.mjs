// The smallest host for what `workflow build` makes: the SDK queues its work as HTTP requests to itself.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const built = path.resolve('.well-known/workflow/v1');
const route = /^\/\.well-known\/workflow\/v1\/(flow|step|webhook)/;

// 4.x builds CommonJS under a .js name; app.py has laid a .cjs copy beside it, which goes first.
async function handlerOf(name) {
  for (const extension of ['cjs', 'mjs', 'js']) {
    const file = path.join(built, `${name}.${extension}`);
    if (fs.existsSync(file)) return import(pathToFileURL(file).href);
  }
  return null;
}

async function asRequest(message) {
  const body = [];
  for await (const piece of message) body.push(piece);
  return new Request(`http://${message.headers.host}${message.url}`, {
    method: message.method,
    headers: Object.entries(message.headers).map(([key, value]) => [key, String(value)]),
    body: ['GET', 'HEAD'].includes(message.method) ? undefined : Buffer.concat(body),
  });
}

/** Listens on 127.0.0.1, on a free port unless PORT says which, and tells the SDK where. */
export async function listen() {
  const handlers = {};
  const server = http.createServer(async (message, answer) => {
    try {
      const handler = handlers[route.exec(message.url)?.[1]];
      if (!handler) return answer.writeHead(404).end();
      const response = await (handler[message.method] ?? handler.POST)(await asRequest(message));
      answer.writeHead(response.status, Object.fromEntries(response.headers));
      answer.end(Buffer.from(await response.arrayBuffer()));
    } catch (error) {
      console.error('route', message.url, error);
      answer.writeHead(500).end(String(error));
    }
  });
  await new Promise((done) => server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', done));
  process.env.PORT = String(server.address().port);
  process.env.WORKFLOW_LOCAL_BASE_URL = `http://127.0.0.1:${process.env.PORT}`;
  // Only now: the built handlers read the address while they load.
  for (const name of ['flow', 'step', 'webhook']) handlers[name] = await handlerOf(name);
  return server;
}
