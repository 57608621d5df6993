"use strict";
(() => {
  const streams = JSON.parse(document.getElementById("data").textContent);
  const failed = JSON.parse(document.getElementById("failed").textContent);
  const page = document.getElementById("page");
  const FIRST_ROWS = 25, FIRST_NODES = 40, FIRST_WORST = 8;
  const HUES = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#8a8f98"];
  const READINGS = {
    window: { title: "window", dash: "", width: 2, told: "over the last events alone" },
    faded: { title: "faded", dash: "6 3", width: 1.5, told: "older events fade out" },
    total: { title: "total", dash: "2 3", width: 1.5, told: "over all events so far" },
  };
  const WHO = { model: "model", baseline: "previous labelset" };

  // Elements. Text from the data only ever becomes text, never markup.

  function fill(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (key === "css") Object.entries(value).forEach(([name, text]) => node.style.setProperty(name, text));
      else node.setAttribute(key, value);
    }
    for (const child of children.flat(Infinity)) if (child !== null && child !== undefined) node.append(child);
    return node;
  }
  const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const named = (text) => h("bdi", { class: "name", title: text }, text);

  const whole = (value) => (value === null || value === undefined ? "–" : Math.round(value).toLocaleString("en"));
  const counted = (number, thing) => `${whole(number)} ${thing}${number === 1 ? "" : "s"}`;
  const exact = (value) => (value === null || value === undefined ? "–" : value.toLocaleString("en"));
  function fixed(value, digits = 3) {
    if (value === null || value === undefined) return "–";
    const text = value.toFixed(digits);
    return Number(text) < 0 ? text.replace("-", "−") : text.replace("-", "");
  }
  const percent = (part) => (part > 0 && part < 0.005 ? "<1 %" : `${Math.round(100 * part)} %`);
  const short = (value) =>
    Math.abs(value) >= 1e6 ? `${+(value / 1e6).toFixed(1)}M` : Math.abs(value) >= 1e4 ? `${+(value / 1e3).toFixed(1)}k` : exact(value);

  // Colours of clusters: eight hues that colour-blind people tell apart, then darker and lighter ones.

  function rgb(slot) {
    if (slot < 0) return [150, 155, 162];
    const hue = HUES[slot % HUES.length];
    const tier = Math.floor(slot / HUES.length) % 3;
    const parts = [1, 3, 5].map((at) => parseInt(hue.slice(at, at + 2), 16));
    return parts.map((part) => Math.round(tier === 0 ? part : tier === 1 ? 0.55 * part : 0.5 * part + 127));
  }
  const colour = (slot) => `rgb(${rgb(slot).join(",")})`;
  function ink(slot) {
    const [r, g, b] = rgb(slot);
    return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff";
  }

  // Pictures: drawn for the width that there is, and again when it changes.

  const watcher = new ResizeObserver((entries) => entries.forEach((entry) => redraw(entry.target)));
  const drawings = new Map();
  function redraw(node) {
    const known = drawings.get(node);
    const width = Math.floor(node.clientWidth);
    if (!known || !width || width === known.width) return;
    known.width = width;
    known.draw(width);
  }
  function picture(label, draw) {
    const node = h("div", { class: "picture", "data-picture": label });
    drawings.set(node, { draw: (width) => draw(node, width), width: 0 });
    watcher.observe(node);
    return node;
  }
  function again(node) {
    const known = drawings.get(node);
    known.width = 0;
    redraw(node);
  }

  function ticks(low, high, count) {
    const raw = (high - low) / Math.max(1, count) || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].map((m) => m * power).find((m) => m >= raw * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(+(i * step).toPrecision(12));
    return found;
  }

  const plot = (width, height, right = 12) => ({ left: 46, right: width - right, top: 10, bottom: height - 26 });
  function axes(root, box, x, y, format) {
    for (const value of ticks(y.low, y.high, 4)) {
      root.append(s("line", { class: "grid", x1: box.left, x2: box.right, y1: y.at(value), y2: y.at(value) }));
      root.append(s("text", { x: box.left - 8, y: y.at(value) + 4, "text-anchor": "end" }, format(value)));
    }
    for (const value of ticks(x.low, x.high, Math.max(2, Math.floor((box.right - box.left) / 95)))) {
      root.append(s("line", { class: "grid", x1: x.at(value), x2: x.at(value), y1: box.top, y2: box.bottom + 4 }));
      root.append(s("text", { x: x.at(value), y: box.bottom + 18, "text-anchor": "middle" }, (x.format || short)(value)));
    }
  }
  const scale = (low, high, from, to) => ({ low, high, at: (value) => from + ((value - low) / (high - low || 1)) * (to - from) });

  function path(xs, ys, x, y) {
    let text = "", pen = false;
    ys.forEach((value, i) => {
      if (value === null || value === undefined) pen = false;
      else {
        text += `${pen ? "L" : "M"}${x.at(xs[i]).toFixed(1)} ${y.at(value).toFixed(1)}`;
        pen = true;
      }
    });
    return text;
  }

  /* lines: [{ values, colour, dash, width, title }]; marks: [[event, kind, text]] */
  function lineChart(node, width, { label, xs, lines, marks = [], format = short, height = 260, digits = 3 }) {
    const lanes = ["global", "partition", "node"].filter((kind) => marks.some((mark) => mark[1] === kind));
    const box = plot(width, height);
    const foot = 16 * lanes.length;
    const values = lines.flatMap((line) => line.values).filter((value) => value !== null && value !== undefined);
    const top = Math.max(...values, 1e-9);
    const upper = ticks(0, top * 1.02, 4);
    const step = upper.length > 1 ? upper[1] - upper[0] : top;
    const y = scale(Math.min(0, ...values), Math.ceil((top * 1.02) / step) * step, box.bottom, box.top);
    const x = scale(0, xs.length ? xs[xs.length - 1] : 1, box.left, box.right);
    const root = s("svg", { viewBox: `0 0 ${width} ${height + foot}`, height: height + foot, role: "img", "aria-label": label });
    axes(root, box, x, y, format);
    const body = root.appendChild(s("g", {}));
    lanes.forEach((kind, lane) => {
      const at = height + 8 + 16 * lane;
      root.append(s("text", { x: box.left - 8, y: at + 4, "text-anchor": "end", "font-size": 10 }, kind === "partition" ? "part." : kind));
      for (const [event, , text] of marks.filter((mark) => mark[1] === kind)) {
        if (kind === "global") body.append(s("line", { x1: x.at(event), x2: x.at(event), y1: box.top, y2: box.bottom, stroke: "var(--global)", "stroke-width": 1, "stroke-dasharray": "1 3" }));
        body.append(fill(mark(kind, x.at(event), at), {}, [s("title", {}, `${whole(event)}: ${kind}, ${text}`)]));
      }
    });
    for (const line of lines) {
      const drawn = { d: path(xs, line.values, x, y), fill: "none", "stroke-width": line.width || 2, "stroke-dasharray": line.dash || null, "stroke-linejoin": "round" };
      body.append(fill(s("path", drawn), { css: { stroke: line.colour } }, []));
    }
    node.replaceChildren(root);
    hover(node, root, width, xs, x, box, (i) => [
      h("b", {}, `event ${whole(xs[i])}`),
      h("table", {}, lines.map((line) => h("tr", {}, h("td", { css: { color: line.colour } }, line.title), h("td", {}, fixed(line.values[i], digits))))),
    ]);
  }

  function mark(kind, x, y) {
    const form = { global: `M${x - 5} ${y - 5}h10l-5 10z`, partition: `M${x} ${y - 5}l5 5l-5 5l-5 -5z`, node: `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0z` }[kind];
    return s("path", { d: form, fill: `var(--${kind})`, class: `mark ${kind}` });
  }

  function hover(node, root, width, xs, x, box, told) {
    const rule = s("line", { class: "axis", y1: box.top, y2: box.bottom, visibility: "hidden" });
    root.append(rule);
    const tip = h("div", { class: "tip", hidden: "" });
    node.append(tip);
    const leave = () => { tip.hidden = true; rule.setAttribute("visibility", "hidden"); };
    node.onpointerleave = leave;
    node.onpointermove = (event) => {
      const at = event.clientX - node.getBoundingClientRect().left;
      let best = 0;
      xs.forEach((value, i) => { if (Math.abs(x.at(value) - at) < Math.abs(x.at(xs[best]) - at)) best = i; });
      if (!xs.length) return;
      const place = x.at(xs[best]);
      rule.setAttribute("x1", place);
      rule.setAttribute("x2", place);
      rule.setAttribute("visibility", "visible");
      tip.replaceChildren(...told(best));
      tip.hidden = false;
      tip.style.top = `${box.top + 4}px`;
      tip.style.left = place > width / 2 ? "auto" : `${place + 10}px`;
      tip.style.right = place > width / 2 ? `${width - place + 10}px` : "auto";
    };
  }

  // The cards.

  function card(title, note, ...content) {
    return h("section", { class: "card", "data-card": title }, h("div", { class: "head" }, h("h2", {}, title)), note ? h("p", { class: "note" }, note) : null, content);
  }
  const isBetter = (stream, name, a, b) => (stream.titles[name][1] ? a > b : a < b);

  function finalScores(stream) {
    const ours = (stream.final.model || {}).total || {}, theirs = (stream.final.baseline || {}).total || {};
    const recent = (stream.final.model || {}).window || {};
    const known = Object.keys(stream.titles).filter((name) => name in ours);
    const both = known.filter((name) => name in theirs);
    const won = both.filter((name) => isBetter(stream, name, ours[name], theirs[name])).length;
    const row = (name) => {
      const [title, more] = stream.titles[name];
      const a = ours[name], b = theirs[name], has = name in theirs;
      const verdict = !has || a === b ? "" : isBetter(stream, name, a, b) ? "better" : "worse";
      const gap = has ? a - b : null;
      return h("tr", {},
        h("td", {}, title, more ? null : h("span", { class: "soft small" }, " (less is better)")),
        h("td", { class: verdict }, fixed(a)), h("td", {}, fixed(b)),
        h("td", { class: verdict }, gap === null ? "–" : `${gap > 0 ? "+" : gap < 0 ? "−" : ""}${fixed(Math.abs(gap))}`),
        h("td", {}, fixed(recent[name])));
    };
    const said = both.length ? `The model is better than repeating the labels of the event before on ${won} of ${both.length} scores.` : "";
    const table = h("div", { class: "scroll" }, h("table", { class: "scores" },
      h("thead", {}, h("tr", {}, ["all events", "model", "previous labelset", "difference", "model, last events"].map((text) => h("th", { scope: "col" }, text)))),
      h("tbody", {}, known.map(row))));
    const facts = h("dl", {}, [...stream.told.map(([name, value]) => [name, whole(value)]), ...stream.facts].map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    const honest = won < both.length ? "warn" : "";
    const made = card("Scores beside the baseline", `${said} Each event is predicted before it is learned.`, h("div", { class: "split" }, table, facts));
    if (honest && both.length) made.classList.add(honest);
    return made;
  }

  function scoresOverTime(stream) {
    const series = stream.series.model || {};
    const found = new Set(Object.values(series).flatMap((scores) => Object.keys(scores)));
    const names = Object.keys(stream.titles).filter((name) => found.has(name));
    if (!names.length) return null;
    let chosen = names.includes("micro_f1") ? "micro_f1" : names[0];
    const on = { window: true, faded: false, total: true };
    const legend = h("div", { class: "legend" });
    const chart = picture("scores", (node, width) => {
      const lines = [];
      for (const who of ["baseline", "model"]) for (const [reading, form] of Object.entries(READINGS)) {
        const values = ((stream.series[who] || {})[reading] || {})[chosen];
        const lone = !["window", "faded"].some((other) => on[other] && (series[other] || {})[chosen]);
        if (values && (on[reading] || (lone && reading === "total")))
          lines.push({ values, colour: `var(--${who})`, dash: form.dash, width: form.width, title: `${WHO[who]}, ${form.title}` });
      }
      lineChart(node, width, { label: `${stream.titles[chosen][0]} over time`, xs: stream.events, lines, marks: stream.drifts.marks, format: (value) => String(+value.toFixed(4)) });
      legend.replaceChildren(
        ...lines.map((line) => h("span", {}, s("svg", { viewBox: "0 0 26 12" }, fill(s("line", { x1: 0, x2: 26, y1: 6, y2: 6, "stroke-width": line.width, "stroke-dasharray": line.dash || null }), { css: { stroke: line.colour } }, [])), line.title)),
        ...Object.entries(stream.drifts.titles).map(([kind, title]) =>
          h("span", {}, s("svg", { viewBox: "0 0 26 12" }, mark(kind, 13, 6)), `${title}, ${whole(stream.drifts.counts[kind])} ×`)));
    });
    const select = h("select", { "aria-label": "score", onchange: (event) => { chosen = event.target.value; again(chart); } },
      names.map((name) => h("option", { value: name, selected: name === chosen ? "" : null }, stream.titles[name][0])));
    const toggles = Object.entries(READINGS).filter(([reading]) => series[reading]).map(([reading, form]) => h("button", {
      type: "button", "aria-pressed": String(on[reading]), title: form.told,
      onclick: (event) => { on[reading] = !on[reading]; event.currentTarget.setAttribute("aria-pressed", String(on[reading])); again(chart); },
    }, form.title));
    const note = "Window: the last events alone. Faded: older events weigh less. Total: all events so far. "
      + (stream.drifts.marks.length ? `Marks below show where a drift was detected${"node" in stream.drifts.titles ? " or a tree changed" : ""}.` : "No drift was detected.");
    const made = card("Scores over time", note, chart, legend);
    made.querySelector(".head").append(h("div", { class: "controls" }, select, h("span", { class: "group", role: "group", "aria-label": "readings" }, toggles)));
    return made;
  }

  function partitionOverTime(stream) {
    const part = stream.partition;
    if (!part || !part.rows.length) return null;
    const n = part.rows.length;
    const size = n <= 40 ? 18 : n <= 120 ? 7 : Math.max(1.5, 560 / n);
    const strip = picture("partition", (node, width) => drawStrip(node, width, stream, size));
    const left = part.n_labels > n ? ` Shown are the ${whole(n)} most frequent of ${whole(part.n_labels)} labels.` : "";
    const tree = stream.tree.length ? h("div", { class: "tree", "data-picture": "tree" }, h("h3", {}, "Cluster tree at the end"), treeRows(stream)) : null;
    return card("Label clusters over time",
      `One line for each label, one colour for each cluster of labels that occur together; a line that changes colour has moved.${left}`, strip, h("div", { css: { height: "16px" } }), tree);
  }

  function drawStrip(node, width, stream, size) {
    const rows = stream.partition.rows, events = stream.events, end = events[events.length - 1];
    const namedRows = size >= 14;
    const left = namedRows ? Math.min(170, Math.round(width * 0.3)) : 46, right = 12;
    const height = Math.ceil(rows.length * size), ratio = window.devicePixelRatio || 1;
    const canvas = h("canvas", { width: Math.round(width * ratio), height: Math.round((height + 24) * ratio), role: "img", "aria-label": "cluster of each label over time" });
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height + 24}px`;
    const pen = canvas.getContext("2d"), look = getComputedStyle(document.body);
    pen.scale(ratio, ratio);
    pen.font = `12px ${look.fontFamily}`;
    const soft = look.getPropertyValue("--soft").trim() || "#777", x = scale(0, end, left, width - right);
    rows.forEach(([, runs], i) => runs.forEach(([sample, cluster, slot], k) => {
      if (cluster < 0) return;
      const from = x.at(sample === 0 ? 0 : events[sample]), to = k + 1 < runs.length ? x.at(events[runs[k + 1][0]]) : x.at(end);
      pen.fillStyle = colour(slot);
      pen.fillRect(from, i * size, to - from, size > 4 ? size - 1 : size + 0.3);
    }));
    pen.fillStyle = soft;
    pen.textBaseline = "middle";
    if (namedRows) rows.forEach(([name], i) => pen.fillText(fit(pen, name, left - 10), 0, i * size + size / 2));
    pen.textAlign = "center";
    for (const value of ticks(0, end, Math.max(2, Math.floor((width - left) / 95)))) pen.fillText(short(value), x.at(value), height + 14);
    const root = s("svg", { viewBox: `0 0 ${width} ${height}`, height });
    fill(root, { css: { position: "absolute", left: "0", top: "0" } }, []);
    node.replaceChildren(canvas, root);
    let line = 0;
    hover(node, root, width, events, x, { top: 0, bottom: height }, (i) => {
      const [name, runs] = rows[line];
      const run = runs.filter(([sample]) => sample <= i).pop();
      return [h("b", {}, named(name)), h("div", {}, run && run[1] >= 0 ? `cluster ${run[1]} at event ${whole(events[i])}` : `not seen by event ${whole(events[i])}`)];
    });
    const move = node.onpointermove;
    node.onpointermove = (event) => {
      line = Math.max(0, Math.min(rows.length - 1, Math.floor((event.clientY - node.getBoundingClientRect().top) / size)));
      move(event);
      const tip = node.querySelector(".tip");
      tip.style.top = `${Math.max(0, line * size - 24)}px`;
    };
  }
  function fit(pen, text, width) {
    if (pen.measureText(text).width <= width) return text;
    let kept = text.slice(0, 60);
    while (kept && pen.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
    return `${kept}…`;
  }

  function treeRows(stream) {
    const nodes = stream.tree, deepest = Math.max(...nodes.map((node) => node.depth)), step = Math.min(18, 150 / (deepest + 1));
    const isLast = nodes.map((node, i) => {
      for (let k = i + 1; k < nodes.length; k++) {
        if (nodes[k].depth === node.depth) return false;
        if (nodes[k].depth < node.depth) return true;
      }
      return true;
    });
    const open = [];
    const rows = nodes.map((node, i) => {
      open.length = node.depth;
      const gutter = s("svg", { width: Math.max(2, step * node.depth), height: 28, "aria-hidden": "true" });
      for (let d = 1; d < node.depth; d++) if (open[d]) gutter.append(s("line", { class: "axis", x1: step * (d - 0.5), x2: step * (d - 0.5), y1: 0, y2: 28 }));
      if (node.depth) {
        const at = step * (node.depth - 0.5);
        gutter.append(s("path", { class: "axis", fill: "none", d: `M${at} 0V${isLast[i] ? 14 : 28}M${at} 14H${step * node.depth - 3}` }));
      }
      open[node.depth] = !isLast[i];
      if (node.cut) return h("div", { class: "row" }, gutter, h("span", { class: "soft text" }, `cut at diameter ${fixed(node.cut[0], 2)}, bound ${fixed(node.cut[1], 2)}`));
      const slot = stream.partition ? stream.partition.colours[node.node] : undefined;
      const labels = node.labels.flatMap((label, k) => [k ? ", " : "", h("bdi", { class: "name" }, label)]);
      return h("div", { class: "row" }, gutter, h("span", { class: "chip", css: { background: colour(slot === undefined ? -1 : slot) } }),
        h("span", { class: "text" }, h("b", {}, `${node.node}`), h("span", { class: "soft" }, ` · ${whole(node.n)} ${node.n === 1 ? "label" : "labels"}: `), labels, node.n > node.labels.length ? ", …" : ""));
    });
    return more(rows, FIRST_NODES, (shown) => h("div", {}, shown), "nodes");
  }

  function more(items, first, wrap, what) {
    const box = h("div", {});
    const draw = (count) => box.replaceChildren(wrap(items.slice(0, count)), items.length > count
      ? h("button", { type: "button", css: { "margin-top": "8px" }, onclick: () => draw(items.length) }, `show all ${whole(items.length)} ${what}`) : "");
    draw(first);
    return box;
  }

  function experts(stream) {
    if (!stream.experts.length) return null;
    const all = stream.experts.flatMap((row) => row[1]).filter((value) => value !== null);
    const low = Math.min(0, ...all), high = Math.max(...all, 1e-9), xs = stream.events;
    const rows = stream.experts.map(([name, weights]) => {
      const x = scale(0, xs[xs.length - 1] || 1, 1, 119), y = scale(low, high, 29, 3), line = path(xs, weights, x, y);
      const first = xs.findIndex((_, i) => weights[i] !== null);
      const area = line ? `${line}L119 ${y.at(0).toFixed(1)}L${x.at(xs[Math.max(first, 0)]).toFixed(1)} ${y.at(0).toFixed(1)}Z` : "";
      return h("div", { class: "expert" }, h("span", {}, named(name)),
        s("svg", { viewBox: "0 0 120 32", height: 32, role: "img", "aria-label": `weight of ${name} over time` },
          s("line", { class: "grid", x1: 0, x2: 120, y1: y.at(0), y2: y.at(0) }), s("path", { d: area, fill: "var(--area)" }),
          s("path", { d: line, fill: "none", stroke: "var(--model)", "stroke-width": 1.5 })),
        h("b", {}, fixed(weights[weights.length - 1], 2)));
    });
    return card("Experts over time",
      `The weight of each expert's log-odds in the mixture, largest at the end first; all on one scale from ${fixed(low, 2)} to ${fixed(high, 2)}. A negative weight corrects others.`,
      h("div", { class: "experts", "data-picture": "experts" }, rows));
  }

  function labelTable(stream) {
    const columns = [
      ["label", 0], ["F1", 5, fixed], ["true", 1, whole], ["predicted", 2, whole], ["precision", 3, fixed], ["recall", 4, fixed], ["log-loss", 6, fixed],
    ].filter(([, i]) => i < 6 || stream.labels.some((row) => row[6] !== null));
    let by = 1, down = true, wanted = "", all = false;
    const body = h("tbody", {}), under = h("p", { class: "soft small", css: { "margin-top": "8px" } });
    const heads = columns.map(([title, i]) => h("th", { scope: "col", "aria-sort": "none" }, h("button", {
      type: "button", onclick: () => { down = by === i ? !down : i !== 0; by = i; draw(); },
    }, title)));
    function compare(a, b) {
      const x = a[by], y = b[by];
      if (x === null || y === null) return (x === null) - (y === null);
      const order = typeof x === "string" ? (x < y ? -1 : x > y ? 1 : 0) : x - y;
      return down ? -order : order;
    }
    function draw() {
      columns.forEach(([, i], k) => heads[k].setAttribute("aria-sort", i === by ? (down ? "descending" : "ascending") : "none"));
      const found = stream.labels.filter((row) => row[0].toLowerCase().includes(wanted));
      found.sort((a, b) => compare(a, b) || b[1] - a[1]);
      const shown = all ? found : found.slice(0, FIRST_ROWS);
      body.replaceChildren(...shown.map((row) => h("tr", {}, columns.map(([, i, format]) => i === 0 ? h("td", {}, named(row[0]))
        : h("td", {}, format(row[i]), i === 5 ? h("span", { class: "track" }, h("span", { class: "bar", css: { width: `${84 * (row[5] || 0)}px` } })) : null)))));
      const rest = found.length - shown.length;
      under.replaceChildren(`${whole(shown.length)} of ${whole(stream.n_labels)} labels `, rest > 0
        ? h("button", { type: "button", onclick: () => { all = true; draw(); } }, `show ${whole(rest)} more`) : "");
    }
    const filter = h("input", { type: "search", placeholder: "filter labels", "aria-label": "filter labels", oninput: (event) => { wanted = event.target.value.toLowerCase(); draw(); } });
    draw();
    const made = card("Labels", "How often each label was true and predicted, and how well. Click on a heading to sort.",
      h("div", { class: "scroll" }, h("table", { class: "labels" }, h("thead", {}, h("tr", {}, heads)), body)), under);
    made.querySelector(".head").append(filter);
    return made;
  }

  function calibration(stream) {
    const data = stream.calibration;
    if (!data) return card("Calibration", "No probabilities were recorded.");
    const chart = picture("calibration", (node, width) => {
      const side = Math.min(width, 500), height = Math.round(side * 0.8), below = 70, n = data.bins.length;
      const box = { left: 46, right: side - 10, top: 8, bottom: height - 24 };
      const x = scale(0, 1, box.left, box.right), y = scale(0, 1, box.bottom, box.top);
      x.format = String;
      const root = s("svg", { viewBox: `0 0 ${side} ${height + below}`, height: height + below, role: "img", "aria-label": "share that happened against probability, with counts" });
      root.style.width = `${side}px`;
      axes(root, box, x, y, String);
      root.append(s("line", { class: "axis", x1: x.at(0), y1: y.at(0), x2: x.at(1), y2: y.at(1), "stroke-dasharray": "3 3" }));
      const most = Math.log10(1 + Math.max(...data.bins.map((bin) => bin[0])));
      data.bins.forEach(([count, said, happened, low, high], i) => {
        if (!count) return;
        const told = s("title", {}, `said ${fixed(said)}, happened ${fixed(happened)} (95 %: ${fixed(low)} to ${fixed(high)}), ${whole(count)} times`);
        root.append(s("line", { x1: x.at(said), x2: x.at(said), y1: y.at(low), y2: y.at(high), stroke: "var(--model)", "stroke-width": 1.5, opacity: 0.6 }));
        root.append(fill(s("circle", { cx: x.at(said), cy: y.at(happened), r: 4.5, fill: "var(--model)", class: "bin" }), {}, [told]));
        const tall = ((below - 26) * Math.log10(1 + count)) / most, bar = (box.right - box.left) / n;
        root.append(fill(s("rect", { x: x.at(i / n) + 1, width: bar - 2, y: height + below - 14 - tall, height: tall, fill: "var(--area)", stroke: "var(--model)", "stroke-width": 0.6 }), {}, [told.cloneNode(true)]));
      });
      root.append(s("text", { x: (box.left + box.right) / 2, y: height + below, "text-anchor": "middle" }, "probability said; bars: how often, log scale"));
      root.append(s("text", { x: box.left + 8, y: box.top + 14 }, "share that happened"));
      node.replaceChildren(root);
    });
    return card("Calibration",
      `On the diagonal, what was said with a probability happened as often. Whiskers: 95 % intervals as if pairs were independent. Mean distance ${fixed(data.error, 4)} over ${short(data.pairs)} pairs of event and label.`, chart);
  }

  function confusion(stream) {
    if (!stream.instead.length) return card("Where the errors are", "There were no errors.");
    const orders = { "most errors": (row) => -(row.missed + row.alarms), "most missed": (row) => -row.missed, "lowest F1": (row) => row.f1 };
    const box = h("div", { class: "worst", "data-picture": "confusion" });
    function one(row) {
      const total = row.nothing + row.others.reduce((sum, [, share]) => sum + share, 0);
      const rest = Math.max(0, row.missed - total), parts = [];
      const part = (share, text, shade, title) => share > 0 ? h("span", { title: `${title}: ${exact(share)} (${percent(share / row.missed)})`, css: { flex: `${share} 1 0`, background: shade, padding: share / row.missed < 0.09 ? "0" : null } }, share / row.missed < 0.09 ? null : text) : null;
      row.others.forEach(([name, share], i) => parts.push(part(share, h("bdi", {}, name), `rgba(var(--shade), ${0.6 - 0.06 * i})`, name)));
      parts.push(part(rest, "others", "rgba(var(--shade), 0.1)", "other labels"), part(row.nothing, "nothing", "var(--grid)", "no wrong label instead"));
      return h("div", {}, h("div", { class: "about" }, named(row.label), h("span", { class: "soft" }, `F1 ${fixed(row.f1, 2)} · missed ${whole(row.missed)} of ${whole(row.true)} · false ${whole(row.alarms)}`)),
        row.missed > 0 ? [h("div", { class: "stack" }, parts), said(row)] : h("div", { class: "soft small" }, "never missed"));
    }
    function said(row) {
      const shares = row.others.slice(0, 3).map(([name, share], i) => [i ? ", " : "", h("bdi", {}, name), ` ${percent(share / row.missed)}`]);
      return h("div", { class: "soft small" }, "instead: ", shares.length ? shares : "nothing");
    }
    function draw(name) {
      const key = orders[name], sorted = [...stream.instead].sort((a, b) => key(a) - key(b));
      box.replaceChildren(...sorted.slice(0, FIRST_WORST).map(one));
    }
    draw("most errors");
    const made = card("Where the errors are", "What was predicted wrongly in the events in which a label was missed; each miss is shared among those labels.", box);
    made.querySelector(".head").append(h("select", { "aria-label": "order", onchange: (event) => draw(event.target.value) }, Object.keys(orders).map((name) => h("option", {}, name))));
    return made;
  }

  function speed(stream) {
    const { seconds, memory } = stream.times, xs = stream.events;
    const span = Math.max(1, Math.ceil(xs.length / 50)); // a rate over fewer samples is mostly noise
    const rates = xs.map((event, i) => i < span || seconds[i] <= seconds[i - span] ? null : (event - xs[i - span]) / (seconds[i] - seconds[i - span]));
    const megabytes = memory.map((bytes) => bytes === null ? null : bytes / 2 ** 20);
    const draw = (label, values, colourOf, unit) => picture(label, (node, width) => lineChart(node, width, {
      label, xs, lines: [{ values, colour: colourOf, width: 2, title: unit }], height: 190, digits: 0,
    }));
    return h("div", { class: "pair" },
      card("Speed", "Events per second, all included: reading, prediction, learning, scores, samples for this page. The first events of a process wait for compilation.", draw("speed", rates, "var(--model)", "events/s")),
      card("Memory", "Megabytes (MiB) of the whole process: interpreter, libraries, compiled code, the stream as far as it is in memory, and the model.", draw("memory", megabytes, "var(--model)", "MiB")));
  }

  // The page.

  function header(stream) {
    const facts = [`${counted(stream.events[stream.events.length - 1] || 0, "event")} learned`, counted(stream.n_labels, "label")];
    if (stream.times["events per second"]) facts.push(`${stream.times["events per second"]} events/s`);
    if (stream.times.written) facts.push(stream.times.written);
    if (stream.interrupted) facts.push("interrupted before the end");
    if (stream.error !== null) facts.push("partial: of the events before an error");
    const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    const controls = h("div", { class: "controls" });
    if (streams.length > 1) controls.append(h("select", { "aria-label": "stream", id: "stream", onchange: (event) => show(+event.target.value) },
      streams.map((other, i) => h("option", { value: i, selected: other === stream ? "" : null }, other.error === null ? other.stream : `${other.stream} (partial)`))));
    controls.append(h("button", { type: "button", id: "theme", onclick: (event) => {
      document.documentElement.dataset.theme = dark() ? "light" : "dark";
      event.currentTarget.textContent = dark() ? "light mode" : "dark mode";
      repaint();
    } }, dark() ? "light mode" : "dark mode"));
    return h("header", {}, h("div", {}, h("h1", {}, named(stream.stream)), h("p", { class: "soft" }, facts.join(" · "))), controls);
  }
  function failures() {
    if (!failed.length) return null;
    const title = failed.length === 1 ? "1 file has failed" : `${whole(failed.length)} files have failed`;
    const rows = failed.map(([name, reason, isPartial]) => [
      h("dt", {}, named(name)),
      h("dd", {}, named(reason), h("span", { class: "soft" }, isPartial ? " (partial scores, of the events before that)" : " (no scores)")),
    ]);
    const made = card(title, null, h("dl", {}, rows));
    made.classList.add("warn");
    return made;
  }
  const repaint = () => [...drawings.keys()].forEach(again);

  function show(place) {
    const stream = streams[place];
    drawings.forEach((_, node) => watcher.unobserve(node));
    drawings.clear();
    page.replaceChildren(...[
      header(stream), failures(), finalScores(stream), scoresOverTime(stream), partitionOverTime(stream), experts(stream), labelTable(stream),
      h("div", { class: "pair" }, calibration(stream), confusion(stream)), speed(stream),
      h("footer", {}, "Scores, labels, calibration and errors are counted over the whole stream; pictures over time show evenly spaced samples of it."),
    ].filter((part) => part !== null));
  }
  show(0);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
})();
