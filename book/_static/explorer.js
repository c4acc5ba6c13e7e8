// The clip explorer: <lrar-explorer> shows a clip at each stage and what three networks answer as it goes on.
// With clip="data set/number" it is a strip: that one clip, all stages side by side.
// A clip lies in ../explorer/ as sprites and a script; scripts and pictures load from disk too, JSON would not.
(() => {
  const HERE = new URL("../explorer/", document.currentScript.src);
  const VIEWS = { hr: "HR", lr: "LR", bicubic: "bicubic", sr: "super-resolved", flow: "flow" };
  const TICK = 125; // ms a moment
  const REST = 8; // ticks at the end of a clip before it starts again
  const ENLARGED = 5; // canvas pixels to a pixel of HR
  const OPACITY = 65; // percent, of the attention
  const STRIP_CLASSES = 3;

  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in element) element[name] = value;
      else element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  }

  // Names of data sets may hold what means something in an address.
  const at = (path) => new URL(path.split("/").map(encodeURIComponent).join("/"), HERE).href;

  function load(name, path) {
    if (window.lrarClips?.[name]) return Promise.resolve(window.lrarClips[name]);
    return new Promise((resolve, reject) => {
      const script = make("script", { src: at(path) });
      script.onload = () => resolve(window.lrarClips[name]);
      script.onerror = () => reject(new Error(`${path} cannot be loaded`));
      document.head.append(script);
    });
  }

  async function loadClip(key) {
    const names = [...Object.keys(VIEWS), "attention_rgb", "attention_flow"];
    const pictures = names.map(async (name) => {
      const image = make("img", { src: at(`${key}/${name}.webp`) });
      await image.decode().catch(() => {
        throw new Error(`${key}/${name}.webp cannot be loaded`);
      });
      return [name, image];
    });
    const [clip, ...images] = await Promise.all([load(key, `${key}/clip.js`), ...pictures]);
    return { ...clip, images: Object.fromEntries(images) };
  }

  const best = (values) => values.indexOf(Math.max(...values));
  const judged = (answer, label) => `${answer} (${answer === label ? "right" : "wrong"})`;

  // Whether the networks agree, and who says what, in words.
  function agreement(answers, label, names) {
    const sayers = Map.groupBy(Object.keys(answers), (row) => answers[row]);
    const said = [...sayers].map(([answer, rows]) => `${rows.map((row) => names[row]).join(", ")}: ${judged(answer, label)}`);
    return sayers.size === 1 ? `They agree: ${judged(answers.full, label)}.` : `They disagree: ${said.join("; ")}.`;
  }

  // While the page is still being read, an element is there before what stands in it.
  const read = new Promise((resolve) => {
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", resolve);
    else resolve();
  });

  class Explorer extends HTMLElement {
    async connectedCallback() {
      if (this.table) return; // moved within the page
      this.moment = 0;
      this.fault = make("p", { role: "alert" });
      this.table = make("table", { className: "answers" });
      this.addEventListener("keydown", (event) => this.onKey(event));
      await read;
      try {
        const strip = this.getAttribute("clip");
        if (strip) await this.beginStrip(strip);
        else await this.beginExplorer();
      } catch (error) {
        this.append(this.fault);
        this.fault.textContent = `The clips cannot be shown: ${error.message}.`;
      }
    }

    // What stands in the element without this script is kept for print.
    fill(...parts) {
      const still = make("div", { className: "still" }, ...this.childNodes);
      this.replaceChildren(...parts, still);
    }

    disconnectedCallback() {
      clearInterval(this.timer);
    }

    async beginStrip(key) {
      this.clip = await loadClip(key);
      const { label, hr, lr } = this.clip;
      this.classList.add("strip");
      const tiles = { ...VIEWS, hr: `HR ${hr.join("x")}`, lr: `LR ${lr.join("x")}`, attention: "attention" };
      this.screens = Object.keys(tiles).map((view) => {
        const canvas = make("canvas", { role: "img", ariaLabel: `${label}: ${tiles[view]}` });
        return view === "attention" ? { canvas, view: "sr", attention: "rgb:0" } : { canvas, view, attention: "" };
      });
      const figures = this.screens.map(({ canvas }, i) =>
        make("figure", {}, canvas, make("figcaption", {}, Object.values(tiles)[i])),
      );
      const watch = [make("div", { className: "tiles" }, ...figures), this.makeTime()];
      this.fill(make("div", { className: "watch" }, ...watch), this.table);
      this.fillTable(this.likelyClasses());
      this.setPlaying(false);
      if (!window.matchMedia("(prefers-reduced-motion: reduce)").matches) this.playInSight();
    }

    async beginExplorer() {
      const clips = await load("clips", "clips.js");
      this.chooser = make("select", { onchange: () => this.change(this.chooser.value) });
      for (const [dataset, group] of Map.groupBy(clips, (clip) => clip.dataset)) {
        const options = group.map(({ key, label, answers }) => {
          const right = Object.values(answers).filter((answer) => answer === label).length;
          const agree = new Set(Object.values(answers)).size === 1 ? "agree" : "disagree";
          return make("option", { value: key }, `${label}: ${agree}, ${right} of 3 right`);
        });
        this.chooser.append(make("optgroup", { label: dataset }, ...options));
      }
      this.screens = [{ canvas: make("canvas"), view: "hr", attention: "" }];
      const look = (what) => {
        Object.assign(this.screens[0], what);
        this.show();
      };
      const radios = Object.entries(VIEWS).map(([view, name]) => {
        const radio = make("input", { type: "radio", name: "lrar-view", value: view, checked: view === "hr" });
        radio.onchange = () => look({ view });
        return make("label", {}, radio, name);
      });
      this.heads = make("select", { onchange: () => look({ attention: this.heads.value }) });
      this.opacity = make("input", { type: "range", max: 100, value: OPACITY, oninput: () => this.show() });
      this.scale = make("p", { className: "scale" });
      this.screen = make("button", { type: "button", className: "screen", onclick: () => this.setPlaying(!this.playing) });
      this.screen.append(this.screens[0].canvas);
      this.told = make("p", { className: "told" });
      const named = (name, control) => make("label", { className: "choice" }, name, control);
      const views = make("fieldset", { className: "views" }, make("legend", {}, "Frames"), ...radios);
      const attention = [named("Attention of the full system", this.heads), named("Opacity", this.opacity)];
      const settings = [views, make("div", { className: "attention" }, ...attention), this.scale, this.told, this.table];
      const stage = [
        make("div", { className: "watch" }, this.screen, this.makeTime()),
        make("div", { className: "settings" }, ...settings),
      ];
      const parts = [named("Clip", this.chooser), this.fault, make("div", { className: "stage" }, ...stage)];
      await this.choose(clips[0].key);
      this.fill(...parts);
    }

    makeTime() {
      this.button = make("button", { type: "button", className: "play", onclick: () => this.setPlaying(!this.playing) });
      this.range = make("input", { type: "range", min: 0, ariaLabel: "Moment of the clip" });
      this.range.oninput = () => {
        this.moment = Number(this.range.value);
        this.setPlaying(false);
      };
      this.clock = make("span", { className: "clock" });
      return make("div", { className: "time" }, this.button, this.range, this.clock);
    }

    // Show another clip; where it cannot be loaded, the one before stays, under its own name.
    async change(key) {
      this.fault.textContent = "";
      try {
        await this.choose(key);
      } catch (error) {
        if (this.wanted !== key) return;
        this.fault.textContent = `The clip cannot be shown: ${error.message}.`;
        this.chooser.value = this.clip.key;
      }
    }

    async choose(key) {
      this.wanted = key;
      const clip = await loadClip(key);
      if (this.wanted !== key) return; // another one was chosen meanwhile
      this.clip = clip;
      const names = Array.from({ length: clip.maps[0] }, (_, i) => (i ? `head ${i}` : "all heads"));
      const streams = Object.keys(clip.peaks).map((stream) => {
        const options = names.map((name, i) => make("option", { value: `${stream}:${i}` }, `${stream}, ${name}`));
        return make("optgroup", { label: `${stream} stream` }, ...options);
      });
      this.heads.replaceChildren(make("option", { value: "" }, "none"), ...streams);
      this.heads.value = this.screens[0].attention;
      this.fillTable(clip.classes.keys());
      this.moment = this.playing ? 0 : clip.seen.length - 1;
      this.setPlaying(Boolean(this.playing));
    }

    // The true class, and those that some network holds likely at some time.
    likelyClasses() {
      const { classes, label, probabilities } = this.clip;
      const moments = Object.values(probabilities).flat();
      const most = classes.map((_, i) => (classes[i] === label ? 2 : Math.max(...moments.map((values) => values[i]))));
      return [...classes.keys()].sort((a, b) => most[b] - most[a]).slice(0, STRIP_CLASSES);
    }

    // A line a class, a column a network; the last line says in words what the bars show.
    fillTable(shown) {
      const { classes, label, networks } = this.clip;
      const rows = Object.keys(networks);
      this.cells = [];
      const lines = Array.from(shown, (index) => {
        const cells = rows.map((row) => ({ cell: make("td"), row, index }));
        this.cells.push(...cells);
        const isTrue = classes[index] === label;
        const name = classes[index].replaceAll("_", "_\u200b"); // a long name breaks there
        const head = make("th", { scope: "row" }, isTrue ? `${name} (true)` : name);
        return make("tr", { className: isTrue ? "true" : "" }, head, ...cells.map(({ cell }) => cell));
      });
      this.verdicts = rows.map((row) => ({ cell: make("td"), row }));
      const answer = make("th", { scope: "row" }, "answer");
      const last = make("tr", { className: "verdict" }, answer, ...this.verdicts.map(({ cell }) => cell));
      const heads = rows.map((row) => make("th", { scope: "col" }, networks[row]));
      this.table.replaceChildren(
        make("caption", {}, "Class probabilities after the frames seen so far"),
        make("thead", {}, make("tr", {}, make("td"), ...heads)),
        make("tbody", {}, ...lines, last),
      );
    }

    show() {
      const { clip, moment } = this;
      for (const screen of this.screens) this.draw(screen);
      for (const { cell, row, index } of this.cells) {
        const values = clip.probabilities[row][moment];
        cell.textContent = `${Math.round(100 * values[index])} %`;
        cell.style.setProperty("--share", values[index]);
        cell.classList.toggle("best", best(values) === index);
      }
      const answers = {};
      for (const { cell, row } of this.verdicts) {
        answers[row] = clip.classes[best(clip.probabilities[row][moment])];
        cell.textContent = judged(answers[row], clip.label);
      }
      const time = `${clip.seen[moment]} of ${clip.seen.at(-1)} frames`;
      Object.assign(this.range, { max: clip.seen.length - 1, value: moment, ariaValueText: time });
      this.clock.textContent = time;
      if (!this.told) return;
      this.told.textContent = `Action: ${clip.label}. ${agreement(answers, clip.label, clip.networks)}`;
      const { view, attention } = this.screens[0];
      const [stream, head] = attention.split(":");
      const peak = clip.peaks[stream]?.[head].toFixed(1);
      const scale = `Yellow: ${peak} times what each place would get if all got the same; dark blue: nothing.`;
      this.scale.textContent = peak ? scale : "";
      this.screen.ariaLabel = `${clip.label}, ${VIEWS[view]}: ${this.button.textContent}`;
    }

    draw({ canvas, view, attention }) {
      const { images, seen, steps, hr, maps } = this.clip;
      const [height, width] = hr.map((pixels) => pixels * ENLARGED);
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      const context = canvas.getContext("2d");
      const rows = images[view].naturalHeight;
      const columns = images[view].naturalWidth / seen.length;
      context.imageSmoothingEnabled = false; // a pixel is a square
      context.globalAlpha = 1;
      context.drawImage(images[view], this.moment * columns, 0, columns, rows, 0, 0, width, height);
      if (!attention) return;
      const [stream, head] = attention.split(":");
      const [, , high, wide] = maps;
      const left = steps[this.moment] * wide;
      context.imageSmoothingEnabled = true;
      context.globalAlpha = (this.opacity?.value ?? OPACITY) / 100;
      context.drawImage(images[`attention_${stream}`], left, head * high, wide, high, 0, 0, width, height);
    }

    setPlaying(playing) {
      this.playing = playing;
      clearInterval(this.timer);
      if (playing) this.timer = setInterval(() => this.tick(), TICK);
      this.button.textContent = playing ? "Pause" : "Play";
      if (this.told) this.told.ariaLive = playing ? "off" : "polite"; // while it plays, it changes with every frame
      this.rest = playing ? REST : 0; // who starts a clip at its end does not wait
      this.show();
    }

    tick() {
      const last = this.clip.seen.length - 1;
      if (this.moment === last && this.rest++ < REST) return;
      this.moment = (this.moment + 1) % (last + 1);
      this.rest = 0;
      this.show();
    }

    // A strip plays by itself while it can be seen, until its reader takes hold of it.
    playInSight() {
      const watcher = new IntersectionObserver(([{ isIntersecting }]) => {
        if (isIntersecting !== this.playing) this.setPlaying(isIntersecting);
      });
      watcher.observe(this);
      for (const kind of ["pointerdown", "keydown"]) this.addEventListener(kind, () => watcher.disconnect());
    }

    onKey(event) {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.target.matches("input, select")) return; // these know by themselves what arrows mean
      event.preventDefault();
      this.moment = Math.min(Math.max(this.moment + step, 0), this.clip.seen.length - 1);
      this.setPlaying(false);
    }
  }

  customElements.define("lrar-explorer", Explorer);
})();
