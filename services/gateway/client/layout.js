// SPDX-License-Identifier: MIT
// How large each tile is: as many columns as make the tiles largest in the space there is. A pure rule and its application.

const ASPECT_LEAST = 0.6; // width to height: people, upright on a phone …
const ASPECT_MOST = 16 / 9; // … or as their cameras see them
const WIDTH_LEAST = 132; // below it the grid scrolls instead

/**
 * @param {number} n tiles
 * @param {number} width of the space
 * @param {number} height of the space
 * @param {number} gap between tiles
 * @returns {{columns: number, width: number, height: number, scrolls: boolean}}
 */
export function bestFit(n, width, height, gap) {
    let best = { columns: 1, width: 0, height: 0, scrolls: false };
    for (let columns = 1; columns <= Math.max(1, n); columns++) {
        const rows = Math.ceil(n / columns);
        let w = (width - gap * (columns - 1)) / columns;
        let h = (height - gap * (rows - 1)) / rows;
        w = Math.min(w, h * ASPECT_MOST);
        h = Math.min(h, w / ASPECT_LEAST);
        if (w > 0 && h > 0 && w * h > best.width * best.height)
            best = { columns, width: Math.floor(w), height: Math.floor(h), scrolls: false };
    }
    return best.width >= Math.min(WIDTH_LEAST, width) ? best : scrolling(width, gap);
}

function scrolling(width, gap) {
    const columns = Math.max(1, Math.floor((width + gap) / (WIDTH_LEAST + gap)));
    const tile = Math.floor((width - gap * (columns - 1)) / columns);
    return { columns, width: tile, height: Math.floor(tile / (4 / 3)), scrolls: true };
}

/** @param {HTMLElement} grid @param {number} n tiles in it that take part */
export function layout(grid, n) {
    if (grid.clientWidth === 0 || n === 0)
        return;
    const { columnGap, paddingTop } = getComputedStyle(grid);
    const padding = 2 * parseFloat(paddingTop); // the same all round: room for the ring of who speaks
    const { width, height, scrolls } = bestFit(n, grid.clientWidth - padding, grid.clientHeight - padding, parseFloat(columnGap) || 0);
    grid.style.setProperty('--tile-width', `${width}px`);
    grid.style.setProperty('--tile-height', `${height}px`);
    grid.toggleAttribute('data-scrolls', scrolls);
}
