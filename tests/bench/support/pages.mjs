// SPDX-License-Identifier: MIT
// Serves the pages of a bench, one a script in tests/bench/first_frame, and the browser library.
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

const PAGES = fileURLToPath(new URL('../first_frame/', import.meta.url));
const CLIENT = fileURLToPath(new URL('../../../services/gateway/client/', import.meta.url));

async function answer(path) {
    const page = /^\/([a-z]+)$/.exec(path);
    if (page)
        return ['text/html', `<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="/${page[1]}.js"></script>`];
    const script = /^\/(client\/)?([a-z_]+\.js)$/.exec(path);
    return script ? ['text/javascript', await readFile((script[1] ? CLIENT : PAGES) + script[2])] : ['', null];
}

/** @returns {Promise<import('node:http').Server>} at any free port of every address */
export async function servePages() {
    const server = createServer(async (request, response) => {
        const [type, body] = await answer(request.url).catch(() => ['', null]);
        response.writeHead(body === null ? 404 : 200, { 'content-type': type }).end(body ?? '');
    }).listen(0);
    await once(server, 'listening');
    return server;
}
