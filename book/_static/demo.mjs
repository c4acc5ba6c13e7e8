// The live demo: a shipped student watches a clip, a video of the reader's, or the camera, in the reader's own browser.
// Nothing is loaded before its button is pressed, and nothing leaves the machine.

import { RATE, gather, reduce } from "./demo-frames.mjs";

const LIVE = 3; // seconds of a video or of the camera that are seen at once
const VEIL = 0.5; // how much of the frame attention's colour hides
const COLD = [0, 32, 77];
const WARM = [255, 234, 70];

const root = document.getElementById("demo");
const base = new URL("demo/", document.baseURI).href;
const part = (name) => root.querySelector(`[data-part="${name}"]`);

let about = null; // what the book's build says of students and clips
let clips = null; // their LR bytes
let worker = null;
let waiting = new Map(); // questions to the worker that have no answer yet
let student = null; // the one that the worker has loaded
let playing = null; // what is shown now; its `frames` grow as it plays
let again = playClip; // plays what was played last
let answered = null; // what the last answer was to, and its attention
let times = []; // milliseconds of the last answers

function ask(question) {
  return new Promise((resolve, reject) => {
    const id = Math.random();
    waiting.set(id, { resolve, reject });
    worker.postMessage({ ...question, id });
  });
}

function say(text) {
  part("message").textContent = text;
}

async function get(name) {
  const answer = await fetch(base + name).catch(() => null);
  if (answer?.status === 404)
    throw new Error(
      "This copy of the book was built without the demo. It is part of books that are built where npm is installed: " +
        "install npm and run make book again.",
    );
  if (!answer?.ok) throw new Error(`${name} could not be loaded: ${answer?.status ?? "no answer"}. Try again.`);
  return answer;
}

async function begin() {
  const button = part("load");
  button.disabled = true;
  say("Loading …");
  try {
    about = await (await get("demo.json")).json();
    clips = new Uint8Array(await (await get("clips.u8")).arrayBuffer());
    worker = new Worker(new URL("demo-worker.mjs", import.meta.url), { type: "module" });
    worker.onerror = () => {
      for (const { reject } of waiting.values()) reject(new Error("The student could not be started. Load the page again."));
      waiting.clear();
    };
    worker.onmessage = ({ data }) => {
      const { resolve, reject } = waiting.get(data.id);
      waiting.delete(data.id);
      data.error ? reject(new Error(data.error)) : resolve(data);
    };
    part("student").replaceChildren(
      ...about.students.map(
        ({ dataset, correct, clips }) => new Option(`${dataset}: ${correct} of ${clips} held-out clips right`, dataset),
      ),
    );
    part("clip").replaceChildren(...about.clips.map(({ name }, number) => new Option(name, number)));
    await choose();
    button.hidden = true;
    part("stage").hidden = false;
    part("play").focus();
    again();
  } catch (error) {
    worker?.terminate();
    say(error.message);
    button.disabled = false;
  }
}

/** Load the chosen student. What was loaded before stays where that fails. */
async function choose() {
  stop();
  say("Loading the student …");
  const wanted = about.students.find(({ dataset }) => dataset === part("student").value);
  try {
    await ask({ student: wanted.dataset, base });
  } catch (error) {
    if (student) part("student").value = student.dataset;
    throw error;
  }
  student = wanted;
  part("bars").replaceChildren(
    ...student.classes.map((name) => {
      const line = document.createElement("li");
      line.innerHTML = "<span></span><i></i><b></b>";
      line.firstChild.textContent = name;
      return line;
    }),
  );
  times = [];
  say("");
}

function stop() {
  playing?.end?.();
  playing = null;
  root.dataset.state = "";
  part("play").textContent = "Play";
}

/** Begin something new, of which so many seconds count. `end` is called when it is stopped. */
function show(name, { seconds = Infinity, title = name } = {}) {
  stop();
  playing = { frames: [], times: [], seconds, name, taken: 0, whole: false, changed: false, busy: false };
  root.dataset.state = "playing";
  part("play").textContent = "Stop";
  answered = null;
  part("label").textContent = "";
  for (const line of part("bars").children) {
    line.classList.remove("best");
    line.style.removeProperty("--share");
    line.lastChild.textContent = "";
  }
  say(title);
  return playing;
}

/** Stop what cannot go on, and say why. */
function fail(what, why) {
  if (what !== playing) return;
  stop();
  say(why);
}

function add(to, frame, time) {
  to.frames.push(frame);
  to.times.push(time);
  while (time - to.times[0] > to.seconds - 1e-3) {
    to.frames.shift();
    to.times.shift();
  }
  root.dataset.frames = ++to.taken;
  to.changed = true;
  squares(frame);
  think(to);
}

/** Ask for an answer to the frames there are, and again while there are new ones. */
async function think(what) {
  if (what.busy) return;
  what.busy = true;
  try {
    while (what === playing && what.changed && what.frames.length > 1) {
      what.changed = false;
      const given = await ask(gather(what.frames, student.size));
      if (what === playing) answer(given);
    }
  } catch (error) {
    fail(what, error.message);
  }
  what.busy = false;
  if (what === playing && what.whole && !what.changed) {
    stop();
    root.dataset.state = "ended";
    say(`${what.name}: ${part("label").textContent}`);
  }
}

function finish(what) {
  if (what.frames.length < 2) return fail(what, `${what.name}: fewer than two pictures, and motion needs two.`);
  what.whole = true;
  what.changed = true;
  think(what);
}

function answer({ probabilities, attention, frames, milliseconds }) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const label = student.classes[best];
  if (part("label").textContent !== label) part("label").textContent = label;
  [...part("bars").children].forEach((line, number) => {
    line.classList.toggle("best", number === best);
    line.style.setProperty("--share", probabilities[number]);
    line.lastChild.textContent = probabilities[number].toFixed(2);
  });
  times = [...times, milliseconds].slice(-50);
  root.dataset.fastest = Math.min(...times);
  const median = [...times].sort((a, b) => a - b)[times.length >> 1];
  part("speed").textContent = `${Math.round(median)} ms an answer, ${(1000 / median).toFixed(1)} answers a second`;
  answered = { frames, attention };
  restored();
}

/** Bytes as grey pixels on a canvas of that size. */
function paint(canvas, rows, columns, grey) {
  canvas.width = columns;
  canvas.height = rows;
  const picture = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) picture.data.set([grey[i], grey[i], grey[i], 255], 4 * i);
  canvas.getContext("2d").putImageData(picture, 0, 0);
}

function squares(frame) {
  paint(part("low"), ...student.size, frame);
}

/** The newest of the frames that the student saw, with the attention of the newest part of the clip over it. */
function restored() {
  if (!answered) return;
  const { frames, attention } = answered;
  const [rows, columns] = student.size.map((side) => 4 * side);
  const newest = frames.subarray(frames.length - rows * columns);
  paint(part("high"), rows, columns, newest.map((value) => 255 * value));
  if (!part("attention").checked) return;
  const [mapRows, mapColumns] = about.map;
  const most = Math.max(...attention);
  const map = attention.subarray(attention.length - mapRows * mapColumns);
  const small = new OffscreenCanvas(mapColumns, mapRows);
  const picture = new ImageData(mapColumns, mapRows);
  map.forEach((value, i) => {
    const share = value / most;
    picture.data.set([...COLD.map((cold, c) => cold + share * (WARM[c] - cold)), 255], 4 * i);
  });
  small.getContext("2d").putImageData(picture, 0, 0);
  const drawing = part("high").getContext("2d");
  drawing.globalAlpha = VEIL;
  drawing.drawImage(small, 0, 0, columns, rows);
  drawing.globalAlpha = 1;
}

/** A held-out clip, frame by frame: the student sees it from its beginning to there. */
function playClip() {
  again = playClip;
  part("file").value = "";
  const { name, start, frames } = about.clips[part("clip").value];
  const size = about.size[0] * about.size[1];
  const what = show(`${name}, held out`);
  const timer = setInterval(() => {
    const at = start + what.taken * size;
    add(what, clips.subarray(at, at + size), what.taken / RATE);
    if (what.taken < frames) return;
    clearInterval(timer);
    finish(what);
  }, 1000 / RATE);
  what.end = () => clearInterval(timer);
}

/** The frames of a video element that begins to play, thinned to 25 a second as `lrar predict` thins them. */
function watch(video, what) {
  let due = null;
  let last = -Infinity;
  const look = (_, frame) => {
    if (what !== playing) return;
    const time = frame?.mediaTime ?? video.currentTime;
    if (video.videoWidth && time !== last) {
      if (due === null || time < last) due = time;
      last = time;
      if (time + 1e-3 >= due) {
        due = Math.max(due + 1 / RATE, time);
        add(what, reduce(video, video.videoWidth, video.videoHeight, student.size), time);
      }
    }
    next();
  };
  const next = () =>
    video.requestVideoFrameCallback ? video.requestVideoFrameCallback(look) : setTimeout(look, 1000 / RATE);
  next();
}

function newVideo(what) {
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  what.end = () => {
    video.pause();
    video.srcObject?.getTracks().forEach((track) => track.stop());
    if (video.src) URL.revokeObjectURL(video.src);
  };
  return video;
}

async function playFile(file) {
  again = () => playFile(file);
  const what = show(file.name, { seconds: LIVE, title: `${file.name}, the last three seconds` });
  const video = newVideo(what);
  video.src = URL.createObjectURL(file);
  video.onended = () => finish(what);
  video.onerror = () => fail(what, `${file.name}: this browser cannot play it as a video, or not to its end.`);
  watch(video, what);
  try {
    await video.play();
  } catch {
    fail(what, `${file.name}: this browser cannot play it as a video.`);
  }
}

async function playCamera() {
  if (!navigator.mediaDevices) {
    say("No camera here: browsers open it for pages from https or localhost only.");
    return;
  }
  again = playCamera;
  part("file").value = "";
  const what = show("The camera", { seconds: LIVE, title: "The camera, the last three seconds" });
  const video = newVideo(what);
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    if (what !== playing) return what.end(); // the reader was asked, and had gone on to something else
    video.srcObject.getVideoTracks()[0].onended = () => fail(what, "The camera was switched off or taken away.");
    watch(video, what);
    await video.play();
  } catch (error) {
    fail(what, `The camera could not be opened: ${error.message}.`);
  }
}

/** Load another student, and play the same to it, unless still another was chosen meanwhile. */
async function change() {
  try {
    await choose();
    if (student.dataset === part("student").value) again();
  } catch (error) {
    say(error.message);
  }
}

if (root) {
  part("serve").hidden = true;
  part("load").hidden = false;
  part("load").addEventListener("click", begin);
  part("play").addEventListener("click", () => (playing ? stop() : again()));
  part("clip").addEventListener("change", playClip);
  part("file").addEventListener("change", ({ target }) => target.files.length && playFile(target.files[0]));
  part("camera").addEventListener("click", playCamera);
  part("attention").addEventListener("change", restored);
  part("student").addEventListener("change", change);
}
