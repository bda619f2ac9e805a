/** The modules of Node.js that Workers can import, by their names without `node:`. */

/** Those in `src/`. */
export const MODULES = [
  "_http_agent", "_http_client", "_http_common", "_http_incoming", "_http_outgoing", "_http_server", "_stream_duplex", "_stream_passthrough", "_stream_readable",
  "_stream_transform", "_stream_wrap", "_stream_writable", "_tls_common", "_tls_wrap", "assert", "assert/strict", "async_hooks",
  "buffer", "crypto", "diagnostics_channel", "dns", "dns/promises", "events", "http", "https", "module", "net", "path", "path/posix", "path/win32", "process", "stream", "stream/consumers", "stream/promises", "stream/web",
  "string_decoder", "sys", "timers", "timers/promises", "tls", "util", "util/types", "zlib",
];

/** Those that the `unenv` package has as they should be: pure ones, and stand-ins for what no Worker can have (their functions say so when they are called). */
export const UNENV = [
  "child_process", "cluster", "console", "constants", "dgram", "domain", "fs", "fs/promises", "http2", "inspector",
  "inspector/promises", "os", "perf_hooks", "punycode", "querystring", "readline", "readline/promises", "repl", "sqlite", "trace_events", "tty",
  "url", "v8", "vm", "wasi", "worker_threads",
];
