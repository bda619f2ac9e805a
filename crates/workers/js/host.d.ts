/**
 * What the runtime gives to the built-ins: the functions of the global `__host`, which `main.js` captures and deletes
 * before any code of a Worker runs. Implemented in `crates/workers/src/host/`.
 *
 * Numbers name things that live on the other side:
 * - `Invocation`: one invocation of this isolate;
 * - `Operation`: something asynchronous. It ends with one call of `complete(operation, ok, value)`; see `Entries`;
 * - `BodyId`: a stream of bytes that has not entered JavaScript (a request's body, the body of a fetched response).
 *   It is read by one reader, given away whole (`{body}` below), or dropped by `bodyCancel`;
 * - `SinkId`: a body that JavaScript writes (a response's, a subrequest's);
 * - `SocketId`: a TCP connection that stands, until `socketClose`;
 * - `WebSocketId`: the connection of a response of 101, or a WebSocket.
 */
type Invocation = number;
type Operation = number;
type BodyId = number;
type SinkId = number;
type SocketId = number;
type WebSocketId = number;

/** Names and values in turn: ["accept", "text/html", "set-cookie", "a=1"]. Values are byte strings (isomorphic encoding). */
type FlatHeaders = string[];

/**
 * A body on its way out: `undefined` none, a string (sent as UTF-8), bytes, a BodyId as a number (a native pipe: the bytes never enter
 * JavaScript), or `true`: JavaScript will write it to the sink whose id the call answers.
 */
type OutgoingBody = undefined | string | Uint8Array | number | true;

/** What a rejected operation carries; `main.js` makes the Error of it. `connection` has the fields of a ConnectionError as JSON text. */
type HostError = { name: string; message: string; connection?: string };

/**
 * Where a request or a call goes: undefined for the public network, the name of a binding, or for an entrypoint of this Worker itself its
 * name ("" for the default one) and its `props` as JSON, if any.
 */
type FetchTarget = undefined | string | string[];

interface Host {
    // === invocations ===
    /**
     * Answers the visitor. Gives a SinkId when the body is `true`, else 0. With `webSocket`, a connection, the status is 101. The body is compressed as
     * its Content-Encoding says, unless it is `encoded` already. Bodies that come with a Content-Encoding are read without it, and given away untouched
     * when what they are given to has the same.
     */
    respond(
        invocation: Invocation,
        status: number,
        statusText: string,
        headers: FlatHeaders,
        body: OutgoingBody,
        webSocket?: WebSocketId,
        encoded?: boolean,
    ): SinkId;
    /** The handler threw or rejected: the invocation ends with outcome `exception`. `thrown` is the error, serialized for the Worker that called. */
    fail(invocation: Invocation, error: unknown, thrown: Uint8Array | undefined): void;
    /** Answers the Worker that called. Gives a SinkId for each stream, 0 for those that are BodyIds. */
    answer(invocation: Invocation, value: Uint8Array, streams: number[]): SinkId[];
    /** A handler that answers nobody has ended, with all that it gave to `waitUntil`. */
    finish(invocation: Invocation): void;
    /** Response given and every `waitUntil` promise settled: nothing more will come of this invocation. */
    done(invocation: Invocation): void;
    /** A `waitUntil` promise rejected: recorded, the invocation goes on. */
    reportError(invocation: Invocation, error: unknown): void;
    /** The invocation whose code runs now; 0 outside of any (start-up). */
    current(): Invocation;

    // === bodies ===
    /** Completes with a Uint8Array, or undefined at the end. */
    bodyRead(body: BodyId): Operation;
    /** The rest of the body at once, as a Uint8Array; rejects with a TypeError past the isolate's memory limit. */
    bodyReadAll(body: BodyId): Operation;
    /** The rest of the body at once, decoded as UTF-8 with replacement, without byte order mark. */
    bodyReadText(body: BodyId): Operation;
    bodyCancel(body: BodyId): void;
    /** Completes when the reader has taken enough that more may be written; rejects when the reader is gone. */
    sinkWrite(sink: SinkId, bytes: Uint8Array): Operation;
    sinkClose(sink: SinkId): void;
    sinkAbort(sink: SinkId, reason: string): void;

    // === subrequests ===
    /**
     * One hop; redirects are followed by `fetch.js`. Completes with `[status, statusText, headers, bodyId or 0, socketId or 0]`, or with what another
     * Worker threw, serialized. Gives `[operation, sinkId or 0]`.
     */
    fetch(invocation: Invocation, target: FetchTarget, method: string, url: string, headers: FlatHeaders, body: OutgoingBody): [Operation, SinkId];

    /**
     * Calls a method of another Worker, or reads a property when `value` is undefined; else it is the serialized list of arguments.
     * `streams` are BodyIds, or 0 for those that script will write. Completes with `[value, bodyIds]`, or with what the other Worker threw.
     * Gives the operation, and a SinkId for each stream that script writes.
     */
    call(invocation: Invocation, target: FetchTarget, path: string[], value: Uint8Array | undefined, streams: number[]): [Operation, SinkId[]];

    // === WebSockets ===
    /** Two ends that are connected: a WebSocket, and the connection for whom it is given to. */
    webSocketPair(invocation: Invocation): [WebSocketId, WebSocketId];
    /** Makes a connection a WebSocket. */
    webSocketAccept(socket: WebSocketId): void;
    webSocketSend(socket: WebSocketId, message: string | Uint8Array): void;
    /** Code 1005 stands for none. */
    webSocketClose(socket: WebSocketId, code: number, reason: string): void;
    /** Completes with a message, with `[code, reason]` when the other side closes, or with undefined when the connection is gone. */
    webSocketReceive(socket: WebSocketId): Operation;

    // === sockets ===
    /**
     * `binding` is undefined for the public network. With `tlsName` it is TLS from the first byte, for a certificate of this name.
     * Completes with `[socketId, remote address]`.
     */
    socketConnect(invocation: Invocation, binding: string | undefined, hostname: string, port: number, tlsName: string | undefined): Operation;
    /** Completes with a Uint8Array, or undefined at the end. One at a time; giving it up loses nothing. */
    socketRead(socket: SocketId): Operation;
    /** Completes when all bytes are on their way. One at a time. */
    socketWrite(socket: SocketId, bytes: Uint8Array): Operation;
    /** Ends the writing direction; completes when the other side can know. */
    socketEnd(socket: SocketId): Operation;
    /** Goes on in TLS; completes when the handshake is done. */
    socketStartTls(socket: SocketId, serverName: string): Operation;
    socketClose(socket: SocketId): void;

    // === time ===
    /** Completes with undefined after so many milliseconds. */
    timer(milliseconds: number): Operation;
    /** Gives an operation up: it never completes. */
    cancel(operation: Operation): void;
    /** Milliseconds since 1970, with fractions. */
    now(): number;

    // === console ===
    /** `values` are JSON texts, one an argument (a string for what JSON cannot say). */
    log(level: "debug" | "error" | "info" | "log" | "warn", values: string[]): void;

    // === URL (WHATWG) ===
    /**
     * `[href, protocol's end, user name's end, host's start, host's end, port, pathname's start, search's start, hash's start]`, or undefined when it
     * does not parse. Places are in `href`, which is ASCII; port, search and hash are -1 when there is none.
     */
    urlParse(url: string, base: string | undefined): [string, ...number[]] | undefined;
    /** The same after one setter of URL ("protocol", "username", …, but not "href"), or undefined when the setter changes nothing. */
    urlSet(href: string, part: string, value: string): [string, ...number[]] | undefined;

    // === bytes and text ===
    utf8Encode(text: string): Uint8Array;
    utf8Decode(bytes: Uint8Array | ArrayBuffer, ignoreBom: boolean): string;
    /** A decoder for any label of the Encoding Standard; undefined for an unknown one. Gives `[decoder id, canonical name]`. */
    decoderCreate(label: string, fatal: boolean, ignoreBom: boolean): [number, string] | undefined;
    /** undefined on malformed bytes when fatal. The decoder starts afresh after `last`. */
    decoderDecode(decoder: number, bytes: Uint8Array | ArrayBuffer, last: boolean): string | undefined;
    decoderDrop(decoder: number): void;
    /** Forgiving base64; undefined when it is malformed. Result and argument are byte strings. */
    atob(text: string): string | undefined;
    /** undefined when a character is above U+00FF. */
    btoa(text: string): string | undefined;
    randomBytes(count: number): Uint8Array;
    randomUuid(): string;

    // === cryptography: `undefined` is failure; `hash` is "SHA-1", "SHA-256", "SHA-384", "SHA-512", and for digests "MD5" ===
    digest(hash: string, bytes: Uint8Array): Uint8Array;
    /** A digest in pieces. It belongs to the invocation and ends with it. */
    hashCreate(hash: string): number;
    hashUpdate(digest: number, bytes: Uint8Array): void;
    /** Another one that has been given the same so far. */
    hashCopy(digest: number): number;
    hashFinish(digest: number): Uint8Array | undefined;
    hmac(hash: string, key: Uint8Array, bytes: Uint8Array): Uint8Array | undefined;
    /** Takes as long whatever the bytes are; false for different lengths. */
    timingSafeEqual(a: Uint8Array, b: Uint8Array): boolean;
    aesCbc(encrypt: boolean, key: Uint8Array, iv: Uint8Array, data: Uint8Array): Uint8Array | undefined;
    /** Its own inverse. */
    aesCtr(key: Uint8Array, counter: Uint8Array, counterBits: number, data: Uint8Array): Uint8Array | undefined;
    aesGcm(encrypt: boolean, key: Uint8Array, iv: Uint8Array, additional: Uint8Array, tagBits: number, data: Uint8Array): Uint8Array | undefined;
    aesKw(wrap: boolean, key: Uint8Array, data: Uint8Array): Uint8Array | undefined;
    hkdf(hash: string, secret: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array | undefined;
    pbkdf2(hash: string, password: Uint8Array, salt: Uint8Array, iterations: number, length: number): Uint8Array | undefined;
    /** Keys of RSA are in the form of PKCS #1. Gives a private key. */
    rsaGenerate(bits: number, exponent: number): Uint8Array | undefined;
    rsaPublic(privateKey: Uint8Array): Uint8Array | undefined;
    rsaConvert(how: "from spki" | "from pkcs8" | "to spki" | "to pkcs8", bytes: Uint8Array): Uint8Array | undefined;
    /** A private key, or without `d` a public one. */
    rsaBuild(n: Uint8Array, e: Uint8Array, d?: Uint8Array, p?: Uint8Array, q?: Uint8Array): Uint8Array | undefined;
    /** `[n, e]` of a public key, `[n, e, d, p, q, dp, dq, qi]` of a private one. */
    rsaParts(isPrivate: boolean, key: Uint8Array): Uint8Array[] | undefined;
    /** PSS, or PKCS #1 v1.5 when `saltLength` is undefined. */
    rsaSign(saltLength: number | undefined, hash: string, privateKey: Uint8Array, data: Uint8Array): Uint8Array | undefined;
    rsaVerify(saltLength: number | undefined, hash: string, publicKey: Uint8Array, signature: Uint8Array, data: Uint8Array): boolean;
    rsaOaep(encrypt: boolean, hash: string, label: Uint8Array, key: Uint8Array, data: Uint8Array): Uint8Array | undefined;
    /**
     * `curve` is "P-256", "P-384", "P-521", "Ed25519" or "X25519". A public key is its point (uncompressed) or its 32 bytes; a private
     * key is the scalar or seed with the public key after it. Gives a private key.
     */
    ecGenerate(curve: string): Uint8Array | undefined;
    ecPublic(curve: string, privateKey: Uint8Array): Uint8Array | undefined;
    /** "scalar" is the scalar or seed alone. */
    ecImport(curve: string, format: "raw" | "spki" | "pkcs8" | "scalar", bytes: Uint8Array): Uint8Array | undefined;
    /** PKCS #8 of a private key, SPKI of a public one. */
    ecExport(curve: string, isPrivate: boolean, key: Uint8Array): Uint8Array | undefined;
    /** Signs the hash of the data, or the data when `hash` is undefined (Ed25519). */
    ecSign(curve: string, hash: string | undefined, privateKey: Uint8Array, data: Uint8Array): Uint8Array | undefined;
    ecVerify(curve: string, hash: string | undefined, publicKey: Uint8Array, signature: Uint8Array, data: Uint8Array): boolean;
    ecAgree(curve: string, privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;

    // === caches: `cache` is the name given to `caches.open`, or undefined for `caches.default` ===
    /** Completes with `[status, statusText, headers, bodyId or 0]`, or undefined. `headers` are the request's: its conditions and range are heeded. */
    cacheMatch(invocation: Invocation, cache: string | undefined, url: string, headers: FlatHeaders): Operation;
    /** Completes with undefined when the body has been taken to its end. Gives `[operation, sinkId or 0]`. */
    cachePut(invocation: Invocation, cache: string | undefined, url: string, status: number, headers: FlatHeaders, body: OutgoingBody): [Operation, SinkId];
    /** Completes with whether there was something. */
    cacheDelete(invocation: Invocation, cache: string | undefined, url: string): Operation;

    // === compression ===
    /** "deflate", "deflate-raw" or "gzip". It belongs to the invocation and ends with it. */
    compressorCreate(format: string, decompress: boolean, level?: number): number | undefined;
    /** Further input, or without bytes: no more comes. What was given before must have been taken. */
    compressorGive(id: number, bytes: Uint8Array | undefined): void;
    /** Output, at most 64 KiB; undefined when more input is needed or all is done. Throws a TypeError at malformed input. */
    compressorTake(id: number): Uint8Array | undefined;
    compressorDrop(id: number): void;

    // === URLPattern ===
    /** `input` is JSON text of a URLPatternInit when `isInit`. Gives JSON: `{protocol: {patternString, regexpString, groupNameList}, …, hasRegexpGroups}`. */
    urlPatternParse(input: string, isInit: boolean, baseUrl: string | undefined, ignoreCase: boolean): string;
    /** The eight components, from protocol to hash, of what is matched; undefined when it is no URL. */
    urlPatternInput(input: string, isInit: boolean, baseUrl: string | undefined): string[] | undefined;

    // === HTMLRewriter ===
    /** What is wrong with a selector. */
    rewriterCheck(selector: string): string | undefined;
    /**
     * `elements` are selectors and what their handlers want in turn, `documents` what those want: letters for `e`lements, `c`omments, `t`ext,
     * `d`octype, en`D`. It belongs to the invocation and ends with it.
     */
    rewriterCreate(elements: string[], documents: string[], encoding: string): number;
    /**
     * Goes on with a piece of the document, its end, or the edits of a handler (names with their arguments, see `html_tokens.js`). Gives
     * `[output, kind, index, facts]`: kind is "input", "done", "failed" (with the reason in facts), or what a handler is to be called with:
     * the handlers' index (of "endTag" the number that `onEndTag` gave) and what is known of the token.
     */
    rewriterResume(rewriter: number, how: "piece" | "end" | "edits", what: any): [Uint8Array | undefined, string, number, string[]];
    rewriterDrop(rewriter: number): void;

    // === engine ===
    structuredClone(value: unknown, transfer: unknown[] | undefined): unknown;
    /** A value as bytes, for another isolate; and back. */
    serialize(value: unknown): Uint8Array;
    deserialize(bytes: Uint8Array): unknown;
    /** The object that the running work carries along. */
    asyncContext(): object | undefined;
    /** Makes it another one for what script starts from now on, and gives the one before. Every entry begins without. */
    setAsyncContext(frame: object | undefined): object | undefined;
    /** `import()` of a module of the Worker. */
    importModule(specifier: string): Promise<unknown>;
}

/** What `main.js` gives back to the runtime: the ways into JavaScript. */
interface Entries {
    /**
     * Makes `env` and imports the Worker's main module. `bindings` is JSON: `[{name, type, …}]` with type `plain_text` {text}, `secret_text` {text},
     * `json` {json}, `vpc_network` {}, `vpc_service` {}, `service` {}, `version_metadata` {id, tag, timestamp}. Resolves to the names of the handlers
     * that the default export has.
     * `compatibility` is JSON: `{node, processEnv, modules, blobMessages}`: whether the modules of Node.js are there (and their globals), whether
     * `process.env` has the text bindings, the names of the modules, and whether the bytes of a WebSocket come as Blobs.
     */
    start(mainModule: string, bindings: string, compatibility?: string): Promise<string[]>;
    /** The exports that calls can go to: the name of each (`default` among them), then its handlers. */
    entrypoints(): string[][];
    /** A request comes in. `bodyId` is 0 for none. `called`: from another Worker, for `entrypoint`, with `props` as JSON. */
    fetch(
        invocation: Invocation,
        method: string,
        url: string,
        headers: FlatHeaders,
        bodyId: BodyId,
        called?: boolean,
        entrypoint?: string,
        props?: string,
    ): void;
    /** Another Worker calls a method, or reads a property when `value` is undefined. */
    rpc(
        invocation: Invocation,
        path: string[],
        value: Uint8Array | undefined,
        streams: BodyId[],
        entrypoint: string | undefined,
        props: string | undefined,
    ): void;
    /** A cron trigger is due; `time` is in milliseconds since 1970. */
    scheduled(invocation: Invocation, cron: string, time: number): void;
    /** Invocations of other Workers ended; `events` is JSON. */
    tail(invocation: Invocation, events: string): void;
    /** An operation ends. */
    complete(operation: Operation, ok: boolean, value: unknown): void;
    /** The visitor is gone: `request.signal` aborts. Says whether `waitUntil` promises are still to be waited for. */
    disconnected(invocation: Invocation): boolean;
    /** A promise was rejected and has no handler. Says whether that is dealt with; else it is recorded as an exception. */
    rejected(promise: Promise<unknown>, reason: unknown): boolean;
    /** These operations never complete; and when an invocation is given, it is over, however it ended. */
    forget(operations: Operation[], invocation?: Invocation): void;
}
