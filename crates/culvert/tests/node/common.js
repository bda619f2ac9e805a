/** What Node's tests take from their `test/common`, for a Worker. */
import assert from "node:assert";
import { inspect } from "node:util";

/** Thrown by a test that does not apply. */
export class Skipped extends Error {}

/** What must be called how often: `{ name, actual, least, most }`. */
export const calls = [];
/** What went wrong outside of the test's own code. */
export const failures = [];
const noop = () => {};

function counted(fn, least, most) {
  if (typeof fn === "number") [fn, least, most] = [noop, fn, most === undefined ? undefined : fn];
  const wanted = fn ?? noop;
  const call = { name: wanted.name || "anonymous", actual: 0, least, most: most === undefined ? least : most, stack: new Error("called").stack };
  calls.push(call);
  function wrapped(...values) {
    call.actual++;
    try {
      return Reflect.apply(wanted, this, values);
    } catch (error) {
      failures.push(error);
      throw error;
    }
  }
  Object.defineProperties(wrapped, { name: { value: wanted.name, configurable: true }, length: { value: wanted.length, configurable: true } });
  return wrapped;
}
const mustCall = (fn, exact) => (typeof fn === "number" ? counted(noop, fn, fn) : counted(fn, exact ?? 1, exact ?? 1));
const mustCallAtLeast = (fn, least) => (typeof fn === "number" ? counted(noop, fn, Infinity) : counted(fn, least ?? 1, Infinity));
const mustSucceed = (fn, exact) =>
  mustCall(function (error, ...values) {
    assert.ifError(error);
    if (typeof fn === "function") return Reflect.apply(fn, this, values);
  }, exact);
function mustNotCall(message = "function should not have been called") {
  return function mustNotCall(...values) {
    const error = new assert.AssertionError({ message: `${message}${values.length > 0 ? `\ncalled with arguments: ${values.map((value) => inspect(value)).join(", ")}` : ""}` });
    failures.push(error);
    throw error;
  };
}
function expectsError(validator, exact) {
  return mustCall((...values) => {
    assert.strictEqual(values.length, 1, `Expected one argument, got ${inspect(values)}`);
    const [error] = values;
    assert.throws(() => {
      throw error;
    }, validator);
    return true;
  }, exact);
}
function invalidArgTypeHelper(input) {
  if (input == null) return ` Received ${input}`;
  if (typeof input === "function") return ` Received function ${input.name}`;
  if (typeof input === "object") {
    if (input.constructor?.name) return ` Received an instance of ${input.constructor.name}`;
    return ` Received ${inspect(input, { depth: -1 })}`;
  }
  let inspected = inspect(input, { colors: false });
  if (inspected.length > 28) inspected = `${inspected.slice(inspected, 0, 25)}...`;
  return ` Received type ${typeof input} (${inspected})`;
}
const VIEWS = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array, DataView];
function getArrayBufferViews(buffer) {
  const { buffer: bytes, byteOffset, byteLength } = buffer;
  return VIEWS.filter(({ BYTES_PER_ELEMENT = 1 }) => byteLength % BYTES_PER_ELEMENT === 0).map((View) => new View(bytes, byteOffset, byteLength / (View.BYTES_PER_ELEMENT ?? 1)));
}

const common = {
  PIPE: "/tmp/pipe", PORT: 0, allowGlobals: noop, buildType: "Release", canCreateSymLink: () => false, crashOnUnhandledRejection: noop,
  disableCrashOnUnhandledRejection: noop, enoughTestMem: true, expectWarning: noop, expectsError, getArrayBufferViews,
  getBufferSources: (buffer) => [...getArrayBufferViews(buffer), new Uint8Array(buffer).buffer], getCallSite: () => "", hasCrypto: true, hasFipsCrypto: false,
  hasIPv6: false, hasIntl: true, hasMultiLocalhost: () => false, hasOpenSSL3: true, hasOpenSSL31: true, hasQuic: false, invalidArgTypeHelper, isAIX: false,
  isAlive: () => false, isAsan: false, isDebug: false, isDumbTerminal: true, isFreeBSD: false, isIBMi: false, isInsideDirWithUnusualChars: false, isLinux: true,
  isMainThread: true, isOSX: false, isOpenBSD: false, isPi: false, isSunOS: false, isWindows: false, localhostIPv4: "127.0.0.1", mustCall, mustCallAtLeast,
  mustNotCall, mustNotMutateObjectDeep: (value) => value, mustSucceed, opensslCli: false, platformTimeout: (ms) => ms, printSkipMessage: noop, runWithInvalidFD: noop,
  skip(reason) {
    throw new Skipped(reason);
  },
  skipIf32Bits: noop, skipIfDumbTerminal: noop, skipIfEslintMissing: noop, skipIfInspectorDisabled: noop, skipIfReportDisabled: noop, skipIfWorker: noop,
};
export default common;
