// Runs a student away from the page's own thread, so that pictures keep moving while it thinks.

let runtime = null;
let session = null;
let turn = Promise.resolve(); // one thing after the other: a question is answered by the student that was loaded last

async function load(base, student) {
  if (!runtime) {
    runtime = await import(`${base}ort.wasm.bundle.min.mjs`);
    runtime.env.wasm.numThreads = 1; // more of them would need headers that a plain server does not send
    runtime.env.wasm.wasmPaths = { wasm: `${base}ort-wasm-simd-threaded.wasm` };
  }
  const answer = await fetch(`${base}${student}.onnx`);
  if (!answer.ok) throw new Error(`${student}.onnx: ${answer.status}`);
  const loaded = await runtime.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()));
  await session?.release();
  session = loaded;
}

async function run(low, shape) {
  const start = performance.now();
  const given = await session.run({ low: new runtime.Tensor("float32", low, shape) });
  return {
    probabilities: given.probabilities.data,
    attention: given.attention.data,
    frames: given.frames.data,
    milliseconds: performance.now() - start,
  };
}

async function reply(data) {
  try {
    if (data.student) {
      await load(data.base, data.student);
      postMessage({ id: data.id });
    } else {
      postMessage({ id: data.id, ...(await run(data.low, data.shape)) });
    }
  } catch (error) {
    postMessage({ id: data.id, error: String(error.message ?? error) });
  }
}

onmessage = ({ data }) => {
  turn = turn.then(() => reply(data));
};
