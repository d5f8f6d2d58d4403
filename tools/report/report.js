// The picture of a run. `data` holds the log's records column by column (tools/report/report_command.cpp); a record is
// named by its index, which is also its place in the machine's total order. Everything is drawn on one canvas; where
// several records fall on one pixel they are drawn as one, so the effort depends on the window and not on the log.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const R = data.records, COUNT = R.step.length, MISS = -1;
const $ = id => document.getElementById(id);
const make = (tag, text, attributes = {}) => {
  const element = Object.assign(document.createElement(tag), attributes);
  if (text !== undefined) element.textContent = text;
  return element;
};
const thousands = n => String(n).replace(/\B(?=(\d{3})+$)/g, " ");
const isMiss = i => R.step[i] === MISS;
const stepName = i => isMiss(i) ? "missed" : data.steps[R.step[i]].name;
const task = i => data.tasks[R.task[i]];

// ---- Classes of steps: how they look. ----
const KINDS = [
  ["trap", "traps and lookups", /^(trap|lookup|resumed|restarted|aborted)$/],
  ["handler", "handlers", /^handler$/],
  ["text", "text writes, page copies", /^(text-|page-|patch|jump-|registered|unregistered)/],
  ["slot", "XOL slots", /^slot-/],
  ["step", "the instruction runs: steps, copies", /^(stepped|emulated|jumped|executed|hwbp-|threads-)/],
  ["other", "everything else: system calls, page faults, signals", /./],
];
const kindOfStep = data.steps.map(step => KINDS.find(([, , pattern]) => pattern.test(step.name))[0]);

// ---- Two axes: virtual time, and the order of events. Clocks of CPUs may disagree with the order. ----
const axes = {
  time: {
    name: "virtual time", unit: "cycles",
    from: i => R.time[i] - R.cost[i], to: i => R.time[i],
    length: Math.max(1, R.time.reduce((a, b) => Math.max(a, b), 0)),
  },
  order: { name: "order of events", unit: "", from: i => i, to: i => i + 1, length: Math.max(1, COUNT) },
};

// ---- Lanes. ----
const byCpu = new Map();
for (let i = 0; i < COUNT; ++i) {
  if (!byCpu.has(R.cpu[i])) byCpu.set(R.cpu[i], []);
  byCpu.get(R.cpu[i]).push(i);
}
const allMisses = data.misses.map(m => m.index);

/** Something with a beginning and an end on both axes, by the indices of its first and last record. */
const bar = (first, last, label, kind) => ({ first, last, label, kind });

function cpuLane(cpu) {
  const indices = byCpu.get(cpu);
  const runs = [];
  for (const i of indices) {
    const last = runs[runs.length - 1];
    if (last && R.task[last.first] === R.task[i]) last.last = i;
    else runs.push(bar(i, i, task(i), "user"));
  }
  const hits = data.hits.filter(h => R.cpu[h.first] === cpu).map(h => {
    let last = h.last; // a thread that moved away ends on another lane
    while (R.cpu[last] !== cpu) --last;
    return bar(h.first, last, "hit " + h.name + (h.ended ? "" : " (not finished)"), "hit");
  });
  const steps = indices.filter(i => !isMiss(i)).map(i => bar(i, i, stepLabel(i), kindOfStep[R.step[i]]));
  return {
    title: cpu < 0 ? "no CPU" : "CPU " + cpu,
    rows: [runs, hits, steps].map(bars => ({ bars })),
    height: 66, misses: indices.filter(isMiss), records: indices,
  };
}

function placeLane(place) {
  const bars = [];
  place.changes.forEach((change, k) => {
    const next = place.changes[k + 1];
    bars.push(bar(change.index, change.index, "", "patch"));
    bars.push({ first: change.index, until: next ? next.index : -1, kind: change.armed ? "int3" : "original",
      label: change.armed ? "int3" : "original, by " + task(change.index) });
  });
  return {
    title: place.name, space: place.space, rows: [{ bars }], height: 26,
    misses: allMisses.filter(i => R.space[i] === place.space && R.object[i] === place.object),
    records: place.changes.map(c => c.index),
  };
}

function stepLabel(i) {
  const text = data.texts[i];
  return text && !isMiss(i) ? stepName(i) + " " + text : stepName(i);
}

const lanes = [...data.places.map(placeLane), ...[...byCpu.keys()].sort((a, b) => a - b).map(cpuLane)];

/** Begin and end of every bar on the axis, never falling, so that they can be searched. */
function place(axis) {
  for (const lane of lanes)
    for (const row of lane.rows) {
      let latest = 0;
      row.from = new Float64Array(row.bars.length);
      row.to = new Float64Array(row.bars.length);
      row.bars.forEach((b, k) => {
        const between = b.until !== undefined; // two writes
        const from = between ? axis.to(b.first) : axis.from(b.first);
        const to = !between ? axis.to(b.last) : b.until < 0 ? axis.length : axis.from(b.until);
        row.from[k] = latest = Math.max(latest, from);
        row.to[k] = Math.max(row.from[k], to);
        if (lane.space !== undefined) latest = row.to[k];
      });
    }
}

// ---- The window. ----
const GUTTER = 150, RULER = 24, GAP = 6;
let axis, view = { from: 0, to: 1 }, selected = -1, matches = [], matchAt = -1;
const drawn = { bars: 0, bins: 0, misses: 0 }; // by the last redraw; for whoever wants to know what is on the screen
const canvas = $("lanes"), overview = $("overview");
const colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["paper", "ink", "soft", "line", "panel", "accent", "miss", "int3", "original", "patch", "user",
    ...KINDS.map(k => k[0])])
    colours[name] = style.getPropertyValue("--" + name).trim();
  colours.hit = colours.panel;
}

function setAxis(name) {
  axis = axes[name];
  axis.key = name;
  place(axis);
  $("axis").textContent = "Axis: " + axis.name;
  fit();
}
function fit() { setView(0, axis.length); }
function setView(from, to) {
  const most = axis.length * 1.02, least = axis.key === "order" ? 4 : 40;
  const width = Math.min(Math.max(to - from, Math.min(least, most)), most);
  const start = Math.min(Math.max(from, -0.01 * axis.length), axis.length * 1.01 - width);
  view = { from: start, to: start + width };
  redraw();
}
function zoom(factor, around = (view.from + view.to) / 2) {
  setView(around - (around - view.from) * factor, around + (view.to - around) * factor);
}
function pan(part) {
  const by = (view.to - view.from) * part;
  setView(view.from + by, view.to + by);
}
function showRecord(i) {
  const at = axis.from(i), width = view.to - view.from;
  if (at < view.from || axis.to(i) > view.to) setView(at - width / 2, at + width / 2);
  else redraw();
}

// ---- Drawing. ----
let pending = false;
function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; draw(); });
}
function prepare(target, height) {
  const scale = window.devicePixelRatio || 1, width = target.clientWidth || 900;
  target.style.height = height + "px";
  if (target.width !== Math.round(width * scale) || target.height !== Math.round(height * scale)) {
    target.width = Math.round(width * scale);
    target.height = Math.round(height * scale);
  }
  const g = target.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.fillStyle = colours.paper;
  g.fillRect(0, 0, width, height);
  g.font = "12px system-ui, sans-serif";
  g.textBaseline = "middle";
  return [g, width];
}
const pixel = (x, width) => GUTTER + (x - view.from) / (view.to - view.from) * (width - GUTTER);
const position = (px, width) => view.from + (px - GUTTER) / (width - GUTTER) * (view.to - view.from);

/** The first k in [start, array.length) with array[k] > x, for an array that never falls. */
function above(array, x, start = 0) {
  let low = start, high = array.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (array[middle] > x) high = middle; else low = middle + 1;
  }
  return low;
}

function hatch(g, x, y, w, h, colour) {
  g.save();
  g.beginPath();
  g.rect(x, y, w, h);
  g.clip();
  g.strokeStyle = colour;
  g.beginPath();
  for (let at = x - h; at < x + w; at += 5) { g.moveTo(at, y + h); g.lineTo(at + h, y); }
  g.stroke();
  g.restore();
}

function drawBar(g, b, x, y, w, h) {
  if (b.kind === "patch") {
    hatch(g, x, y, w, h, colours.patch);
  } else {
    g.fillStyle = colours[b.kind];
    g.fillRect(x, y, w, h);
  }
  if (w > 3) { // a border tells neighbours of one colour apart
    g.strokeStyle = b.kind === "original" ? colours.step : colours.paper;
    g.setLineDash(b.kind === "original" ? [4, 3] : []);
    g.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1);
    g.setLineDash([]);
  }
  if (b.kind === "hit") { g.strokeStyle = colours.soft; g.strokeRect(x + 0.5, y + 0.5, w - 1, h - 1); }
  if (b.label && w > 26) {
    g.save();
    g.beginPath();
    g.rect(x, y, w - 3, h);
    g.clip();
    g.fillStyle = ["user", "int3", "original", "hit"].includes(b.kind) ? colours.ink : inkOn(colours[b.kind]);
    g.fillText(b.label, Math.max(x, GUTTER) + 4, y + h / 2 + 0.5);
    g.restore();
  }
}
function inkOn(colour) {
  const [r, g, b] = [1, 3, 5].map(k => parseInt(colour.slice(k, k + 2), 16));
  return r * 0.3 + g * 0.59 + b * 0.11 > 140 ? "#000" : "#fff";
}

function drawRow(g, row, y, h, width) {
  // Bars are sorted by where they begin; some that began left of the window reach into it.
  let k = Math.max(0, above(row.from, view.from) - 64);
  while (k < row.bars.length && row.from[k] <= view.to) {
    const left = pixel(row.from[k], width), right = pixel(row.to[k], width);
    if (right - left >= 2) {
      const x = Math.round(Math.max(left, GUTTER)), w = Math.round(Math.min(right, width)) - x;
      if (w > 0) { drawBar(g, row.bars[k], x, y, w, h); ++drawn.bars; }
      ++k;
      continue;
    }
    // Thinner than two pixels: all thin ones that begin on this pixel are one mark.
    const edge = position(Math.floor(left) + 1, width), thin = position(Math.floor(left) + 2, width);
    let next = k + 1;
    while (next < row.bars.length && row.from[next] < edge && row.to[next] < thin) ++next;
    if (left >= GUTTER) {
      g.fillStyle = colours[row.bars[k].kind] || colours.patch;
      g.fillRect(Math.floor(left), y, Math.max(1, right - left), h);
      if (next === k + 1) ++drawn.bars; else ++drawn.bins;
    }
    k = next;
  }
}

function drawMiss(g, at, y, h, crowded, label) {
  const x = Math.floor(at) + 0.5;
  if (crowded) {
    g.fillStyle = colours.miss;
    g.fillRect(x - 0.5, y - 2, 1, h + 4);
    return;
  }
  g.strokeStyle = colours.paper;
  g.lineWidth = 5;
  const cross = () => {
    g.beginPath();
    g.moveTo(x - 5, y + h / 2 - 5); g.lineTo(x + 5, y + h / 2 + 5);
    g.moveTo(x + 5, y + h / 2 - 5); g.lineTo(x - 5, y + h / 2 + 5);
    g.stroke();
  };
  cross();
  g.strokeStyle = colours.miss;
  g.lineWidth = 2.5;
  cross();
  g.beginPath();
  g.moveTo(x, y - 2); g.lineTo(x, y + h + 2);
  g.lineWidth = 1;
  g.stroke();
  if (!label) return;
  g.font = "bold 12px system-ui, sans-serif";
  g.strokeStyle = colours.paper;
  g.lineWidth = 4;
  g.strokeText(label, x + 9, y + h / 2);
  g.fillStyle = colours.miss;
  g.fillText(label, x + 9, y + h / 2);
  g.font = "12px system-ui, sans-serif";
  g.lineWidth = 1;
}

function tickStep(span, width) {
  const rough = span / Math.max(1, (width - GUTTER) / 110), power = 10 ** Math.floor(Math.log10(rough));
  return Math.max(1, [1, 2, 5, 10].map(f => f * power).find(s => s >= rough));
}

function draw() {
  const height = RULER + lanes.reduce((sum, lane) => sum + lane.height + GAP, GAP);
  const [g, width] = prepare(canvas, height);
  drawn.bars = drawn.bins = drawn.misses = 0;
  g.fillStyle = colours.soft;
  g.strokeStyle = colours.line;
  g.lineWidth = 1;
  const step = tickStep(view.to - view.from, width);
  for (let x = Math.max(0, Math.ceil(view.from / step) * step); x <= view.to; x += step) {
    const px = Math.round(pixel(x, width)) + 0.5;
    if (px < GUTTER) continue;
    g.beginPath();
    g.moveTo(px, RULER - 5); g.lineTo(px, height);
    g.stroke();
    const number = axis.key === "order" ? R.number[Math.min(Math.round(x), COUNT - 1)] ?? 0 : Math.round(x);
    g.fillText(thousands(number), px + 3, RULER / 2);
  }
  g.fillText(axis.unit || "event", 8, RULER / 2);

  let y = RULER + GAP;
  for (const lane of lanes) {
    lane.y = y;
    g.fillStyle = colours.ink;
    const title = lane.space !== undefined && data.places.some(p => p.space !== data.places[0].space)
      ? lane.title + " in " + lane.space : lane.title;
    g.save();
    g.beginPath(); g.rect(0, y, GUTTER - 8, lane.height); g.clip();
    const wide = g.measureText(title).width; // of a long path the end tells most
    g.fillText(title, Math.min(8, GUTTER - 14 - wide), y + Math.min(lane.height, 26) / 2);
    g.restore();
    const h = lane.height / lane.rows.length;
    lane.rows.forEach((row, k) => drawRow(g, row, y + k * h, h - 2, width));
    y += lane.height + GAP;
  }
  for (const i of matches) {
    const x = pixel(axis.from(i), width);
    if (x < GUTTER || x > width) continue;
    g.fillStyle = colours.accent;
    g.fillRect(x, RULER - 6, 2, 6);
  }
  for (const lane of lanes) {
    const middle = axis.key === "order" ? 0.5 : 0;
    const xs = lane.misses.map(i => pixel(axis.from(i) + middle, width)).filter(x => x >= GUTTER && x <= width);
    drawn.misses += xs.length;
    let last = -1e9;
    xs.sort((a, b) => a - b).forEach((x, k) => {
      const free = (xs[k + 1] ?? 1e9) - x;
      if (x - last < 1 && free < 1) return;
      drawMiss(g, x, lane.y, lane.height - 2, x - last < 12, lane.rows.length > 1 && free > 70 ? "MISSED" : "");
      last = x;
    });
  }
  if (selected >= 0) {
    const left = pixel(axis.from(selected), width), right = pixel(axis.to(selected), width);
    g.strokeStyle = colours.ink;
    g.lineWidth = 2;
    const lane = lanes.find(l => l.rows.length === 3 && l.title === (R.cpu[selected] < 0 ? "no CPU" : "CPU " + R.cpu[selected]));
    if (right >= GUTTER && left <= width)
      g.strokeRect(Math.max(left, GUTTER) - 1, lane.y - 1, Math.max(right - Math.max(left, GUTTER), 3) + 2, lane.height);
  }
  drawOverview();
}

let density = null;
function drawOverview() {
  const height = 40, [g, width] = prepare(overview, height);
  const columns = Math.max(1, Math.floor(width - GUTTER));
  if (!density || density.axis !== axis || density.counts.length !== columns) {
    density = { axis, counts: new Uint32Array(columns) };
    for (let i = 0; i < COUNT; ++i)
      ++density.counts[Math.min(columns - 1, Math.floor(axis.from(i) / axis.length * columns))];
  }
  const most = Math.log1p(density.counts.reduce((a, b) => Math.max(a, b), 1));
  g.fillStyle = colours.soft;
  g.fillText("all", 8, height / 2);
  density.counts.forEach((n, k) => {
    const h = Math.log1p(n) / most * (height - 8);
    if (n) g.fillRect(GUTTER + k, height - h, 1, h);
  });
  const whole = x => GUTTER + x / axis.length * columns;
  g.fillStyle = colours.miss;
  let last = -1;
  for (const i of allMisses) {
    const x = Math.floor(whole(axis.from(i)));
    if (x !== last) g.fillRect(last = x, 0, 2, height);
  }
  g.strokeStyle = colours.accent;
  g.lineWidth = 2;
  g.strokeRect(Math.max(GUTTER, whole(view.from)), 1, Math.max(3, whole(view.to) - whole(view.from)), height - 2);
}

// ---- What is where, and what is known about it. ----
function recordAt(x, y, width) {
  const lane = lanes.find(l => y >= l.y - 2 && y < l.y + l.height + 2);
  if (!lane || x < GUTTER) return -1;
  const at = position(x, width), near = 7 * (view.to - view.from) / (width - GUTTER);
  const shift = axis.key === "order" ? 0.5 : 0;
  const miss = lane.misses.find(i => Math.abs(axis.from(i) + shift - at) <= near);
  if (miss !== undefined) return miss;
  const row = lane.rows[lane.rows.length - 1];
  let best = -1, distance = Infinity;
  for (let k = Math.min(above(row.from, at + near), row.bars.length) - 1, tries = 0; k >= 0 && tries < 64; --k, ++tries) {
    const off = at < row.from[k] ? row.from[k] - at : Math.max(0, at - row.to[k]);
    if (off < distance) { distance = off; best = row.bars[k].first; }
  }
  return best;
}

const hex = value => typeof value === "string" ? "0x" + BigInt(value).toString(16) : "0x" + value.toString(16);
/** ":hot+3" where a probe is near, else a number; small numbers are slots, sizes, process numbers. */
function named(value) {
  for (const place of data.places) {
    const from = Number(place.object), to = Number(value);
    if (to >= from && to - from < 16) return `${place.name}${to > from ? "+" + (to - from) : ""} (${hex(value)})`;
  }
  return Number(value) < 65536 ? String(value) : hex(value);
}
function byteAt(i) {
  return data.places.filter(p => p.space === R.space[i]).map(p => {
    const change = p.changes.filter(c => c.index <= i).pop();
    return `${p.name}: ${change && change.armed ? "int3" : "the original byte"}` +
      (change ? ` (since event ${R.number[change.index]})` : "");
  }).join("; ");
}
function frames(i) {
  let known = "";
  for (const [index, value] of data.frames) { if (index > i) break; known = value; }
  return known;
}

function describe(i) {
  const facts = [["event", isMiss(i) ? `none: behind event ${R.number[i]}` : R.number[i]],
    ["thread", task(i)], ["CPU", R.cpu[i] < 0 ? "none" : R.cpu[i]],
    ["virtual time", thousands(R.time[i]) + " cycles" + (R.cost[i] ? `, of which ${thousands(R.cost[i])} for this` : "")]];
  if (isMiss(i)) {
    facts.push(["at", named(R.object[i])]);
  } else {
    if (data.texts[i]) facts.push(["text", data.texts[i]]);
    facts.push(["object", named(R.object[i])], ["value", named(R.value[i])], ["frames in use", thousands(frames(i))]);
  }
  facts.push(["address space", R.space[i] || "none"]);
  if (byteAt(i)) facts.push(["a CPU fetches", byteAt(i)]);
  return facts;
}
const meaning = i => isMiss(i) ? data.misses.find(m => m.index === i).why : data.steps[R.step[i]].meaning;

function select(i) {
  selected = i;
  const box = $("details");
  box.replaceChildren();
  if (i < 0) {
    box.append(make("p", "Click on an event, or press an arrow key, to see what is known about it."));
    return redraw();
  }
  const title = make("b", isMiss(i) ? "Missed execution" : stepLabel(i), { className: isMiss(i) ? "missed" : "" });
  box.append(title, " ", make("span", meaning(i)));
  const list = make("dl");
  for (const [key, value] of describe(i)) list.append(make("dt", key), make("dd", String(value)));
  box.append(list);
  showRecord(i);
}
function neighbour(direction, same) {
  let i = selected < 0 ? (direction > 0 ? -1 : COUNT) : selected;
  do i += direction; while (same && selected >= 0 && i >= 0 && i < COUNT && R.task[i] !== R.task[selected]);
  if (i >= 0 && i < COUNT) select(i);
}
function nextMiss() {
  if (allMisses.length) select(allMisses.find(i => i > selected) ?? allMisses[0]);
}

function search(text) {
  matches = [];
  matchAt = -1;
  const wanted = text.trim().toLowerCase();
  if (wanted) {
    const number = wanted.match(/^#(\d+)$/);
    const inTask = data.tasks.map(t => t === wanted), inStep = data.steps.map(s => s.name.includes(wanted));
    for (let i = 0; i < COUNT; ++i)
      if (number ? R.number[i] === +number[1] && !isMiss(i)
        : inTask[R.task[i]] || (isMiss(i) ? "missed".includes(wanted) : inStep[R.step[i]]) ||
          (data.texts[i] || "").toLowerCase().includes(wanted) || hex(R.object[i]) === wanted ||
          (wanted.length > 1 && named(R.object[i]).toLowerCase().startsWith(wanted))) matches.push(i);
  }
  $("found").textContent = wanted ? thousands(matches.length) + " found" : "";
  redraw();
}

// ---- Tables. ----
function table(into, title, head, rows) {
  const t = make("table"), line = make("tr");
  head.forEach(h => line.append(make("th", h.replace(/^#/, ""), { className: h[0] === "#" ? "number" : "" })));
  if (head.length) t.append(line);
  for (const row of rows) {
    const tr = make("tr");
    row.forEach((cell, k) => tr.append(make("td", String(cell), { className: (head[k] || "")[0] === "#" ? "number" : "" })));
    t.append(tr);
  }
  into.append(make("h2", title), t);
}

function tables() {
  const h = data.header || {}, end = data.end;
  const probes = end ? end.probes : [];
  const missed = allMisses.length;
  const verdict = $("verdict");
  verdict.append(missed ? make("b", `${missed} execution${missed > 1 ? "s" : ""} missed`) : "No execution was missed",
    ` in ${thousands(COUNT - missed)} events` + (h.strategy ? `; ${h.strategy} on ${h.kernel}, ${h.cpus} CPUs.` : ".") +
    (end ? "" : " The log has no end: the run was cut short."));
  if (missed) {
    const list = make("ol"), windows = new Map(); // those with one sentence went through one window
    for (const m of data.misses)
      if (windows.has(m.why)) windows.get(m.why).push(m.index); else windows.set(m.why, [m.index]);
    const most = 20;
    for (const [why, indices] of [...windows].slice(0, most)) {
      const go = make("button", "show");
      go.onclick = () => { select(indices[0]); canvas.scrollIntoView({ block: "nearest" }); };
      const item = make("li", why + (indices.length > 1 ? ` (${indices.length} times) ` : " "));
      item.append(go);
      list.append(item);
    }
    $("misses").append(make("h2", "Missed executions"), list);
    if (windows.size > most) $("misses").append(make("p", `and ${thousands(windows.size - most)} more windows`));
  }
  if (probes.length)
    table($("probes"), "Probes", ["probe", "address", "kind", "#executions", "#hits", "#missed", "#repeated", "status"],
      probes.map(p => [p.spec, p.address ? "0x" + p.address.toString(16) : "-", p.kind, p.executions, p.hits, p.missed,
        p.repeated, p.status]));
  const facts = [["program", [h.program, ...(h.args || [])].join(" ")], ["strategy", h.strategy], ["kernel", h.kernel],
    ["CPUs", h.cpus], ["seed", h.seed], ["schedule", h.schedule], ["cost profile", h.cost]];
  if (end)
    facts.push(["ended with", end.exit.signal ? "signal " + end.exit.signal : end.exit.stopped ?? "exit code " + end.exit.code],
      ["virtual cycles", thousands(end.virtual_cycles)], ["instructions", thousands(end.instructions)],
      ["log hash", end.log_hash], ["token", end.token]);
  table($("run"), "The run", [], facts.filter(f => f[1] !== undefined && f[1] !== ""));
  if (end)
    table($("counters"), "Counters", [], Object.entries(end.counters).map(([k, v]) => [k.replaceAll("_", " "), thousands(v)]));
  if (h.scenario) $("scenario").append(make("h2", "Scenario: " + h.scenario.name), make("pre", h.scenario.text));
  $("text").append(make("h2", "As text"), make("pre", data.picture));
}

function legend() {
  const items = [["int3", "int3 stands there"], ["original", "the original byte stands there"], ["patch", "being patched"],
    ["miss", "missed execution"], ...KINDS.map(([kind, text]) => [kind, text])];
  const list = $("legend");
  list.replaceChildren();
  for (const [kind, text] of items) {
    const item = make("li"), sample = make("canvas", undefined, { width: 44, height: 28 });
    const g = sample.getContext("2d");
    g.scale(2, 2);
    if (kind === "miss") drawMiss(g, 11, 0, 14, false, ""); else drawBar(g, bar(0, 0, "", kind), 0, 0, 22, 14);
    item.append(sample, text);
    list.append(item);
  }
}

// ---- Hands. ----
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  readColours();
  legend();
  redraw();
}
const KEYS = {
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": fit, Home: fit, a: () => pan(-0.25), d: () => pan(0.25),
  o: () => setAxis(axis.key === "time" ? "order" : "time"), m: nextMiss, "/": () => $("search").focus(),
  Escape: () => select(-1), ArrowUp: () => zoom(0.5), ArrowDown: () => zoom(2),
};
document.addEventListener("keydown", event => {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") neighbour(event.key === "ArrowLeft" ? -1 : 1, event.shiftKey);
  else if (KEYS[event.key]) KEYS[event.key]();
  else return;
  event.preventDefault();
});
$("search").addEventListener("input", event => search(event.target.value));
$("search").addEventListener("keydown", event => {
  if (event.key === "Escape") { event.target.value = ""; search(""); canvas.focus(); }
  if (event.key !== "Enter" || !matches.length) return;
  matchAt = (matchAt + (event.shiftKey ? matches.length - 1 : 1)) % matches.length;
  select(matches[matchAt]);
  $("found").textContent = `${thousands(matchAt + 1)} of ${thousands(matches.length)}`;
});
$("fit").onclick = fit;
$("in").onclick = () => zoom(0.5);
$("out").onclick = () => zoom(2);
$("axis").onclick = KEYS.o;
$("miss").onclick = nextMiss;
$("miss").disabled = !allMisses.length;
$("theme").onclick = () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");

canvas.addEventListener("wheel", event => {
  event.preventDefault();
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) return pan(Math.sign(event.deltaX || event.deltaY) * 0.1);
  zoom(event.deltaY > 0 ? 1.25 : 0.8, position(Math.max(GUTTER, event.offsetX), canvas.clientWidth));
}, { passive: false });
let drag = null;
canvas.addEventListener("pointerdown", event => {
  drag = { x: event.offsetX, from: view.from, to: view.to, moved: false };
  canvas.setPointerCapture(event.pointerId);
});
canvas.addEventListener("pointermove", event => {
  const width = canvas.clientWidth;
  if (drag) {
    drag.moved ||= Math.abs(event.offsetX - drag.x) > 3;
    const by = (drag.x - event.offsetX) / (width - GUTTER) * (drag.to - drag.from);
    if (drag.moved) setView(drag.from + by, drag.to + by);
    return;
  }
  const i = recordAt(event.offsetX, event.offsetY, width), tip = $("tip");
  tip.hidden = i < 0;
  if (i < 0) return;
  tip.textContent = isMiss(i) ? meaning(i) : `${stepLabel(i)}, ${task(i)}, event ${R.number[i]}`;
  tip.style.left = Math.min(event.offsetX + 12, width - 260) + "px";
  tip.style.top = event.offsetY + 14 + "px";
});
canvas.addEventListener("pointerup", event => {
  if (drag && !drag.moved) select(recordAt(event.offsetX, event.offsetY, canvas.clientWidth));
  drag = null;
});
canvas.addEventListener("pointerleave", () => { $("tip").hidden = true; });
overview.addEventListener("pointerdown", event => {
  const at = (event.offsetX - GUTTER) / (overview.clientWidth - GUTTER) * axis.length, half = (view.to - view.from) / 2;
  setView(at - half, at + half);
});
new ResizeObserver(redraw).observe($("frame"));
let beforePrint = null;
addEventListener("beforeprint", () => {
  beforePrint = document.documentElement.dataset.theme;
  setTheme("light");
  draw();
});
addEventListener("afterprint", () => setTheme(beforePrint));

tables();
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
// Where clocks and order disagree a short run is easier to read in its order.
setAxis(COUNT <= 400 && allMisses.length ? "order" : "time");
select(-1);
window.report = { drawn, select, setAxis, setView, lanes, recordAt, axes, view: () => view, axis: () => axis.key,
  selected: () => selected, matches: () => matches, draw, pixel, records: COUNT, missed: allMisses.length };
