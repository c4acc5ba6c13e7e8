/* A tip beside whatever has the attribute data-tip, where the mouse points or the keyboard's focus is. Escape closes it. */
(() => {
  const tip = document.createElement("div");
  tip.className = "lrar-tip";
  tip.id = "lrar-tip";
  tip.setAttribute("role", "tooltip");
  tip.hidden = true;
  let owner = null;

  function show(element) {
    if (owner === element) return;
    hide();
    owner = element;
    tip.textContent = element.dataset.tip;
    // What is the element's own name is not read out twice.
    if (element.getAttribute("aria-label") !== element.dataset.tip) element.setAttribute("aria-describedby", tip.id);
    tip.hidden = false;
    place();
  }

  function place() {
    const mark = owner.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, mark.left + mark.width / 2 - size.width / 2), document.documentElement.clientWidth - size.width - 8);
    const above = mark.top - size.height; // it touches its mark, so that the mouse can move onto it
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : mark.bottom}px`;
  }

  function hide() {
    owner?.removeAttribute("aria-describedby");
    owner = null;
    tip.hidden = true;
  }

  const told = (event) => (event.target instanceof Element ? event.target.closest("[data-tip]") : null);

  function start() {
    document.body.append(tip);
    document.addEventListener("mouseover", (event) => {
      const element = told(event);
      if (element) show(element);
      else if (!tip.contains(event.target) && !owner?.matches(":focus-visible")) hide();
    });
    document.addEventListener("focusin", (event) => (told(event) ? show(told(event)) : hide()));
    document.addEventListener("focusout", hide);
    document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
    // Focus may have made the page scroll: its tip goes along.
    const scrolled = () => (owner?.matches(":focus-visible") ? place() : hide());
    window.addEventListener("scroll", scrolled, { capture: true, passive: true });
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
