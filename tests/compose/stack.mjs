// SPDX-License-Identifier: MIT
// The composed stack as an operator has it: docker-compose in deploy/, by its own words. Runs inside compose.sh.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { until } from '../browser/support/suite.mjs';

/** The address of this machine's one network, see compose.sh. */
export const HOST = '198.51.100.1';
const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
const run = promisify(execFile);

export class Stack {
    origin = 'http://localhost:8080';

    /** @param {Object<string, string>} [settings] as in `.env` */
    constructor(settings = {}) {
        this.environment = { ...process.env, ...settings };
    }

    async docker(...args) {
        return (await run('docker', args, { maxBuffer: 1e8 })).stdout.trim();
    }

    async compose(...args) {
        return (await run('docker-compose', args, { cwd: DEPLOY, env: this.environment, maxBuffer: 1e8 })).stdout.trim();
    }

    /** Starts it, and waits until every container that has a health check is healthy. */
    async up(before = [], after = []) {
        await this.compose(...before, 'up', '-d', ...after);
        await until(async () => (await this.containers()).every(({ health }) => health === 'healthy' || health === null), 'every container is healthy', 60000);
    }

    /** @returns {Promise<{id: string, service: string, pid: number, health: string|null, status: string, restarts: number}[]>} */
    async containers(service) {
        const ids = (await this.docker('ps', '-aq', '--no-trunc')).split('\n').filter(Boolean);
        const all = ids.length > 0 ? JSON.parse(await this.docker('inspect', ...ids)) : [];
        return all.map((one) => ({ id: one.Id, service: one.Config.Labels['com.docker.compose.service'], pid: one.State.Pid,
            health: one.State.Health?.Status ?? null, status: one.State.Status, restarts: one.RestartCount, host: one.HostConfig, user: one.Config.User }))
            .filter((one) => service === undefined || one.service === service);
    }

    /** What Prometheus would see: metric → process → value. */
    async metrics() {
        const text = await (await fetch(`${this.origin}/metrics`)).text();
        const all = {};
        for (const [, name, process, value] of text.matchAll(/^parley_(\w+)\{process="([^"]+)"\} (\S+)$/gm))
            (all[name] ??= {})[process] = Number(value);
        return all;
    }

    /** Rooms of each worker, ascending. */
    async loads() {
        const { load = {} } = await this.metrics();
        return Object.entries(load).filter(([process]) => process.startsWith('worker-')).map(([, rooms]) => rooms).sort();
    }

    /** The container in which this process runs. */
    async containerOf(pid) {
        const all = await this.containers();
        for (let at = pid; at > 1; at = Number(/^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${at}/status`, 'utf8'))[1])) {
            const found = all.find((one) => one.pid === at);
            if (found)
                return found;
        }
        throw new Error(`process ${pid} runs in no container`);
    }

    async logs() {
        return this.compose('logs', '--no-color', '--tail', '40');
    }
}
