/** ReadableStreamPipeTo (https://streams.spec.whatwg.org/#readable-stream-pipe-to). */
import { abortReason, isAborted, onAbort, removeOnAbort } from "./abort.js";
import { TypeError, markHandled, newPromise, promiseAll, promiseResolve, promiseThen } from "./primordials.js";
import { CLOSED, ERRORED, READABLE, acquireReader, cancelStream, readFrom, releaseReader } from "./readable_core.js";
import {
  WRITABLE,
  abortWritable,
  acquireWriter,
  closeOrCloseInFlight,
  closeWithErrorPropagation,
  releaseWriter,
  writeTo,
} from "./writable_core.js";

/**
 * @param {import("./readable_core.js").ReadableState} source
 * @param {import("./writable_core.js").WritableState} target
 * @param {import("./readable_stream.js").PipeOptions} options
 * @returns {Promise<any>}
 */
export function pipe(source, target, { preventClose, preventAbort, preventCancel, signal }) {
  const reader = acquireReader(source, false);
  const writer = acquireWriter(target);
  source.disturbed = true;
  let shuttingDown = false;
  /** @type {Promise<any>} */
  let lastWrite = promiseResolve(undefined);
  const result = newPromise();

  /** @type {(() => void) | undefined} */
  let abortAlgorithm;
  if (signal !== undefined) {
    abortAlgorithm = () => {
      const error = abortReason(signal);
      shutDown(() => {
        /** @type {Promise<any>[]} */
        const actions = [];
        if (!preventAbort) {
          actions[actions.length] = target.state === WRITABLE ? abortWritable(target, error) : promiseResolve(undefined);
        }
        if (!preventCancel) {
          actions[actions.length] = source.state === READABLE ? cancelStream(source, error) : promiseResolve(undefined);
        }
        return promiseAll(actions);
      }, { error });
    };
    if (isAborted(signal)) {
      abortAlgorithm();
      return result.promise;
    }
    onAbort(signal, abortAlgorithm);
  }

  // Errors forward, errors backward, closing forward, closing backward.
  if (source.state === ERRORED) sourceErrored(source.storedError);
  else markHandled(promiseThen(reader.closed, undefined, sourceErrored));

  if (target.state === "errored") targetErrored(target.storedError);
  else markHandled(promiseThen(writer.closed, undefined, targetErrored));

  if (source.state === CLOSED) sourceClosed();
  else markHandled(promiseThen(reader.closed, sourceClosed, () => {}));

  if (closeOrCloseInFlight(target) || target.state === "closed") {
    const error = new TypeError("The destination of the pipe is closed, or is being closed.");
    if (preventCancel) shutDown(undefined, { error });
    else shutDown(() => cancelStream(source, error), { error });
  }

  step();
  return result.promise;

  /** @param {any} error */
  function sourceErrored(error) {
    if (preventAbort) shutDown(undefined, { error });
    else shutDown(() => abortWritable(target, error), { error });
  }

  /** @param {any} error */
  function targetErrored(error) {
    if (preventCancel) shutDown(undefined, { error });
    else shutDown(() => cancelStream(source, error), { error });
  }

  function sourceClosed() {
    if (preventClose) shutDown(undefined, undefined);
    else shutDown(() => closeWithErrorPropagation(writer), undefined);
  }

  function step() {
    if (shuttingDown) return;
    promiseThen(writer.ready, whenReady, () => {});
  }

  function whenReady() {
    if (shuttingDown) return;
    readFrom(reader, {
      chunk(chunk) {
        // The write is a microtask later, so that what the reader does in the same turn comes first.
        promiseThen(promiseResolve(undefined), () => {
          lastWrite = promiseThen(writeTo(writer, chunk), undefined, () => {});
          step();
        });
      },
      close() {},
      error() {},
    });
  }

  /** @returns {Promise<any>} */
  function writesDone() {
    const latest = lastWrite;
    return promiseThen(latest, () => (latest === lastWrite ? undefined : writesDone()));
  }

  /** @param {(() => Promise<any>) | undefined} action @param {{error: any} | undefined} failure */
  function shutDown(action, failure) {
    if (shuttingDown) return;
    shuttingDown = true;
    const act = () => {
      if (action === undefined) {
        finish(failure);
        return;
      }
      promiseThen(
        action(),
        () => finish(failure),
        (error) => finish({ error }),
      );
    };
    if (target.state === WRITABLE && !closeOrCloseInFlight(target)) promiseThen(writesDone(), act);
    else act();
  }

  /** @param {{error: any} | undefined} failure */
  function finish(failure) {
    releaseWriter(writer);
    releaseReader(reader);
    if (signal !== undefined && abortAlgorithm !== undefined) removeOnAbort(signal, abortAlgorithm);
    if (failure !== undefined) result.reject(failure.error);
    else result.resolve(undefined);
  }
}
