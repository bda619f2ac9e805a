/**
 * Globals that few Workers use. Their files are run when the first of a group is looked at: the build moves what is imported before a
 * function here into that function, so that an isolate neither runs nor keeps them before.
 */
import { CryptoKey } from "./crypto_key.js";
import { DigestStream } from "./digest_stream.js";
import { SubtleCrypto, subtle } from "./subtle_crypto.js";
export const loadCrypto = () => ({ CryptoKey, DigestStream, SubtleCrypto, subtle });
import { Cache, CacheStorage, caches } from "./cache.js";
export const loadCaches = () => ({ Cache, CacheStorage, caches });
import { CompressionStream, DecompressionStream } from "./compression.js";
export const loadCompression = () => ({ CompressionStream, DecompressionStream });
import { URLPattern } from "./url_pattern.js";
export const loadUrlPattern = () => ({ URLPattern });
import { HTMLRewriter } from "./html_rewriter.js";
export const loadHtmlRewriter = () => ({ HTMLRewriter });
import { MessageChannel, MessagePort } from "./message_channel.js";
export const loadMessageChannel = () => ({ MessageChannel, MessagePort });
import { EventSource } from "./event_source.js";
export const loadEventSource = () => ({ EventSource });
