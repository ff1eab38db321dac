// Zoom and search in the flame graph, by pointer and by keyboard. The page is whole without it.
"use strict";
(() => {
    const graph = document.getElementById("flames");
    if (!graph)
        return;
    const field = document.getElementById("search"), found = document.getElementById("found");
    const share = (box, name) => parseFloat(box.getAttribute(name));
    const boxes = [...graph.querySelectorAll(".box")].map(box => ({
        box, x: share(box, "x"), width: share(box, "width"), y: share(box, "y"),
        resets: Number(box.dataset.n), name: box.querySelector("text").textContent.toLowerCase(),
    }));
    const ROUNDING = 0.001; // percent: places have four digits
    const whole = {x: 0, width: 100, y: -1};
    let zoomed = whole, current = boxes.reduce((a, b) => b.y < a.y ? b : a, boxes[0]);

    const contains = (a, b) => b.x >= a.x - ROUNDING && b.x + b.width <= a.x + a.width + ROUNDING;

    function zoom(to) {
        zoomed = to;
        for (const b of boxes) {
            const parent = b.y < to.y && contains(b, to);
            const inside = b.y >= to.y && contains(to, b);
            b.box.toggleAttribute("hidden", !parent && !inside);
            b.box.classList.toggle("parent", parent);
            b.box.setAttribute("x", parent ? "0%" : (b.x - to.x) / to.width * 100 + "%");
            b.box.setAttribute("width", parent ? "100%" : b.width / to.width * 100 + "%");
        }
    }

    function focus(b) {
        if (!b)
            return;
        current.box.setAttribute("tabindex", "-1");
        current = b;
        b.box.setAttribute("tabindex", "0");
        b.box.focus();
    }

    const visible = () => boxes.filter(b => !b.box.hasAttribute("hidden"));
    const first = list => list.reduce((a, b) => !a || b.x < a.x ? b : a, null);
    const last = list => list.reduce((a, b) => !a || b.x > a.x ? b : a, null);
    const rows = [...new Set(boxes.map(b => b.y))].sort((a, b) => a - b);
    const row = (b, by) => rows[rows.indexOf(b.y) + by];

    const moves = {
        ArrowUp: b => visible().find(o => o.y === row(b, -1) && contains(o, b)),
        ArrowDown: b => visible().filter(o => o.y === row(b, 1) && contains(b, o))
            .reduce((a, o) => !a || o.width > a.width ? o : a, null),
        ArrowLeft: b => last(visible().filter(o => o.y === b.y && o.x < b.x)),
        ArrowRight: b => first(visible().filter(o => o.y === b.y && o.x > b.x)),
        Home: () => first(visible().filter(o => o.y === rows[0])),
    };

    graph.addEventListener("click", event => {
        const box = event.target.closest(".box"), b = boxes.find(o => o.box === box);
        if (b) {
            zoom(b);
            focus(b);
        }
    });
    graph.addEventListener("keydown", event => {
        if (event.ctrlKey || event.altKey || event.metaKey)
            return;
        if (moves[event.key])
            focus(moves[event.key](current));
        else if (event.key === "Enter" || event.key === " ")
            zoom(current);
        else
            return;
        event.preventDefault();
    });
    document.addEventListener("keydown", event => {
        if (event.key === "Escape") {
            zoom(whole);
        } else if (event.key === "/" && event.target !== field) {
            field.focus();
            event.preventDefault();
        }
    });

    function search() {
        const word = field.value.trim().toLowerCase();
        const hits = boxes.filter(b => word && b.name.includes(word));
        for (const b of boxes)
            b.box.classList.toggle("hit", hits.includes(b));
        // A box below another hit has resets that are counted already.
        const outer = hits.filter(b => !hits.some(o => o.y < b.y && contains(o, b)));
        const resets = outer.reduce((sum, b) => sum + b.resets, 0);
        const percent = outer.reduce((sum, b) => sum + b.width, 0).toFixed(1);
        found.textContent = word ? `${resets} resets, ${percent} %` : "";
    }
    field.addEventListener("input", search);
    document.getElementById("reset-zoom").addEventListener("click", () => zoom(whole));
    for (const b of boxes)
        b.box.setAttribute("tabindex", "-1");
    current.box.setAttribute("tabindex", "0");
    for (const element of document.querySelectorAll(".tools"))
        element.hidden = false;
})();
