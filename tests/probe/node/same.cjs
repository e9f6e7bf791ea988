"use strict";
// Uses a world in every way that an app could, and prints what came of it: the same with and without the probe.
const { load, print } = require("./load.cjs");
const { seen, FlatWorld } = require("./worlds.cjs");

const world = load();
const said = {};
const note = (what, value) => (said[what] = value);
const outcome = async (make) => {
  try {
    const value = make();
    const promise = value instanceof Promise;
    try {
      return { promise, answer: seen.answers.indexOf(await value) };
    } catch (error) {
      return { promise, rejected: seen.errors.indexOf(error) };
    }
  } catch (error) {
    return { threw: seen.errors.indexOf(error), name: error.name };
  }
};

function look() {
  note("keys", Object.keys(world));
  note("own names", Object.getOwnPropertyNames(world));
  note("spread", Object.keys({ ...world }));
  note("in", ["events" in world, "streams" in world, "nothing" in world]);
  note("class", [world instanceof FlatWorld, Object.getPrototypeOf(world) === FlatWorld.prototype]);
  note("types", Object.fromEntries(Object.keys(world).map((key) => [key, typeof world[key]])));
  note("streams", world.streams && Object.keys(world.streams));
  note("session", typeof world.streams?.createWriteSession);
  note("stable", [world.events?.create === world.events?.create, world.writeToStream === world.writeToStream]);
  note("arity", [world.writeToStream?.length, world.writeToStream?.name]);
}

async function write() {
  const run = Promise.resolve("wrun_1");
  const chunk = new Uint8Array([1, 2, 3]);
  const calls = world.streams
    ? {
        write: (name) => world.streams.write(run, name, chunk),
        writeMulti: (name) => world.streams.writeMulti(run, name, [chunk, "text"]),
        close: (name) => world.streams.close(run, name),
      }
    : {
        write: (name) => world.writeToStream(name, run, chunk),
        close: (name) => world.closeStream(name, run),
      };
  for (const [what, call] of Object.entries(calls)) {
    for (const name of ["plain", "slow", "value", "reject", "throw"]) {
      note(`${what} ${name}`, await outcome(() => call(name)));
    }
  }
  const passed = seen.calls.flatMap(({ args }) => args);
  note("same run", passed.filter((value) => value === run).length);
  note("same chunk", passed.filter((value) => value === chunk).length);
  await order(calls.write);
}

async function order(call) {
  const came = [];
  const all = ["slow", "plain", "reject", "plain"].map((name, at) =>
    call(name).then(
      () => came.push(at),
      () => came.push(-at),
    ),
  );
  await Promise.all(all);
  note("order", came);
}

async function session() {
  if (!world.streams?.createWriteSession) return;
  const made = world.streams.createWriteSession("wrun_1", "plain", { writerId: "wrtr_1" });
  note("session keys", Object.keys(made));
  note("session write", await outcome(() => made.write(0, ["a"])));
  note("session close", await outcome(() => made.close()));
  note("session dispose", made.dispose());
}

async function own() {
  if (!(world instanceof FlatWorld)) return;
  note("count", [world.count(), world.written]);
  world.written = 40;
  note("set", [world.count(), world.written, await world.events.create("wrun_1", {})]);
  world.own = "changed";
  note("own", [world.own, delete world.own, "own" in world]);
}

async function frozen() {
  let changed = "yes";
  try {
    world.closeStream = null;
  } catch (error) {
    changed = error.name;
  }
  if (process.env.FAKE_WORLD === "frozen") note("changed", changed);
}

look();
write()
  .then(session)
  .then(own)
  .then(frozen)
  .then(() => print(said));
