"use strict";
// The report's behaviour. All words come from the data (words.py), all text of users goes into text nodes.
(() => {
  const island = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = island("data");
  const { words, names, photos, faces, files, groups } = data;
  const number = new Intl.NumberFormat("en");
  const GROUPS_A_PAGE = 12, FIRST = 24, MORE = 96, ROWS_A_TIME = 100, PRINTED = 2000, RANGE = [-0.2, 1];
  const [PHOTO, NUMBER, SUBJECT, SCORE, THRESHOLD, BEST, BEST_SCORE, RUNNER, RUNNER_SCORE, REASON, THUMB, START, END,
    CLUSTER] = Array(14).keys();
  const SIGNS = { people: "✓", unknown: "?", loose: "?", ambiguous: "≈", poor: "!", undecided: "–", files: "!" };

  const fill = (sentence, values) => sentence.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const count = (word, n) => fill(words[n === 1 ? `${word}_one` : `${word}_many`], { n: number.format(n) });
  const el = (tag, props = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...children);
    return node;
  };
  const bdi = (text) => el("bdi", { textContent: text });
  const fileName = (path) => path.split(/[\\/]/).pop() || path;

  // --- pictures: base64 in chunks that are read when needed, or files beside the report
  const chunks = new Map();
  const picture = (thumb) => {
    if (typeof thumb === "string") return data.assets + thumb;
    if (thumb === null) return null;
    const at = Math.floor(thumb / data.chunk);
    if (!chunks.has(at)) chunks.set(at, island(`pictures-${at}`));
    return chunks.get(at)[thumb % data.chunk];
  };
  const image = (thumb, alt) => {
    const source = picture(thumb);
    if (source === null) return el("span", { className: "none", role: "img", ariaLabel: `${alt}: ${words.no_picture}` });
    return el("img", { src: source, alt, loading: "lazy", decoding: "async", width: 112, height: 112 });
  };

  // --- searching: texts are folded when the first search comes
  const folded = (text) => text.normalize("NFKC").toLowerCase();
  const once = (make) => { let made; return () => (made ??= make()); };
  const photoText = once(() => photos.map((paths) => folded(paths.join("\n"))));
  const nameText = once(() => names.map(folded));
  const fileText = once(() => files.map((row) => folded(row.join("\n"))));
  const groupText = once(() => groups.map((group) => folded(title(group))));
  function title(group) {
    if (group.kind === "people") return names[group.name];
    if (group.kind === "unknown") return fill(words.cluster, { name: group.cluster });
    return words[`title_${group.kind}`];
  }
  const faceHas = (face, word) =>
    photoText()[face[PHOTO]].includes(word) ||
    (face[CLUSTER] !== null && folded(face[CLUSTER]).includes(word)) ||
    (face[BEST] !== null && nameText()[face[BEST]].includes(word)) ||
    (face[RUNNER] !== null && nameText()[face[RUNNER]].includes(word));

  const state = { query: "", kind: "all", order: "strong", page: 0 };
  function found() {
    const wanted = folded(state.query).split(/\s+/).filter(Boolean);
    const result = [];
    groups.forEach((group, at) => {
      if (state.kind !== "all" && group.tab !== state.kind) return;
      const rest = wanted.filter((word) => !groupText()[at].includes(word));
      const named = group.kind === "people" || group.kind === "unknown";
      const test = group.kind === "files"
        ? (row) => rest.every((word) => fileText()[row].includes(word))
        : (row) => rest.every((word) => (named ? photoText()[faces[row][PHOTO]].includes(word) : faceHas(faces[row], word)));
      const rows = rest.length ? group.rows.filter(test) : group.rows;
      if (rows.length) result.push({ group, rows: ordered(group, rows) });
    });
    return result;
  }
  function ordered(group, rows) {
    if (group.kind === "files" || state.order === "photo") return rows;
    const sign = state.order === "strong" ? -1 : 1;
    const score = (row) => faces[row][SCORE] ?? -2;
    return [...rows].sort((a, b) => sign * (score(a) - score(b)) || a - b);
  }

  // --- drawing
  const results = document.getElementById("results"), status = document.getElementById("status");
  const pagers = [...document.querySelectorAll(".pager")];
  let shown = [];
  function draw() {
    shown = found();
    const pages = Math.max(1, Math.ceil(shown.length / GROUPS_A_PAGE));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * GROUPS_A_PAGE;
    results.replaceChildren(...shown.slice(first, first + GROUPS_A_PAGE).map((one) => section(one, FIRST)));
    if (!shown.length) results.append(el("p", { className: "nothing", textContent: words.nothing }));
    const total = (test) => shown.reduce((sum, { group, rows }) => sum + (test(group) ? rows.length : 0), 0);
    const tally = {
      faces: total((group) => group.kind !== "files"),
      people: shown.filter(({ group }) => group.kind === "people").length,
      files: total((group) => group.kind === "files"),
    };
    status.textContent = Object.entries(tally).filter(([, n]) => n).map(([word, n]) => count(word, n)).join(" · ");
    for (const pager of pagers) {
      pager.hidden = pages === 1;
      const [back, label, on] = pager.children;
      back.disabled = state.page === 0;
      on.disabled = state.page === pages - 1;
      label.textContent = fill(words.page, { n: number.format(state.page + 1), total: number.format(pages) });
    }
  }

  function section({ group, rows }, limit) {
    const unit = group.kind === "files" ? "files" : "faces";
    const heading = el("h2", { tabIndex: -1 },
      el("span", { className: "sign", ariaHidden: "true", textContent: SIGNS[group.kind] }), " ", bdi(title(group)), " ",
      el("small", { textContent: `${words[`kind_${group.kind}`]} · ${count(unit, rows.length)}` }));
    const box = el("div", { className: group.kind === "files" ? "files" : group.kind === "ambiguous" ? "pairs" : "grid" });
    const node = el("section", { className: group.kind }, heading);
    if (group.kind === "unknown") node.append(hint(group.cluster));
    node.append(box);
    const draws = group.kind === "files" ? fileRow : group.kind === "ambiguous" ? pair : card;
    let drawn = 0;
    const more = el("button", { type: "button", className: "more" });
    const extend = (upTo) => {
      box.append(...rows.slice(drawn, upTo).map((row) => draws(row, group)));
      drawn = Math.min(upTo, rows.length);
      const rest = rows.length - drawn;
      if (!rest) {
        if (document.activeElement === more) heading.focus({ preventScroll: true });
        more.remove();
        return;
      }
      more.textContent = fill(words.more, { n: number.format(Math.min(rest, step)), rest: number.format(rest) });
      node.append(more);
    };
    const step = group.kind === "files" ? ROWS_A_TIME : MORE;
    more.addEventListener("click", () => extend(drawn + step));
    extend(group.kind === "files" ? Math.max(limit, ROWS_A_TIME) : limit);
    return node;
  }

  const hint = (cluster) => {
    const [before, after] = words.name_it.split("{command}");
    return el("p", { className: "note" }, before, el("code", { textContent: `knownface unknown name ${cluster} SUBJECT` }), after);
  };
  const clock = (seconds) => {
    const whole = Math.floor(seconds), part = (n) => String(n).padStart(2, "0");
    return `${Math.floor(whole / 3600)}:${part(Math.floor(whole / 60) % 60)}:${part(whole % 60)}`;
  };
  const figure = (score) => (score === null ? "–" : score.toFixed(3));
  const label = (face) => {
    const [path] = photos[face[PHOTO]];
    return fill(words.face_alt, { n: face[NUMBER], photo: fileName(path) });
  };
  function bar(face) {
    if (face[SCORE] === null || face[THRESHOLD] === null) return "";
    const place = (value) => `${(100 * Math.min(Math.max((value - RANGE[0]) / (RANGE[1] - RANGE[0]), 0), 1)).toFixed(1)}%`;
    const done = el("i"), limit = el("b");
    done.style.width = place(face[SCORE]);
    limit.style.left = place(face[THRESHOLD]);
    return el("span", { className: "bar", ariaHidden: "true" }, done, limit);
  }
  function where(face) {
    const [path] = photos[face[PHOTO]];
    const line = el("p", { className: "file", title: path }, bdi(fileName(path)));
    if (face[START] !== null) line.append(` ${clock(face[START])}–${clock(face[END])}`);
    return line;
  }
  function why(face, open) {
    const [path, ...copies] = photos[face[PHOTO]];
    const text = el("div", {}, el("p", { textContent: face[REASON] }), el("p", { className: "path" }, bdi(path)));
    for (const copy of copies) text.append(el("p", { className: "path" }, `${words.also} `, bdi(copy)));
    const summary = el("summary", { textContent: words.why });
    summary.setAttribute("aria-label", `${words.why} ${label(face)}`);
    return el("details", { open }, summary, text);
  }
  function scores(face) {
    const line = el("p", { className: "score" }, `${words.score} `, el("b", { textContent: figure(face[SCORE]) }), bar(face));
    line.title = fill(words.score_title, { score: figure(face[SCORE]), threshold: figure(face[THRESHOLD]) });
    return line;
  }
  function card(row, group) {
    const face = faces[row], node = el("article", { className: "face" });
    node.append(image(face[THUMB], label(face)), el("div", {}, scores(face), where(face)));
    if (group.kind === "loose" && face[CLUSTER] !== null) {
      node.lastChild.append(el("p", {}, bdi(face[CLUSTER])));
    }
    if (group.kind !== "people" && face[BEST] !== null) {
      node.lastChild.append(el("p", { className: "like" }, `${words.most_like} `, bdi(names[face[BEST]])));
    }
    node.lastChild.append(why(face, false));
    return node;
  }
  function candidate(name, score) {
    if (name === null) return "";
    const alt = fill(words.candidate_alt, { name: names[name] });
    return el("figure", {}, image(data.portraits[name] ?? null, alt),
      el("figcaption", {}, bdi(names[name]), el("b", { textContent: figure(score) })));
  }
  function pair(row) {
    const face = faces[row];
    return el("article", { className: "pair" },
      el("div", { className: "three" },
        el("figure", {}, image(face[THUMB], label(face)), el("figcaption", {}, words.this_face)),
        el("span", { className: "or", textContent: words.either }),
        candidate(face[BEST], face[BEST_SCORE]), el("span", { className: "or", textContent: words.or }),
        candidate(face[RUNNER], face[RUNNER_SCORE])),
      where(face), el("p", { className: "reason", textContent: face[REASON] }), why(face, false));
  }
  function fileRow(row) {
    const [path, code, message] = files[row];
    return el("div", { className: "row" }, el("p", {}, bdi(path)),
      el("p", {}, el("code", { textContent: code }), " ", message));
  }

  // --- controls
  const search = document.getElementById("search"), order = document.getElementById("order");
  const tabs = [...document.querySelectorAll("#kinds button")];
  let waiting = 0;
  search.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.query = search.value; state.page = 0; draw(); }, 120);
  });
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  order.addEventListener("change", () => { state.order = order.value; draw(); });
  for (const tab of tabs) {
    tab.addEventListener("click", () => {
      state.kind = tab.value;
      state.page = 0;
      for (const other of tabs) other.setAttribute("aria-pressed", String(other === tab));
      draw();
    });
  }
  for (const pager of pagers) {
    const turn = (by) => { state.page += by; draw(); results.querySelector("h2")?.focus(); };
    pager.children[0].addEventListener("click", () => turn(-1));
    pager.children[2].addEventListener("click", () => turn(1));
  }
  // --- on paper: everything found, up to a limit that says so
  addEventListener("beforeprint", () => {
    let left = PRINTED;
    const parts = [];
    for (const one of shown) {
      if (left <= 0) break;
      const rows = one.rows.slice(0, left);
      left -= rows.length;
      parts.push(section({ group: one.group, rows }, rows.length));
    }
    results.replaceChildren(...parts);
    for (const image of results.querySelectorAll("img")) image.loading = "eager";
    for (const details of results.querySelectorAll("details")) details.open = true;
    if (left <= 0) results.append(el("p", { textContent: fill(words.printed, { n: number.format(PRINTED) }) }));
  });
  addEventListener("afterprint", draw);
  draw();
  document.documentElement.dataset.ready = "yes";
})();
