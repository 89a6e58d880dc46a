"use strict";
// Paths are followed by adding classes; all that is shown is in the page already.
for (const section of document.querySelectorAll("section")) {
  const buttons = [...section.querySelectorAll("button[data-path]")];
  const drawn = [...section.querySelectorAll("[data-paths]")];
  let kept = [];

  const show = (paths) => {
    section.classList.toggle("following", paths.length > 0);
    for (const element of drawn) {
      const taken = element.dataset.paths.split(" ");
      element.classList.toggle("on", taken.some((path) => paths.includes(path)));
    }
  };
  const keep = (paths) => {
    const same = paths.length === kept.length && paths.every((p) => kept.includes(p));
    kept = same ? [] : paths;
    for (const button of buttons) {
      button.setAttribute("aria-pressed", String(kept.includes(button.dataset.path)));
    }
    show(kept);
  };
  const follow = (element, paths) => {
    element.addEventListener("mouseenter", () => show(paths));
    element.addEventListener("mouseleave", () => show(kept));
    element.addEventListener("focus", () => show(paths));
    element.addEventListener("blur", () => show(kept));
    element.addEventListener("click", () => keep(paths));
  };

  for (const button of buttons) follow(button, [button.dataset.path]);
  for (const element of drawn) {
    follow(element, element.dataset.paths.split(" "));
    element.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      keep(element.dataset.paths.split(" "));
    });
  }
  section.addEventListener("keydown", (event) => {
    if (event.key === "Escape") keep([]);
  });
}
