// SPDX-License-Identifier: MIT
// How the page divides its space among people.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestFit } from '../../services/gateway/client/layout.js';

const shape = ({ columns, width, height }) => [columns, width, height];

test('one person gets the whole stage, not wider than a camera sees', () => {
    assert.deepEqual(shape(bestFit(1, 1280, 640, 12)), [1, 1137, 640]);
});

test('an upright phone stacks two people, a wide screen sets them side by side', () => {
    assert.equal(bestFit(2, 390, 700, 8).columns, 1);
    assert.equal(bestFit(2, 1280, 640, 12).columns, 2);
});

test('tiles never exceed the space', () => {
    for (let n = 1; n <= 25; n++)
        for (const [width, height] of [[1280, 640], [390, 700], [320, 480], [1920, 400]]) {
            const fit = bestFit(n, width, height, 8);
            assert.ok(fit.columns * fit.width + (fit.columns - 1) * 8 <= width, `${n} in ${width}`);
            if (!fit.scrolls)
                assert.ok(Math.ceil(n / fit.columns) * (fit.height + 8) - 8 <= height, `${n} in ${height}`);
        }
});

test('a crowd scrolls instead of becoming too small to see', () => {
    const fit = bestFit(200, 1280, 640, 12);
    assert.ok(fit.scrolls && fit.width >= 132);
});
