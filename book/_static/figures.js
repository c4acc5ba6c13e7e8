/* Figures whose marks say what they show. A picture is followed by an element .lrar-spots with one rectangle a mark, in
   shares of the picture's width and height; they become buttons over it. Arrow keys go from mark to mark. Where a mark
   stands for clips, their names are listed below the picture. */
(() => {
  const STEPS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };

  const centre = ({ x, y, w, h }) => [x + w / 2, y + h / 2];

  /* The nearest mark in a direction; to go askew counts threefold. */
  function nearest(spots, from, [dx, dy]) {
    const [x, y] = centre(spots[from]);
    let best = from;
    let least = Infinity;
    spots.forEach((spot, index) => {
      const along = (centre(spot)[0] - x) * dx + (centre(spot)[1] - y) * dy;
      const across = Math.abs((centre(spot)[0] - x) * dy) + Math.abs((centre(spot)[1] - y) * dx);
      if (index !== from && along > 1e-4 && along + 3 * across < least) [best, least] = [index, along + 3 * across];
    });
    return best;
  }

  function pictureBefore(element) {
    const before = [...document.querySelectorAll("main img")].filter(
      (image) => image.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING,
    );
    const image = before.at(-1);
    return image?.parentElement.tagName === "A" ? image.parentElement : image;
  }

  function listOfClips(spot, place) {
    const head = document.createElement("p");
    head.textContent = spot.says;
    const list = document.createElement("ul");
    list.append(
      ...spot.clips.map((clip) => {
        const item = document.createElement("li");
        item.textContent = clip;
        return item;
      }),
    );
    place.replaceChildren(head, list);
  }

  function lay(element) {
    const { label, spots } = JSON.parse(element.dataset.spots);
    const picture = pictureBefore(element);
    if (!picture || !spots.length) return;
    const frame = document.createElement("div");
    frame.className = "lrar-figure";
    picture.replaceWith(frame);
    const marks = document.createElement("div");
    marks.setAttribute("role", "group");
    const listed = spots.some((spot) => spot.clips);
    const below = listed ? " The clips of a mark are listed below." : "";
    marks.setAttribute("aria-label", `${label}. Arrow keys go from mark to mark.${below}`);
    frame.append(picture, marks);
    const clips = document.createElement("div");
    clips.className = "lrar-clips";
    if (listed) frame.after(clips);

    const buttons = spots.map((spot, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.tabIndex = index ? -1 : 0;
      button.dataset.tip = spot.says;
      button.setAttribute("aria-label", spot.says);
      Object.assign(button.style, {
        left: `${100 * spot.x}%`,
        top: `${100 * spot.y}%`,
        width: `${100 * spot.w}%`,
        height: `${100 * spot.h}%`,
      });
      const choose = () => spot.clips && listOfClips(spot, clips);
      button.addEventListener("focus", () => {
        buttons.forEach((each) => (each.tabIndex = -1));
        button.tabIndex = 0;
        choose();
      });
      button.addEventListener("click", choose); // Safari gives no focus to what is clicked
      button.addEventListener("keydown", (event) => {
        if (!STEPS[event.key]) return;
        event.preventDefault();
        buttons[nearest(spots, index, STEPS[event.key])].focus();
      });
      return button;
    });
    marks.append(...buttons);
  }

  function start() {
    document.querySelectorAll(".lrar-spots").forEach(lay);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
