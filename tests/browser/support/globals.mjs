// SPDX-License-Identifier: MIT
// What the browser library takes from its browser and Node 18 lacks. Import it before the library.
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= class CustomEvent extends Event {
    constructor(type, { detail = null } = {}) {
        super(type);
        this.detail = detail;
    }
};
