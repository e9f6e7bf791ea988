"use strict";
// usage: node app.cjs SCENARIO: one small app for each thing that the probe is to report.
const { load, pause, print } = require("./load.cjs");
const { step, getWritable, storage, RUN, STREAM } = require("./mini_sdk.cjs");

const world = load();
const slow = "slow_user";
const started = (id, step) => world.events.create(RUN, { eventType: "step_started", correlationId: id, step });
const swallow = (promise) => promise.catch(() => {});

/** A new writable for every chunk, as in the bug report. */
const race = (id, stream, options) =>
  step(
    id,
    async () => {
      const ops = ["a", "b", "c"].map((text) => {
        const writable = getWritable(world, stream);
        const writer = writable.getWriter();
        writer.write(text);
        writer.releaseLock();
        return pause(5).then(() => writable);
      });
      await Promise.all(ops);
      await pause(100);
    },
    options,
  );

const tidy = (id, stream, options) =>
  step(id, async () => {
    const writable = getWritable(world, stream, options);
    const writer = writable.getWriter();
    for (const text of ["a", "b", "c"]) writer.write(text);
    await writer.close();
    await writable.flushed;
  });

/** Acquired before the step runs, as the SDK revives a writable among a step's arguments. */
async function argument(options) {
  const writable = getWritable(world, "strm_argument", options);
  await step("takesIt", async () => {
    const writer = writable.getWriter();
    for (const text of ["a", "b"]) await writer.write(text);
  });
  await pause(20);
}

async function rejected(options) {
  await step("losesIt", async () => {
    const writer = getWritable(world, "reject_user", options).getWriter();
    for (const text of ["a", "b", "c"]) swallow(writer.write(text));
    swallow(writer.closed);
    await pause(40);
    swallow(writer.write("d"));
  });
  await pause(300);
}

/** A rejection that the app never handles. */
function forgotten() {
  world.writeToStream("reject", RUN, "x");
  setTimeout(() => print("still here"), 500);
}

async function sessions() {
  await step("talks", async () => {
    const session = world.streams.createWriteSession(RUN, STREAM, { writerId: "wrtr_1" });
    await session.write(0, ["a", "b"]);
    await session.close();
  });
}

const stdinEnds = () => new Promise((done) => process.stdin.on("end", done).resume());

/** Writes for as long as its standard input is open, one each 10 ms. */
async function steady() {
  let open = true;
  let n = 0;
  stdinEnds().then(() => (open = false));
  for (; open; n++) {
    await world.writeToStream("steady", RUN, `chunk ${n}`);
    await pause(10);
  }
  print({ written: n });
}

/** More writes than are kept, then waits for the end of its standard input. */
async function flood() {
  const count = Number(process.env.COUNT);
  for (let n = 0; n < count; n++) {
    world.writeToStream("value", RUN, `chunk ${n}`);
    if (n % 500 === 0) await pause(1);
  }
  print({ written: count });
  await stdinEnds();
}

const scenarios = {
  race: () => race("emitStream", slow),
  race_twice: () => race("emitStream", slow).then(() => race("emitStream", slow)),
  race_two: () => race("emitStream", slow).then(() => race("other", slow)),
  attempts: () => {
    const again = step("once", () => world.writeToStream(slow, RUN, "x"), { attempt: 2 });
    return Promise.all([tidy("once", slow), again]);
  },
  parallel: () => Promise.all([tidy("one", slow), tidy("two", slow)]),
  tidy: () => tidy("emitStream", slow),
  front: () => tidy("emitStream", slow, { front: true }),
  argument,
  argument_front: () => argument({ front: true }),
  rejected,
  rejected_front: () => rejected({ front: true }),
  inferred: async () => {
    const [ofRun, value] = [`strm_${"1".repeat(26)}_user`, `strm_${"2".repeat(26)}`];
    await started("step_1", { stepName: "step//x//only", attempt: 2 });
    await world.writeToStream(ofRun, RUN, "alone");
    await world.writeToStream(value, RUN, "returned by the only step");
    await started("step_2", { attempt: 1 });
    await world.writeToStream(ofRun, RUN, "two of them");
    await world.events.create(RUN, { eventType: "step_completed", correlationId: "step_1" });
    await world.writeToStream(ofRun, RUN, "alone again");
    await world.writeToStream(value, RUN, "while another step runs");
  },
  piped: () =>
    step("pipes", async () => {
      const writable = getWritable(world);
      const source = new ReadableStream({
        start(controller) {
          for (const text of ["a", "b"]) controller.enqueue(text);
          controller.close();
        },
      });
      await source.pipeTo(writable);
      await writable.flushed;
    }),
  bytes: () => {
    const chunks = [new TextEncoder().encode("héllo"), "héllo", Buffer.alloc(70_000)];
    return world.writeToStreamMulti("multi", RUN, chunks);
  },
  odd: () => swallow(Promise.resolve(world.writeToStream("plain", RUN, undefined))),
  sessions,
  forgotten,
  handled: () => swallow(world.writeToStream("reject", RUN, "x")),
  other_rejection: async () => {
    await world.writeToStream("plain", RUN, "x");
    void Promise.reject(new Error("something else"));
  },
  wrapped_rejection: () =>
    void world.writeToStream("reject", RUN, "x").catch((error) => {
      throw new Error("the step failed", { cause: error });
    }),
  warning: async () => {
    process.emitWarning("Stream close failed: HTTP 409");
    process.emitWarning("Stream lover");
    await pause(10);
  },
  log: () => {
    const fields = { workflowRunId: RUN, stepId: "step_9", error: "Stream write failed: HTTP 409" };
    console.warn("[Workflow] Background flush of step stream ops failed", fields);
    console.error(`[workflow-sdk] Background flush of step stream ops failed\n  run    ${RUN}\n  error  boom`);
    console.warn("Background flush of step stream ops failed", "says the app");
    console.warn("[Workflow] all is well");
  },
  natural: () => world.writeToStream("plain", RUN, "x"),
  exit: async () => {
    await world.writeToStream("plain", RUN, "x");
    void world.writeToStream(slow, RUN, "y");
    process.exit(7);
  },
  exit_unsent: () =>
    step("leaves", async () => {
      const writer = getWritable(world, slow).getWriter();
      for (const text of ["a", "b", "c"]) swallow(writer.write(text));
      await pause(10);
      process.exit(0);
    }),
  uncaught: async () => {
    await world.writeToStream("plain", RUN, "x");
    setTimeout(() => {
      throw new Error("a bug of the app");
    });
  },
  twice: async () => {
    delete require.cache[require.resolve(require("./load.cjs").probe)];
    const second = load();
    await world.writeToStream("one", RUN, "x");
    await second.writeToStream("two", RUN, "y");
    print(second === world);
  },
  worker: () => {
    const { Worker, isMainThread } = require("node:worker_threads");
    if (isMainThread) new Worker(__filename, { argv: ["natural"] });
    return world.writeToStream("plain", RUN, "x");
  },
  watched: async () => {
    const http = require("node:http");
    let asked = 0;
    for (const name of ["request", "get"]) {
      const original = http[name];
      http[name] = (...args) => (asked++, original(...args));
    }
    globalThis.fetch = () => asked++;
    await step("quiet", () => world.writeToStream("plain", RUN, "x"));
    await pause(300);
    const listeners = process.eventNames().filter((name) => process.listenerCount(name) > 0);
    print({ asked, listeners: listeners.map(String), context: storage.getStore() ?? null });
  },
  steady,
  flood,
};

Promise.resolve(scenarios[process.argv[2]]()).then(() => print("done"));
