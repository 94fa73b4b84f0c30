"use strict";
// Draws the figures in the page's colours, again whenever these change: light, dark, print.
(async () => {
  const plots = [...document.querySelectorAll("[data-figure]")];
  if (!plots.length) return;
  const figures = JSON.parse(document.getElementById("figures").textContent);

  async function inflate(text) {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  }

  function colors() {
    const style = getComputedStyle(document.documentElement);
    const value = (name) => style.getPropertyValue(name).trim();
    return { ink: value("--ink"), line: value("--line"), paper: value("--paper"), muted: value("--muted") };
  }

  function themed(layout) {
    const { ink, line, paper, muted } = colors();
    const result = {
      ...layout, autosize: true, dragmode: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { ...layout.font, color: ink, size: 12 },
      hoverlabel: { bgcolor: paper, bordercolor: muted, font: { color: ink } },
    };
    for (const name of Object.keys(result)) {
      if (/^[xy]axis\d*$/.test(name)) {
        result[name] = {
          ...result[name], automargin: true, title: { standoff: 10, ...result[name].title }, gridcolor: line, zerolinecolor: line, linecolor: muted, tickcolor: muted,
        };
      }
    }
    return result;
  }

  function draw(element) {
    const figure = figures[element.dataset.figure];
    const layout = themed({ xaxis: {}, yaxis: {}, ...figure.layout });
    // Copies, because plotly keeps what it is given and writes into it.
    return Plotly.react(element, structuredClone(figure.data), layout, { displayModeBar: false, responsive: true });
  }

  try {
    const script = document.createElement("script");
    script.textContent = await inflate(document.getElementById("library").textContent);
    document.head.append(script);
    for (const element of plots) {
      await draw(element);
      element.dataset.drawn = "yes";
    }
  } catch (error) {
    document.getElementById("no-plots").hidden = false;
    throw error;
  }
  const dark = matchMedia("(prefers-color-scheme: dark)"), print = matchMedia("print");
  const drawAll = async () => {
    const look = print.matches ? "print" : dark.matches ? "dark" : "light";
    await Promise.all(plots.map(draw));
    document.documentElement.dataset.look = look;
  };
  dark.addEventListener("change", drawAll);
  print.addEventListener("change", drawAll);
  document.documentElement.dataset.ready = "yes";
})();
