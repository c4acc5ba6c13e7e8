// The live demo: a shipped student watches a clip, a video of the reader's, or the camera, in the reader's own browser.
// Nothing is loaded before its button is pressed, and nothing leaves the machine.

import { RATE, gather, reduce } from "./demo-frames.mjs";

const LIVE = 3 * RATE; // frames of a video or of the camera that are seen at once: three seconds
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
let playing = null; // what is shown now; its `frames` grow as it plays
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
  if (!answer?.ok)
    throw new Error(
      "This copy of the book was built without the demo. It is part of books that are built where npm is installed: " +
        "install npm and run make book again.",
    );
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
    play();
  } catch (error) {
    say(error.message);
    button.disabled = false;
  }
}

const student = () => about.students.find(({ dataset }) => dataset === part("student").value);

async function choose() {
  stop();
  say("Loading the student …");
  await ask({ student: student().dataset, base });
  part("bars").replaceChildren(
    ...student().classes.map((name) => {
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

/** Begin something new. `end` is called when it is stopped. */
function show(title, { limit = Infinity } = {}) {
  stop();
  playing = { frames: [], limit, title, whole: false, changed: false, busy: false };
  root.dataset.state = "playing";
  part("play").textContent = "Stop";
  say(title);
  return playing;
}

function add(to, frame) {
  to.frames.push(frame);
  if (to.frames.length > to.limit) to.frames.shift();
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
      const given = await ask(gather(what.frames, student().size));
      if (what === playing) answer(given);
    }
  } catch (error) {
    say(error.message);
  }
  what.busy = false;
  if (what === playing && what.whole && !what.changed) {
    stop();
    root.dataset.state = "ended";
  }
}

function finish(what) {
  what.whole = true;
  what.changed = true;
  think(what);
}

function answer({ probabilities, attention, frames, milliseconds }) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  const label = student().classes[best];
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
  restored(frames, attention);
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
  paint(part("low"), ...student().size, frame);
}

/** The newest of the frames that the student saw, with the attention of the newest part of the clip over it. */
function restored(frames, attention) {
  const [rows, columns] = student().size.map((side) => 4 * side);
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
  const { name, start, frames } = about.clips[part("clip").value];
  const size = about.size[0] * about.size[1];
  const what = show(`${name}, held out`);
  const timer = setInterval(() => {
    const at = start + what.frames.length * size;
    add(what, clips.subarray(at, at + size));
    if (what.frames.length < frames) return;
    clearInterval(timer);
    finish(what);
  }, 1000 / RATE);
  what.end = () => clearInterval(timer);
}

/** A playing video element: at most 25 of its frames a second. */
function watch(video, what) {
  let last = -1;
  const look = () => {
    if (what !== playing) return;
    const time = video.currentTime;
    if (time >= last + 1 / RATE - 0.005 || time < last) {
      last = time;
      add(what, reduce(video, video.videoWidth, video.videoHeight, student().size));
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

async function playFile() {
  const [file] = part("file").files;
  if (!file) return;
  const what = show(`${file.name}, the last three seconds`, { limit: LIVE });
  const video = newVideo(what);
  video.src = URL.createObjectURL(file);
  video.onended = () => finish(what);
  try {
    await video.play();
    watch(video, what);
  } catch {
    if (what !== playing) return;
    stop();
    say(`${file.name}: this browser cannot play it as a video.`);
  }
}

async function playCamera() {
  if (!navigator.mediaDevices) {
    say("No camera here: browsers open it for pages from https or localhost only.");
    return;
  }
  const what = show("The camera, the last three seconds", { limit: LIVE });
  const video = newVideo(what);
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
    if (what !== playing) return what.end(); // the reader was asked, and had gone on to something else
    await video.play();
    watch(video, what);
  } catch (error) {
    if (what !== playing) return;
    stop();
    say(`The camera could not be opened: ${error.message}.`);
  }
}

function play() {
  part("file").value = "";
  playClip();
}

if (root) {
  part("serve").hidden = true;
  part("load").hidden = false;
  part("load").addEventListener("click", begin);
  part("play").addEventListener("click", () => (playing ? stop() : play()));
  part("clip").addEventListener("change", play);
  part("file").addEventListener("change", playFile);
  part("camera").addEventListener("click", playCamera);
  part("student").addEventListener("change", () =>
    choose()
      .then(play)
      .catch((error) => say(error.message)),
  );
}
